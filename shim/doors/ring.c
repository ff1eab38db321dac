/* io_uring: what it does with a connection we don't see. */
#include "safeclose.h"

#include "boundary.h"
#include "remedy/linger.h"
#include "holders/holders.h"
#include "doors/doors.h"

#include <linux/io_uring.h>

/* Before the call: once the ring holds a connection, no close of the program's is the last. The top
 * bit of the operation says how the ring is named. */
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

/* After the call: nobody has a ring before it returns. */
long ring_setup_end(long ret)
{
    if (ret >= 0 && boundary_enter())
        linger_distrust_epoll();
    return ret;
}
