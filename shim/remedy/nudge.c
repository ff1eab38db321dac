#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/signals.h"
#include "ground/sys.h"
#include "ground/wait.h"
#include "remedy/nudge.h"

#define MOMENT_NS 20000
#define MOMENTS 8000 /* they take half a second or more */
#define FREE 0
#define BUSY (-1)
#define DONE (-2)
#define OWN_BIT (1ULL << (NUDGE_SIGNAL - 1))

/* struct kernel_sigaction of x86-64, i386 and arm64. */
typedef void handler(int, siginfo_t *, void *);
struct action {
    handler *handler;
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

/* FREE, or a thread nudges: BUSY; the number of the lot that shall do the errand, from 1; BUSY once it has taken it,
 * then DONE. By the thread that nudges, and by the lot's from the errand's taking until it is done. */
static _Atomic int state;
static nudge_errand *errand; /* before state names a lot */
static const long *argument; /* likewise */
static handler *before;      /* libc's, or SIG_DFL or SIG_IGN; with state */

#if defined(__x86_64__) || defined(__i386__)
#define RESTORER nudge_return
void nudge_return(void);
__asm__(".pushsection .text\n"
        ".hidden nudge_return\n"
        ".globl nudge_return\n"
        ".type nudge_return, @function\n"
        "nudge_return:\n"
#ifdef __x86_64__
        "    mov $15, %eax\n" /* SYS_rt_sigreturn */
        "    syscall\n"
#else
        "    mov $173, %eax\n"
        "    int $0x80\n"
#endif
        ".size nudge_return, . - nudge_return\n"
        ".popsection\n");
#endif

static void on_nudge(int signal, siginfo_t *info, void *context)
{
    int lot = boundary_lot();
    int asked = lot;

    if (!lot) {
        if ((uintptr_t)before > (uintptr_t)SIG_IGN)
            before(signal, info, context);
        return;
    }
    if (!atomic_compare_exchange_strong(&state, &asked,
                                        BUSY)) /* too late, or somebody else's signal */
        return;
    if (errand)
        errand(lot - 1, argument);
    atomic_store(&state, DONE);
}

void nudge_end(int lot, const long *unused)
{
    (void)lot;
    (void)unused;
    sys1(SYS_exit, 0);
}

/* Its signals of a setuid may come to ours, and its threads must see no more of them than otherwise: no EINTR, and as
 * in musl's handler no other signal within it. What a lot waits in is not begun again all the same (signal(7)). */
#define LIKE_LIBC (SA_SIGINFO | SA_RESTART | SA_ONSTACK)

static const struct action own = {
    .handler = on_nudge,
    .mask = ~0ULL,
#ifdef RESTORER
    .flags = LIKE_LIBC | 0x04000000, /* SA_RESTORER: without libc the kernel needs to be told */
    .restorer = RESTORER,
#else
    .flags = LIKE_LIBC,
#endif
};

static __attribute__((noinline)) long set_action(const struct action *action, struct action *old)
{
    return sys4(SYS_rt_sigaction, NUDGE_SIGNAL, SYS_ARG(action), SYS_ARG(old), sizeof(uint64_t));
}

static __attribute__((noinline)) long send_signal(int tid, int signal)
{
    return sys3(SYS_tgkill, atomic_load(&process->pid), tid, signal);
}

bool nudge_finds(int tid)
{
    return send_signal(tid, 0) == 0;
}

/* What a nudge needs is asked for here, by the same instructions: a lot that could not be nudged might
 * never end, and setuid(2) would wait for it. So it must not begin. */
bool nudge_admit(void)
{
    uint64_t blocked = ~OWN_BIT;
    struct action now;

    return set_action(NULL, &now) == 0 && nudge_finds(sys_gettid()) &&
           sys4(SYS_rt_sigprocmask, SIG_SETMASK, SYS_ARG(&blocked), 0, sizeof(blocked)) == 0;
}

static void claim(void)
{
    int was = FREE;

    while (!atomic_compare_exchange_strong(&state, &was, BUSY)) {
        was = FREE;
        wait_ns(MOMENT_NS);
    }
}

void nudge_await(void)
{
    while (atomic_load(&state))
        wait_ns(MOMENT_NS);
}

void nudge_fork_child(void)
{
    atomic_store(&state, FREE);
}

/* A lot does not answer in time if it is in a call that no signal gets it out of, or if libc's handler stands by now.
 * The signal is on its way then, but has no errand any more. */
static void deliver(const _Atomic int *tid, int whom, int lot)
{
    atomic_store(&state, lot + 1);
    if (send_signal(whom, NUDGE_SIGNAL) < 0)
        return;
    for (int i = 0; atomic_load(tid) == whom && atomic_load(&state) != DONE; i++) {
        if (i >= MOMENTS && atomic_exchange(&state, BUSY) != BUSY)
            return;
        wait_ns(MOMENT_NS);
    }
}

/* Notes what stood there, for on_nudge. */
static bool replace(const struct action *action)
{
    static struct action old;

    if (set_action(action, &old) < 0)
        return false;
    if (old.handler != on_nudge)
        before = old.handler;
    return true;
}

/* After the claim there must still be a lot's thread: exec and the like wait for the claim (nudge_await) when
 * none lives. Our handler stays: while a signal is on its way the default would end the process, and where libc had
 * none, it may install its own at any time. */
static void nudge_claimed(const _Atomic int *tid, int lot)
{
    int whom = atomic_load(tid);

    if (whom && replace(NULL) && replace(&own))
        deliver(tid, whom, lot);
}

void nudge(const _Atomic int *tids, int lot, nudge_errand *what, const long *with)
{
    uint64_t mask = 0;

    if (!signals_block(&mask)) /* a handler of the program's might never return here */
        return;
    claim();
    errand = what;
    argument = with;
    nudge_claimed(&tids[lot], lot);
    atomic_store(&state, FREE);
    signals_restore(mask);
}
