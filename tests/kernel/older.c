/*
 * Runs a command on a kernel that seems older: a seccomp filter answers for what it is to lack as such a kernel does.
 *
 * usage: older LACK[,LACK...] COMMAND [ARG...]       LACK: a name of the table below, or all
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* A call; where value is not 0, only if an argument has that value, or with masked, if of these bits it has just those. */
struct lack {
    const char *name;
    int number;
    int argument;
    unsigned value;
    unsigned mask;
    int error;
};

static const struct lack lacks[] = {
    {"nothing", -1, 0, 0, 0, 0},
    {"SO_MEMINFO", SYS_getsockopt, 2, SO_MEMINFO, ~0U, ENOPROTOOPT},
    {"SO_COOKIE", SYS_getsockopt, 2, SO_COOKIE, ~0U, ENOPROTOOPT},
    {"sock_diag", SYS_socket, 0, AF_NETLINK, ~0U, EAFNOSUPPORT},
    {"close_range", SYS_close_range, 0, 0, 0, ENOSYS},
    {"SIOCOUTQNSD", SYS_ioctl, 1, SIOCOUTQNSD, ~0U, ENOTTY},
    /* Some sandboxes know no thread with descriptors of its own. */
    {"private-table", SYS_clone, 0, CLONE_THREAD, CLONE_THREAD | CLONE_FILES, EINVAL},
    {"pidfd", SYS_pidfd_open, 0, 0, 0, ENOSYS},
    {"pidfd", SYS_pidfd_getfd, 0, 0, 0, ENOSYS},
    {"statx", SYS_statx, 0, 0, 0, ENOSYS},
    {"pwritev2", SYS_pwritev2, 0, 0, 0, ENOSYS},
    {"WIPEONFORK", SYS_madvise, 2, 18, ~0U, EINVAL},
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "older: unable to %s: %s\n", what, strerror(errno));
    exit(125);
}

static int is_named(const char *list, const char *name)
{
    const char *at = strstr(list, name);
    size_t size = strlen(name);

    return strcmp(list, "all") == 0 ||
           (at && (at == list || at[-1] == ',') && (!at[size] || at[size] == ','));
}

/* Nothing where the call has another number or argument: then the next one is looked at. */
static struct sock_filter *add(struct sock_filter *next, const struct lack *l)
{
    const unsigned place = (unsigned)offsetof(struct seccomp_data, args[l->argument]);
    const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)l->number, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, place),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, l->mask),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, l->value, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)l->error),
    };

    memcpy(next, code, sizeof code);
    return next + COUNT(code);
}

static void install(const char *list)
{
    static struct sock_filter code[6 * COUNT(lacks) + 1];
    struct sock_filter *next = code;
    struct sock_fprog program;

    for (size_t i = 0; i < COUNT(lacks); i++)
        if (is_named(list, lacks[i].name))
            next = add(next, &lacks[i]);
    if (next == code) {
        fprintf(stderr, "older: unable to lack \"%s\": no such name\n", list);
        exit(125);
    }
    *next++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program = (struct sock_fprog){(unsigned short)(next - code), code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        fail("install the filter");
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fputs("usage: older LACK[,LACK...] COMMAND [ARG...]\n", stderr);
        return 125;
    }
    install(argv[1]);
    execvp(argv[2], argv + 2);
    fail("run the command");
}
