#include "safeclose.h"

#include "format.h"
#include "inuse.h"
#include "proc.h"
#include "sys.h"

struct question {
    int fd;
    int self; /* our own thread, which is in a read of /proc */
    int64_t until;
    bool in_use;
};

static uint64_t number(const char **s)
{
    uint64_t n = 0;
    unsigned base = 10;

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

/* "NR ARG0 ARG1 ARG2 ...": what reads or writes a connection has it first; splice has a second
 * third. Any other call whose first argument happens to be the same number is taken for one: the
 * cost is a close left alone. */
static bool names_fd(const char *call, int fd)
{
    uint64_t nr = number(&call);

    for (int i = 0; i < 3; i++) {
        uint64_t argument;

        if (*call != ' ')
            return false;
        call++;
        argument = number(&call);
        if ((i == 0 || (i == 2 && nr == SYS_splice)) && (int)argument == fd)
            return true;
    }
    return false;
}

static bool look_at_thread(int dir, const char *name, int tid, void *context)
{
    struct question *q = context;
    char path_bytes[32];
    struct text path = text_over(path_bytes, sizeof(path_bytes) - 1);
    char call[128];
    long file;
    long n;

    if (tid == q->self)
        return true;
    if (proc_now_ns() > q->until) {
        q->in_use = true;
        return false;
    }
    text_put(&path, "%s/syscall", name);
    path_bytes[path.len] = '\0';
    file = sys4(SYS_openat, dir, SYS_ARG(path_bytes), O_RDONLY | O_CLOEXEC, 0);
    if (file == -ENOENT) {
        /* The thread has ended, or this kernel has no such file at all. */
        path.len -= sizeof("/syscall") - 1;
        path_bytes[path.len] = '\0';
        q->in_use = sys3(SYS_faccessat, dir, SYS_ARG(path_bytes), F_OK) == 0;
        return !q->in_use;
    }
    n = file < 0 ? file : sys3(SYS_read, file, SYS_ARG(call), sizeof(call) - 1);
    if (file >= 0)
        sys1(SYS_close, file);
    call[n > 0 ? n : 0] = '\0';
    if (n == 0 || n == -ESRCH)
        return true;
    /* "running" could be on its way into a call, or out of one. */
    q->in_use = n < 0 || call[0] == 'r' || names_fd(call, q->fd);
    return !q->in_use;
}

bool inuse_by_thread(int fd)
{
    struct question q = {fd, sys_gettid(), proc_now_ns() + INUSE_LOOK_NS, false};
    long dir = proc_open("/proc/self/task");
    enum proc_walk walked;

    if (dir < 0)
        return true;
    walked = proc_walk((int)dir, look_at_thread, &q);
    sys1(SYS_close, dir);
    return walked == PROC_FAILED || q.in_use;
}
