/*
 * syscall(2), by which Node closes and libseccomp installs its filter: from a number to the doors
 * that libc's names have. Every other number goes to the kernel with its six longs as they came.
 */
#include "safeclose.h"

#include "doors/doors.h"
#include "doors/fork.h"
#include "ground/boundary.h"
#include "ground/real.h"
#include "ground/sys.h"

#ifdef SYS_socketcall
#include <linux/net.h>
#endif
#include <sched.h>
#include <sys/uio.h>

/* The flags of clone3 are in the program's memory, which only the kernel may find unreadable. */
static uint64_t clone3_flags(long arguments)
{
    uint64_t flags = 0;
    struct iovec to = {&flags, sizeof(flags)};
    struct iovec from = {(void *)arguments, sizeof(flags)};

    sys6(SYS_process_vm_readv, sys_getpid(), SYS_ARG(&to), 1, SYS_ARG(&from), 1, 0);
    return flags;
}

static enum forking forks(const long call[7])
{
    switch (call[0]) {
#ifdef SYS_fork
    case SYS_fork:
        return fork_begin();
    case SYS_vfork:
        return fork_clone_begin(CLONE_VM | CLONE_VFORK);
#endif
    case SYS_clone:
        return fork_clone_begin((uint64_t)call[1]);
    default:
        return fork_clone_begin(clone3_flags(call[1]));
    }
}

#ifdef SYS_socketcall
static const struct {
    short number;
    short count; /* of arguments */
} socketcalls[] = {
    [SYS_SOCKET] = {SYS_socket, 3},         [SYS_CONNECT] = {SYS_connect, 3},
    [SYS_LISTEN] = {SYS_listen, 2},         [SYS_ACCEPT] = {SYS_accept4, 3},
    [SYS_SOCKETPAIR] = {SYS_socketpair, 4}, [SYS_SHUTDOWN] = {SYS_shutdown, 2},
    [SYS_SETSOCKOPT] = {SYS_setsockopt, 5}, [SYS_SENDMSG] = {SYS_sendmsg, 3},
    [SYS_RECVMSG] = {SYS_recvmsg, 3},       [SYS_ACCEPT4] = {SYS_accept4, 4},
    [SYS_RECVMMSG] = {SYS_recvmmsg, 5},     [SYS_SENDMMSG] = {SYS_sendmmsg, 4},
};

/* i386's first way to call all of them: which one, and its arguments in the program's memory. They are copied to own,
 * where the doors find and change them, and the kernel is pointed there. Returns the number of that one itself; that of
 * socketcall where they can't be read, which the kernel will say, or where it is no door. */
static long socketcall_begin(long call[7], long own[6])
{
    const long *given = (const long *)call[2];
    unsigned long which = (unsigned long)call[1];
    int count;

    if (which >= sizeof(socketcalls) / sizeof(socketcalls[0]) || !socketcalls[which].number)
        return call[0];
    count = socketcalls[which].count;
    if (!sys_readable(given) || !sys_readable(given + count - 2))
        return call[0];
    memcpy(own, given, (size_t)count * sizeof(own[0]));
    call[2] = (long)own;
    return socketcalls[which].number;
}
#endif

/* call is the number and its arguments. Where the kernel takes an int it reads the lower half. */
static long pass(long call[7], const void *call_site)
{
    long *a = call + 1;
    long number = call[0];
    uint64_t forked = dup_begin();
    struct fd_info info;
    uint64_t begun;
    struct accepting accepting;
    struct unsharing unsharing;
    enum forking forking;
    enum standdown reason;
    struct linger_change change;
    bool stopped;
    struct exec exec;
#ifdef SYS_socketcall
    long own[6] = {0};

    if (number == SYS_socketcall && (number = socketcall_begin(call, own)) != call[0])
        a = own;
#endif
    int fd = (int)a[0];

    switch (number) {
    case SYS_close:
        return close_begin(fd, VIA_SYSCALL, call_site) ? close_end(fd, real_syscall(call)) : -1;
    case SYS_close_range:
        reason = range_begin((unsigned)a[0], (unsigned)a[1], (int)a[2], VIA_SYSCALL, call_site);
        return range_end(reason, (unsigned)a[0], (unsigned)a[1], (int)a[2], real_syscall(call));
#ifdef SYS_dup2
    case SYS_dup2:
        dup_onto_begin(fd, (int)a[1], 0, VIA_SYSCALL, call_site);
        return dup_onto_end(forked, fd, (int)a[1], real_syscall(call));
#endif
    case SYS_dup3:
        dup_onto_begin(fd, (int)a[1], (int)a[2], VIA_SYSCALL, call_site);
        return dup_onto_end(forked, fd, (int)a[1], real_syscall(call));
    case SYS_dup:
        return dup_end(forked, fd, real_syscall(call));
    case SYS_fcntl:
#ifdef ARCH_OLD_FCNTL
    case ARCH_OLD_FCNTL:
#endif
        return dup_fcntl_end(forked, fd, (int)a[1], real_syscall(call));
    case SYS_ioctl:
        message_ioctl_begin((unsigned long)a[1], (const void *)a[2]);
        return real_syscall(call);
    case SYS_exit_group:
        exit_begin(VIA_EXIT_GROUP, call_site);
        return real_syscall(call);

    case SYS_socket:
        info = socket_begin();
        return socket_end(info, fd, (int)a[1], (int)a[2], real_syscall(call));
    case SYS_socketpair:
        return socket_pair_end((const int *)a[3], real_syscall(call));
    case SYS_listen:
        return socket_listen_end(fd, real_syscall(call));
    case SYS_connect:
        return socket_connect_end(fd, (const struct sockaddr *)a[1], (socklen_t)a[2],
                                  real_syscall(call));
    case SYS_shutdown:
        return socket_shutdown_end(fd, (int)a[1], real_syscall(call));
    case SYS_epoll_ctl:
        begun = socket_epoll_begin(fd, (int)a[1], (int)a[2]);
        return socket_epoll_end(begun, fd, (int)a[1], (int)a[2], real_syscall(call));
    case SYS_setsockopt:
        socket_option_begin(fd, (int)a[1], (int)a[2]);
        return real_syscall(call);
#ifdef SYS_accept
    case SYS_accept:
#endif
    case SYS_accept4:
        socket_accept_begin(&accepting, fd, (struct sockaddr *)a[1], (socklen_t *)a[2]);
        a[1] = (long)accepting.address;
        a[2] = (long)accepting.len;
        return socket_accept_end(&accepting, fd, real_syscall(call));

    case SYS_sendmsg:
        message_send_begin((const struct msghdr *)a[1], 0);
        return message_sent((const struct msghdr *)a[1], real_syscall(call));
    case SYS_sendmmsg:
        message_many(message_send_begin, (const struct mmsghdr *)a[1], (unsigned)a[2]);
        return message_many(message_sent, (const struct mmsghdr *)a[1], real_syscall(call));
    case SYS_recvmsg:
        return message_received((const struct msghdr *)a[1], real_syscall(call));
    case SYS_recvmmsg:
        return message_many(message_received, (const struct mmsghdr *)a[1], real_syscall(call));
    case SYS_pidfd_getfd:
        return message_pidfd_taken(real_syscall(call));
    case SYS_io_uring_register:
        ring_register_begin((unsigned)a[1]);
        return real_syscall(call);
    case SYS_io_uring_setup:
        return ring_setup_end((const struct io_uring_params *)a[1], real_syscall(call));
    case SYS_io_uring_enter:
        ring_enter_begin((unsigned)a[1]);
        return ring_enter_end((unsigned)a[1], real_syscall(call));

    case SYS_seccomp:
        reason = sandbox_filter_begin((unsigned)a[0], (unsigned)a[1], (const void *)a[2]);
        return standdown_end(reason, real_syscall(call));
    case SYS_prctl:
        reason = sandbox_prctl_begin((int)a[0], (unsigned long)a[1], (const void *)a[2]);
        return standdown_end(reason, real_syscall(call));
    case SYS_chroot:
        sandbox_chroot_begin();
        return real_syscall(call);
    case SYS_unshare:
    case SYS_setns:
        unsharing = sandbox_unshare_begin(call[0] == SYS_setns ? CLONE_NEWNET : (int)a[0]);
        return sandbox_unshare_end(unsharing, real_syscall(call));
    case SYS_mq_notify:
        stopped = alone_begin();
        return sandbox_notify_end(stopped, real_syscall(call));
    case SYS_execve:
    case SYS_execveat:
        exec = exec_begin();
        return exec_failed(exec, real_syscall(call));
    case SYS_setuid:
    case SYS_setgid:
    case SYS_setreuid:
    case SYS_setregid:
    case SYS_setresuid:
    case SYS_setresgid:
    case SYS_setgroups:
        change = rights_begin(call[0], a[0], a[1], a[2]);
        return rights_end(change, real_syscall(call));
#ifdef ARCH_OLD_RIGHTS
    case ARCH_OLD_RIGHTS:
#endif
    case SYS_capset: /* the kernel writes to its header */
    case SYS_landlock_restrict_self:
        change = rights_begin(0, 0, 0, 0);
        return rights_end(change, real_syscall(call));
    case SYS_setrlimit:
        limit_begin(0, fd, (const void *)a[1], sizeof(long));
        return limit_end(fd, real_syscall(call));
    case SYS_prlimit64:
        limit_begin(fd, (int)a[1], (const void *)a[2], sizeof(uint64_t));
        return limit_end((int)a[1], real_syscall(call));

#ifdef SYS_fork
    case SYS_fork:
    case SYS_vfork:
#endif
    case SYS_clone:
    case SYS_clone3:
        forking = forks(call);
        return fork_end(forking, real_syscall(call));
    default:
        return real_syscall(call);
    }
}

EXPORT long syscall(long number, ...)
{
    long call[7] = {number};
    va_list args;

    va_start(args, number);
    for (int i = 1; i < 7; i++)
        call[i] = va_arg(args, long);
    va_end(args);
    return pass(call, CALLER);
}
