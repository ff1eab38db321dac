#include "safeclose.h"

#include "ground/sys.h"
#include "remedy/drain.h"

/*
 * MSG_TRUNC discards on TCP (tcp(7)), so no buffer is needed. One call takes what is queued then
 * and stops at an urgent mark, hence the loop; it ends at EAGAIN (empty), 0 (the peer's FIN) or an
 * error (the peer gave up, which leaves nothing to save).
 */
struct drained drain(int fd, uint64_t max)
{
    struct drained d = {0, DRAINED_BOUND};

    while (d.bytes < max) {
        uint64_t left = max - d.bytes;
        long n = sys6(SYS_recvfrom, fd, 0, (long)(left < INT_MAX ? left : INT_MAX),
                      MSG_TRUNC | MSG_DONTWAIT, 0, 0);
        if (n <= 0) {
            d.end = n == -EAGAIN ? DRAINED_EMPTY : n == 0 ? DRAINED_FIN : DRAINED_ERROR;
            break;
        }
        d.bytes += (uint64_t)n;
    }
    return d;
}
