#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/signals.h"
#include "ground/sys.h"
#include "ground/wait.h"
#include "remedy/nudge.h"

#define MOMENT_NS 20000
#define OWN_BIT (1ULL << (NUDGE_SIGNAL - 1))

/* struct kernel_sigaction of x86-64, i386 and arm64. */
struct action {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

static _Atomic bool nudging; /* a thread does; that thread */
static _Atomic int target;   /* the lot's thread that has this errand; likewise */
static nudge_errand *errand; /* before target */
static const long *argument; /* likewise */
static _Atomic int answered; /* the handler has run; the handler */
static struct action before; /* libc's, or none; with nudging */

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

    if (!lot) {
        if ((uintptr_t)before.handler > (uintptr_t)SIG_IGN)
            before.handler(signal, info, context);
        return;
    }
    if (atomic_load(&target) == sys_gettid())
        errand(lot - 1, argument);
    atomic_store(&answered, 1);
}

void nudge_end(int lot, const long *unused)
{
    (void)lot;
    (void)unused;
    sys1(SYS_exit, 0);
}

/* Its signals of a setuid may come to ours, and its threads must see no more of them than otherwise: no EINTR. What
 * a lot waits in is not begun again all the same (signal(7)). */
#define LIKE_LIBC (SA_SIGINFO | SA_RESTART | SA_ONSTACK)

static const struct action own = {
    .handler = on_nudge,
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
    while (atomic_exchange(&nudging, true))
        wait_ns(MOMENT_NS);
}

void nudge_await(void)
{
    while (atomic_load(&nudging))
        wait_ns(MOMENT_NS);
}

void nudge_fork_child(void)
{
    atomic_store(&nudging, false);
}

/* As long as the signal is on its way its handler must stand: the default would end the process. */
static void deliver(const _Atomic int *tid)
{
    int whom = atomic_load(tid);

    atomic_store(&answered, 0);
    atomic_store(&target, errand ? whom : 0);
    if (!whom || send_signal(whom, NUDGE_SIGNAL) < 0)
        return;
    while (atomic_load(tid) == whom && !atomic_load(&answered))
        wait_ns(MOMENT_NS);
}

/* After the claim there must still be a lot's thread: exec and the like wait for the claim (nudge_await) when
 * none lives. */
static void nudge_claimed(const _Atomic int *tid)
{
    struct action old;

    if (atomic_load(tid) == 0 || set_action(NULL, &old) < 0)
        return;
    if (old.handler != on_nudge) /* a fork in the middle of this leaves ours standing */
        before = old;
    if (set_action(&own, NULL) < 0)
        return;
    deliver(tid);
    set_action(&before, NULL);
}

void nudge(const _Atomic int *tid, nudge_errand *what, const long *with)
{
    uint64_t mask = 0;

    if (!signals_block(&mask)) /* a handler of the program's might never return here */
        return;
    claim();
    atomic_store(&target, 0); /* a signal of somebody else's has no errand */
    errand = what;
    argument = with;
    nudge_claimed(tid);
    atomic_store(&nudging, false);
    signals_restore(mask);
}
