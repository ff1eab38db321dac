#include "safeclose.h"

#include "ground/signals.h"
#include "ground/sys.h"

/* Blocking and restoring are the same call by the same instruction, so that whatever refuses the
 * second (a seccomp filter) has refused the first already, before any harm was done. */
static __attribute__((noinline)) long set_mask(uint64_t set, uint64_t *before)
{
    return sys4(SYS_rt_sigprocmask, SIG_SETMASK, SYS_ARG(&set), SYS_ARG(before), sizeof(set));
}

bool signals_block(uint64_t *before)
{
    return set_mask(~0ULL, before) == 0;
}

/* Signals that stay blocked would ruin the program, so a refusal is not accepted at once. */
void signals_restore(uint64_t before)
{
    if (set_mask(before, NULL) < 0)
        sys4(SYS_rt_sigprocmask, SIG_SETMASK, SYS_ARG(&before), 0, sizeof(before));
}

/* struct kernel_sigaction begins with the handler, on i386 with the flags in the other half of the word. */
void signals_ignore_pipe(void)
{
    uint64_t action[4] = {(uint64_t)(uintptr_t)SIG_IGN};

    if (sys4(SYS_rt_sigaction, SIGPIPE, 0, SYS_ARG(action), sizeof(uint64_t)) < 0 ||
        (uintptr_t)action[0] != (uintptr_t)SIG_DFL)
        return;
    action[0] = (uint64_t)(uintptr_t)SIG_IGN;
    sys4(SYS_rt_sigaction, SIGPIPE, SYS_ARG(action), 0, sizeof(uint64_t));
}
