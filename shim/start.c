/* Where it begins: the constructor, and the handler for the end of the process. */
#include "safeclose.h"

#include "boundary.h"
#include "config.h"
#include "real.h"
#include "sink.h"
#include "summary.h"

/*
 * exit runs its handlers last come, first served, and no one registers before the constructor of a
 * preloaded library: so this one runs after the program's handlers and every destructor, and before
 * stdio is flushed.
 */
#ifdef __GLIBC__
static void at_exit(int status, void *unused)
{
    (void)status;
    (void)unused;
    summary_write();
}
#define AT_EXIT() on_exit(at_exit, NULL)
#else
#define AT_EXIT() atexit(summary_write)
#endif

__attribute__((constructor)) static void start(void)
{
    int saved_errno = errno;

    real_resolve();
    config_read();
    if (config.mode != MODE_OFF) {
        boundary_start();
        sink_start();
        AT_EXIT();
    }
    boundary_ready(config.mode != MODE_OFF);
    errno = saved_errno;
}
