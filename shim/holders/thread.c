#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/format.h"
#include "ground/proc.h"
#include "ground/sys.h"
#include "holders/thread.h"

#define ANSWER 128 /* bytes of a file in /proc that are of use */

static const char elsewhere[] =
#define PLACE(function) #function "\0"
#include "holders/sleeping.def"
#undef PLACE
    ;

/* What the compiler made of a function has a suffix. */
static bool is_function(const char *answer, const char *name)
{
    size_t len = strlen(name);

    return strncmp(answer, name, len) == 0 && (answer[len] == '\0' || answer[len] == '.');
}

static bool is_elsewhere(const char *answer)
{
    for (const char *name = elsewhere; *name; name += strlen(name) + 1)
        if (is_function(answer, name))
            return true;
    return false;
}

/* Reads the file of this name of one thread, as much as there is room for; the bytes, or -errno. */
static long read_file(int tasks, const char *tid, const char *name, char *answer, long room)
{
    char path_bytes[32];
    struct text path = text_over(path_bytes, sizeof(path_bytes) - 1);
    long file;
    long n;

    text_put(&path, "%s/%s", tid, name);
    path_bytes[path.len] = '\0';
    file = sys4(SYS_openat, tasks, SYS_ARG(path_bytes), O_RDONLY | O_CLOEXEC, 0);
    if (file < 0)
        return file;
    n = sys3(SYS_read, file, SYS_ARG(answer), room - 1);
    sys1(SYS_close, file);
    answer[n > 0 ? n : 0] = '\0';
    return n;
}

/* "NR 0xARG 0xARG ...", as proc_pid_syscall(5) has it. */
static uint64_t next_number(const char **s)
{
    unsigned base = 10;
    uint64_t n = 0;

    while (**s == ' ')
        (*s)++;
    if ((*s)[0] == '0' && (*s)[1] == 'x') {
        base = 16;
        *s += 2;
    }
    for (;; (*s)++) {
        unsigned digit = **s >= '0' && **s <= '9'   ? (unsigned)(**s - '0')
                         : **s >= 'a' && **s <= 'f' ? (unsigned)(**s - 'a') + 10
                                                    : 16;
        if (digit >= base)
            return n;
        n = n * base + digit;
    }
}

#ifdef SYS_socketcall
/* On i386 glibc makes most calls on sockets by socketcall(2), whose arguments are in memory: the thread's own stack,
 * which holds them as long as it is in that call. It is if it is there before and after. */
static void look_at_arguments(struct threads *t, struct thread *seen, const char *tid,
                              const char *before, const int *arguments)
{
    char after[ANSWER];
    int number;

    if (!sys_readable(arguments))
        return;
    number = *(const volatile int *)arguments;
    if (read_file(t->tasks, tid, "syscall", after, sizeof(after)) > 0 && strcmp(before, after) == 0)
        seen->number = number;
}
#endif

/* By the call that it is in. False if that is unknown; a thread that is in none (it waits for a page
 * of memory, or is one of io_uring's) says -1. */
static bool look_at_call(struct threads *t, struct thread *seen, const char *tid)
{
    char answer[ANSWER];
    const char *s = answer;
    uint64_t nr;
    long n = t->shut ? -EACCES : read_file(t->tasks, tid, "syscall", answer, sizeof(answer));

    t->shut = n == -EACCES || n == -EPERM;
    if (n <= 0 || answer[0] == '-')
        return false;
    if (answer[0] == 'r') {
        seen->where = RUNNING;
        return true;
    }
    nr = next_number(&s);
    /* Which are on two numbers, and on any. */
#ifdef SYS_socketcall
    if (nr == SYS_socketcall) {
        next_number(&s); /* which of them */
        look_at_arguments(t, seen, tid, answer, (const int *)(uintptr_t)next_number(&s));
        return true;
    }
#endif
    if (nr != SYS_splice && nr != SYS_io_uring_enter && nr != SYS_io_submit)
        seen->number = (int)next_number(&s);
    return true;
}

/* The letter of its state, which follows its name in parentheses (proc_pid_stat(5)); 0: unknown. */
static char state_of(const struct threads *t, const char *tid)
{
    char answer[ANSWER];
    long n = read_file(t->tasks, tid, "stat", answer, sizeof(answer));

    while (n > 2 && answer[n - 1] != ')')
        n--;
    return n > 2 && answer[n] == ' ' ? answer[n + 1] : 0;
}

/* By where in the kernel it sleeps; "0" where it doesn't, or where that is hidden. The first thread stays
 * listed, dead, until the others have ended. */
void thread_look(struct threads *t, struct thread *seen, const char *tid)
{
    char function[ANSWER];
    long n = read_file(t->tasks, tid, "wchan", function, sizeof(function));

    seen->number = -1;
    seen->where = OPAQUE;
    if (n > 0 && is_elsewhere(function)) {
        seen->where = ELSEWHERE;
        return;
    }
    if (n > 0 && is_function(function, "wait_woken"))
        seen->where = ASLEEP;
    if (look_at_call(t, seen, tid) || n != 1)
        return;
    switch (state_of(t, tid)) {
    case 'R':
        seen->where = RUNNING;
        break;
    case 'Z':
    case 'X':
        seen->where = ELSEWHERE;
        break;
    default: /* hidden */
        break;
    }
}

/* A thread's user time as the kernel counts it (CPUCLOCK_VIRT in linux/posix-timers.h), not scaled by the time that it
 * has run, as in its stat and in getrusage(2): it grows only by a tick that finds the thread in its own code, or where
 * the kernel measures it, while the thread is there. -1 if the kernel does not tell. */
static int64_t user_ns(int tid)
{
    struct timespec used = {0, 0};

    if (sys2(SYS_clock_gettime, (int)(~(unsigned)tid << 3 | 5), SYS_ARG(&used)) < 0)
        return -1;
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

/* How often a thread has gone to sleep, as proc_pid_status(5) has it; -1 if the kernel does not tell. The time that
 * it has run for does not do: in a virtual machine, what the host took meanwhile is taken from that, down to 0. */
static int64_t sleeps(struct threads *t, const char *tid)
{
    static const char key[] = "\nvoluntary_ctxt_switches:\t";
    long n = read_file(t->tasks, tid, "status", t->status, sizeof(t->status));

    for (long at = n - (long)sizeof(key); at >= 0; at--)
        if (strncmp(t->status + at, key, sizeof(key) - 1) == 0) {
            const char *digits = t->status + at + sizeof(key) - 1;

            return (int64_t)next_number(&digits);
        }
    return -1;
}

/* same: it was in this state in the walk before. */
void thread_count(struct threads *t, struct thread *seen, const char *tid, bool same)
{
    bool running = seen->where == RUNNING;
    int64_t now = running ? user_ns(seen->tid) : seen->counted ? sleeps(t, tid) : -1;
    bool known = same && now >= 0 && seen->count >= 0;

    if (known && now == seen->count)
        return;
    if (known && running && seen->out < seen->lap)
        seen->out = seen->lap;
    seen->lap = t->walk;
    seen->count = now;
}
