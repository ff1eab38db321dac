#include "safeclose.h"

#include "ground/proc.h"
#include "ground/sys.h"

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
