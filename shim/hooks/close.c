#include "../safeclose.h"

#include "../boundary.h"
#include "../closing.h"
#include "../linger.h"
#include "../real.h"
#include "../sink.h"

EXPORT int close(int fd)
{
    int ret;

    if (!boundary_enter()) {
        if (boundary_early())
            closing_early(fd);
        return real_close(fd);
    }
    /* A loop that closes every number: ours must look to it like one that is not open. */
    if (sink_owns(fd) || linger_owns(fd)) {
        errno = EBADF;
        return -1;
    }
    closing(fd, VIA_CLOSE, __builtin_return_address(0));
    ret = real_close(fd);
    closing_done();
    return ret;
}

/* glibc has these names too. */
ALIAS(close) int __close(int fd);
