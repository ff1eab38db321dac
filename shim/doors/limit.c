/*
 * RLIMIT_NPROC. haproxy sets it to 0, so that nobody who breaks in can start a process, and from then on the
 * kernel refuses our thread, too, unless the process has CAP_SYS_RESOURCE. So the thread must be there before.
 */
#include "safeclose.h"

#include "doors/doors.h"
#include "ground/boundary.h"
#include "ground/fdtable.h"
#include "ground/sys.h"
#include "remedy/linger.h"
#include "report/event.h"

#include <sys/resource.h>

static bool uses_tcp(void)
{
    return atomic_load(&process->greeted) & USES_TCP || fdtable_next(-1, FD_TCP) >= 0;
}

static uint64_t first_word(const void *limit, size_t word)
{
    uint64_t wide;
    uint32_t narrow;

    if (word == sizeof(wide)) {
        memcpy(&wide, limit, sizeof(wide));
        return wide;
    }
    memcpy(&narrow, limit, sizeof(narrow));
    return narrow == UINT32_MAX ? RLIM_INFINITY : narrow;
}

/* limit is the program's memory, of which the first word is read. */
static bool is_lower(const void *limit, size_t word)
{
    struct rlimit now = {RLIM_INFINITY, RLIM_INFINITY};

    if (!sys_readable(limit))
        return false;
    sys4(SYS_prlimit64, 0, RLIMIT_NPROC, 0, SYS_ARG(&now));
    return first_word(limit, word) < now.rlim_cur;
}

static __attribute__((noinline)) void begin(long pid, const void *limit, size_t word)
{
    if (!boundary_enter() || (pid && pid != atomic_load(&process->pid)) || !is_lower(limit, word))
        return;
    linger_limited();
    if (uses_tcp())
        linger_prepare_limited();
}

/* AddressSanitizer sets other limits before code of its own making can run: so nothing on the stack here. */
void limit_begin(long pid, int resource, const void *limit, size_t word)
{
    if (resource == RLIMIT_NPROC && limit)
        begin(pid, limit, word);
}

long limit_end(int resource, long ret)
{
    if (resource == RLIMIT_NPROC && ret == 0 && boundary_enter())
        linger_retry();
    return ret;
}
