/* io_uring, which uses connections without calls that can be seen. */
#include "safeclose.h"

#include "doors/doors.h"
#include "ground/boundary.h"
#include "holders/holders.h"
#include "holders/rings.h"

#include <linux/io_uring.h>

/* Before the call: once a ring holds a connection, the program's close is not the last. The top bit of the operation
 * says how the ring is named. */
void ring_register_begin(unsigned operation)
{
    switch (operation & ~(1U << 31)) {
    case IORING_REGISTER_FILES:
    case IORING_REGISTER_FILES2:
    case IORING_REGISTER_FILES_UPDATE:
    case IORING_REGISTER_FILES_UPDATE2:
        if (boundary_enter())
            holders_lose_all();
    }
}

/* After the call, which has written to the parameters. There is no ring before it returns. */
long ring_setup_end(const struct io_uring_params *params, long ret)
{
    if (ret >= 0 && params->flags & IORING_SETUP_SQPOLL) {
        boundary_enter();
        rings_distrust();
    }
    return ret;
}

/* submitted: how many requests the kernel is to take. A call that only waits gives it none. */
void ring_enter_begin(unsigned submitted)
{
    if (!submitted)
        return;
    boundary_enter(); /* a fork child must know that it is one */
    rings_begin();
}

long ring_enter_end(unsigned submitted, long ret)
{
    if (submitted)
        rings_end();
    return ret;
}
