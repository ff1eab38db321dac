/* A receive queue, as the kernel treats it (net/ipv4/tcp.c, tcp_input.c), without the kernel. */
#include "referee.h"

/* tcp_check_urg(): it looks at a segment before anybody decides whether to take its data. */
void queue_marks(struct queue *q, uint32_t size, enum mark mark)
{
    /* A second urgent byte while the first is next to be read: the first one is skipped. */
    if (q->mark != MARK_NONE && q->mark_at == q->at && !q->in_line && q->at != q->arrived)
        q->at++;
    q->mark = mark;
    q->mark_at = q->arrived + size - 1;
}

void queue_arrives(struct queue *q, uint32_t size, bool urgent)
{
    if (urgent)
        queue_marks(q, size, MARK_WAITS);
    q->arrived += size;
}

/* tcp_recvmsg_locked(): a read stops in front of the mark, and the next one skips it. */
uint32_t queue_read(struct queue *q, uint32_t size, bool peek)
{
    uint32_t at = q->at, copied = 0;

    while (size > 0) {
        uint32_t used = q->arrived - at < size ? q->arrived - at : size;

        if (q->mark != MARK_NONE && q->mark_at == at && copied)
            break;
        if (used == 0)
            break;
        if (q->mark != MARK_NONE && q->mark_at - at < used) {
            if (q->mark_at != at) {
                used = q->mark_at - at;
            } else if (!q->in_line) {
                at++;
                used--;
            }
        }
        at += used;
        copied += used;
        size -= used;
        if (!peek) {
            q->at = at;
            if (q->mark != MARK_NONE && q->at > q->mark_at)
                q->mark = MARK_NONE;
        }
    }
    return copied;
}

uint32_t queue_starts(const struct queue *q)
{
    return q->at + (q->mark != MARK_NONE && q->mark_at == q->at && !q->in_line);
}

/* tcp_inq(), but for the FIN. */
uint32_t queue_counted(const struct queue *q)
{
    bool stops =
        !q->in_line && q->mark != MARK_NONE && q->mark_at >= q->at && q->mark_at < q->arrived;

    return (stops ? q->mark_at : q->arrived) - q->at;
}

uint32_t queue_discards(const struct queue *q)
{
    struct queue copy = *q;
    uint32_t all = 0, got;

    while ((got = queue_read(&copy, UINT32_MAX, false)) > 0)
        all += got;
    return all;
}

bool queue_at_mark(const struct queue *q)
{
    return q->mark != MARK_NONE && q->mark_at == q->at;
}

/* Taken out of line it is still told where it is the next byte; farther behind nobody can see it.
 */
bool queue_is_urgent(const struct queue *q)
{
    if (queue_counted(q) == 0)
        return q->at < q->arrived && queue_at_mark(q);
    return q->mark == MARK_WAITS;
}
