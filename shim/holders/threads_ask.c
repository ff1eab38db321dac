#include "safeclose.h"

#include "ground/sys.h"
#include "holders/thread.h"
#include "tcp/probe.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>

#ifndef TCP_ULP
#define TCP_ULP 31
#endif

void threads_begin(const struct threads *t, struct in_call *c)
{
    c->gone = t->walk + 1;
}

/* Whether it is where it was. */
static bool is_still(const struct threads *t, struct in_call *c, int fd, uint8_t *state)
{
    struct probe_position position = {.read = 0};
    bool known = probe_position(fd, &position);

    *state = known ? position.state : 0;
    if (known && c->still && c->read == position.read && c->written == position.written)
        return true;
    c->still = known ? t->walk + 1 : 0;
    c->read = position.read;
    c->written = position.written;
    c->knock = 0;
    return false;
}

/* While there is room to write, this wakes all threads that sleep on it (sk_stream_write_space in the kernel),
 * whether they read, write or peek. After our FIN poll(2) says that there is room even if there is none. */
static bool wakes_for_room(int fd, uint8_t state)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    struct timespec now = {0, 0};
    long lowat = sys_getsockopt_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT);
    int same = (int)lowat;

    return (state == STATE_ESTABLISHED || state == STATE_CLOSE_WAIT) && lowat >= 0 &&
           sys6(SYS_ppoll, SYS_ARG(&room), 1, SYS_ARG(&now), 0, 0, 0) == 1 &&
           room.revents & POLLOUT &&
           sys6(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, SYS_ARG(&same), sizeof(same),
                0) == 0;
}

/* While something is unread, this does the same (tcp_data_ready), unless another protocol is layered on top. */
static bool wakes_for_data(int fd)
{
    int one = 1;
    char protocol[16];
    unsigned len = sizeof(protocol);

    return (sys_getsockopt(fd, IPPROTO_TCP, TCP_ULP, protocol, &len) < 0 || len == 0) &&
           sys_getsockopt_int(fd, SOL_SOCKET, SO_RCVLOWAT) == one &&
           sys_ioctl_int(fd, FIONREAD) > 0 &&
           sys6(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVLOWAT, SYS_ARG(&one), sizeof(one), 0) == 0;
}

static void knock(const struct threads *t, struct in_call *c, int fd, uint8_t state)
{
    c->knock = !c->shared && (wakes_for_room(fd, state) || wakes_for_data(fd)) ? t->walk + 1 : 0;
}

void threads_watch(struct threads *t, struct in_call *c, int fd)
{
    uint8_t state;

    t->counts_all = true;
    is_still(t, c, fd, &state);
    knock(t, c, fd, state);
}

static bool is_on_another(const struct thread *seen, int number)
{
    return number >= 0 && seen->number >= 0 && seen->number != number;
}

/* For a connection to which nothing has happened since it was first watched. */
static bool is_not_on(const struct thread *seen, const struct in_call *c)
{
    return seen->where == ASLEEP && seen->count >= 0 && seen->lap < c->knock;
}

enum threads_answer threads_ask(struct threads *t, struct in_call *c, int fd, int number,
                                int closer)
{
    enum threads_answer answer = THREADS_OUT;
    bool asked = false;
    bool still = false;
    uint8_t state = 0;

    if (!t->complete || !c->gone)
        return THREADS_UNSEEN;
    for (uint32_t i = 0; i < t->count; i++) {
        struct thread *seen = &t->list[i];

        if (seen->out >= c->gone || seen->tid == closer || is_on_another(seen, number))
            continue;
        if (!asked) {
            still = is_still(t, c, fd, &state);
            if (state == STATE_CLOSE)
                return THREADS_OVER;
            asked = true;
        }
        seen->counted = true;
        if (!still || !is_not_on(seen, c))
            answer = still && seen->where != RUNNING ? THREADS_ASLEEP : THREADS_UNSEEN;
    }
    if (answer != THREADS_OUT)
        knock(t, c, fd, state);
    return answer;
}
