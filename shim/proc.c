#include "safeclose.h"

#include "proc.h"
#include "sys.h"

#define MOMENT_NS 20000
#define MOMENTS 500

/* A directory entry as getdents64 lays it out. */
struct entry64 {
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

long proc_open(const char *path)
{
    return sys4(SYS_openat, AT_FDCWD, SYS_ARG(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

static int number_of(const char *name)
{
    int n = 0;

    for (; *name >= '0' && *name <= '9'; name++)
        n = n * 10 + (*name - '0');
    return n;
}

enum proc_walk proc_walk(int dir,
                         bool (*visit)(int dir, const char *name, int number, void *context),
                         void *context)
{
    _Alignas(struct entry64) char entries[512];
    long n;

    while ((n = sys3(SYS_getdents64, dir, SYS_ARG(entries), sizeof(entries))) > 0) {
        for (long at = 0; at < n;) {
            const struct entry64 *e = (const struct entry64 *)(entries + at);

            at += e->size;
            if (e->name[0] != '.' && !visit(dir, e->name, number_of(e->name), context))
                return PROC_STOPPED;
        }
    }
    return n < 0 ? PROC_FAILED : PROC_ALL;
}

int64_t proc_now_ns(void)
{
    struct timespec now = {0, 0};

    sys2(SYS_clock_gettime, CLOCK_MONOTONIC, SYS_ARG(&now));
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool proc_is_over(int64_t deadline)
{
    int64_t now = proc_now_ns();

    return now == 0 || now > deadline;
}

void proc_sleep_ns(long ns)
{
    const struct timespec time = {0, ns};

    sys2(SYS_nanosleep, SYS_ARG(&time), 0);
}

void proc_await(_Atomic int *who, int pid)
{
    for (int i = 0; i < MOMENTS && atomic_load(who) == pid; i++)
        proc_sleep_ns(MOMENT_NS);
}
