/*
 * syscall(2), by which Node closes and libseccomp installs its filter. The numbers of what the
 * other hooks stand in front of are treated likewise; every number goes to the kernel with six
 * longs, as it came.
 */
#include "../safeclose.h"

#include "../boundary.h"
#include "../closing.h"
#include "../event_json.h"
#include "../fdtable.h"
#include "../forking.h"
#include "../giveup.h"
#include "../linger.h"
#include "../real.h"
#include "../share.h"
#include "../sink.h"
#include "../summary.h"
#include "../sys.h"
#include "../track.h"

#include <linux/close_range.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/uio.h>

/* What must be known before the call. */
static void before(long number, const long a[6], const void *call_site)
{
    switch (number) {
    case SYS_close:
        closing((int)a[0], VIA_SYSCALL, call_site);
        break;
    case SYS_dup3:
        if (a[2] & ~(long)O_CLOEXEC)
            break;
#ifdef SYS_dup2
        /* fall through */
    case SYS_dup2:
#endif
        if (a[0] != a[1] && closing_concerns((int)a[1]) && sys2(SYS_fcntl, (int)a[0], F_GETFD) >= 0)
            closing((int)a[1], VIA_SYSCALL, call_site);
        break;
    case SYS_close_range:
        if ((unsigned)a[2] & ~(unsigned)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
            break;
        if (a[2] & CLOSE_RANGE_UNSHARE && !real_single_threaded())
            giveup_for_good(GIVEUP_UNSHARED);
        else if (!(a[2] & CLOSE_RANGE_CLOEXEC) && (unsigned)a[0] <= (unsigned)a[1])
            closing_range((unsigned)a[0], (unsigned)a[1], VIA_SYSCALL, call_site);
        break;
    case SYS_exit_group:
        closing_all(VIA_SYSCALL, call_site);
        linger_wait();
        summary_write();
        break;
    case SYS_execve:
    case SYS_execveat:
        execing();
        break;
    case SYS_io_uring_register:
        if (a[1] == IORING_REGISTER_FILES || a[1] == IORING_REGISTER_FILES2 ||
            a[1] == IORING_REGISTER_FILES_UPDATE || a[1] == IORING_REGISTER_FILES_UPDATE2)
            share_lose_all();
        break;
    case SYS_setsockopt:
        track_option((int)a[0], (int)a[1], (int)a[2]);
        break;
    case SYS_mq_notify:
        linger_forbid();
        break;
    case SYS_io_uring_setup:
        linger_distrust_epoll();
        break;
    case SYS_unshare:
        if (a[0] & CLONE_FILES && !real_single_threaded())
            giveup_for_good(GIVEUP_UNSHARED);
        if (a[0] & CLONE_NEWNET)
            event_json_moved();
        break;
    case SYS_setns:
        event_json_moved();
        break;
    }
}

/* What the lot must not outlive, or the kernel refuses to a process of several threads
 * (hooks/rights.c, hooks/sandbox.c, hooks/spawn.c). */
static bool stops_lot(long number)
{
    switch (number) {
    case SYS_unshare:
    case SYS_setns:
    case SYS_setuid:
    case SYS_setgid:
    case SYS_setreuid:
    case SYS_setregid:
    case SYS_setresuid:
    case SYS_setresgid:
    case SYS_setgroups:
    case SYS_capset:
    case SYS_landlock_restrict_self:
    case SYS_execve:
    case SYS_execveat:
        return linger_stop();
    default:
        return false;
    }
}

static void accepted(int listener, int fd, uint32_t epoch)
{
    track_accepted(listener, fd, NULL, 0, epoch);
    linger_prepare();
}

/* What is known only after a call that succeeded. */
static void after(long number, const long a[6], long ret, uint32_t epoch)
{
    switch (number) {
#ifdef SYS_dup2
    case SYS_dup2:
#endif
    case SYS_dup3:
    case SYS_dup:
        track_copied((int)a[0], (int)ret, epoch);
        break;
    case SYS_fcntl:
        if (a[1] == F_DUPFD || a[1] == F_DUPFD_CLOEXEC)
            track_copied((int)a[0], (int)ret, epoch);
        break;
    case SYS_socket:
        track_socket((int)ret, (int)a[0], (int)a[1], (int)a[2], epoch);
        break;
    case SYS_socketpair:
        track_other(((const int *)a[3])[0]);
        track_other(((const int *)a[3])[1]);
        break;
    case SYS_listen:
        track_listening((int)a[0]);
        break;
    case SYS_connect:
        track_connected((int)a[0], (const struct sockaddr *)a[1], (socklen_t)a[2], false);
        if (fdtable_get((int)a[0]).flags & FD_TCP)
            linger_prepare();
        break;
    case SYS_epoll_ctl:
        track_epoll((int)a[0], (int)a[1], (int)a[2]);
        break;
#ifdef SYS_accept
    case SYS_accept:
#endif
    case SYS_accept4:
        if (track_listens_tcp((int)a[0]))
            accepted((int)a[0], (int)ret, epoch);
        else
            track_other((int)ret);
        break;
    case SYS_shutdown:
        track_shutdown((int)a[0], (int)a[1]);
        break;
    case SYS_sendmsg:
        track_sent((const struct msghdr *)a[1]);
        break;
    case SYS_sendmmsg:
        for (long i = 0; i < ret; i++)
            track_sent(&((const struct mmsghdr *)a[1])[i].msg_hdr);
        break;
    case SYS_recvmsg:
        track_received((const struct msghdr *)a[1]);
        break;
    case SYS_recvmmsg:
        for (long i = 0; i < ret; i++)
            track_received(&((const struct mmsghdr *)a[1])[i].msg_hdr);
        break;
    case SYS_pidfd_getfd:
        track_grabbed((int)ret);
        break;
    }
}

static bool installs_filter(long number, const long a[6])
{
    if (number == SYS_seccomp)
        return giveup_by_filter(a[0] == SECCOMP_SET_MODE_STRICT, a[1], (const void *)a[2]) &&
               (a[0] == SECCOMP_SET_MODE_STRICT || a[0] == SECCOMP_SET_MODE_FILTER);
    return number == SYS_prctl && a[0] == PR_SET_SECCOMP &&
           giveup_by_filter(a[1] == SECCOMP_MODE_STRICT, 0, (const void *)a[2]);
}

/* The flags of clone3 are in the program's memory, which only the kernel may find unreadable. */
static uint64_t clone3_flags(long arguments)
{
    uint64_t flags = 0;
    struct iovec to = {&flags, sizeof(flags)};
    struct iovec from = {(void *)arguments, sizeof(flags)};

    sys6(SYS_process_vm_readv, sys_getpid(), SYS_ARG(&to), 1, SYS_ARG(&from), 1, 0);
    return flags;
}

static bool begin_fork(long number, const long a[6])
{
    switch (number) {
#ifdef SYS_fork
    case SYS_fork:
        return forking_begin();
#endif
#ifdef SYS_vfork
    case SYS_vfork:
        return forking_begin_clone(CLONE_VM | CLONE_VFORK);
#endif
    case SYS_clone:
        return forking_begin_clone((uint64_t)a[0]);
    case SYS_clone3:
        return forking_begin_clone(clone3_flags(a[0]));
    default:
        return false;
    }
}

static long forward(long number, const long a[6])
{
    if (installs_filter(number, a)) {
        bool gave_up = giveup_for_good(GIVEUP_SECCOMP);
        long ret = real_syscall(number, a);

        if (gave_up && ret < 0)
            giveup_undo();
        return ret;
    }
    bool stopped = stops_lot(number);
    bool watched = begin_fork(number, a);
    long ret = forking_end(watched, real_syscall(number, a));

    linger_resume(stopped);
    return ret;
}

/* What a vfork child gives away is its parent's. */
static void in_vfork_child(long number, const long a[6])
{
    switch (number) {
    case SYS_dup:
    case SYS_dup3:
#ifdef SYS_dup2
    case SYS_dup2:
#endif
        share_lose((int)a[0]);
        break;
    case SYS_fcntl:
        if (a[1] == F_DUPFD || a[1] == F_DUPFD_CLOEXEC)
            share_lose((int)a[0]);
        break;
    case SYS_execve:
    case SYS_execveat:
        execing();
        break;
    case SYS_sendmsg:
    case SYS_sendmmsg:
    case SYS_pidfd_getfd:
        share_lose_all();
        break;
    default:
        begin_fork(number, a);
    }
}

EXPORT long syscall(long number, ...)
{
    va_list args;
    uint32_t epoch = boundary_epoch();
    long a[6];
    long ret;

    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (!boundary_enter()) {
        if (boundary_early() && number == SYS_close)
            closing_early((int)a[0]);
        else if (boundary_vfork_child())
            in_vfork_child(number, a);
        return real_syscall(number, a);
    }
    if (number == SYS_close &&
        (sink_owns((int)a[0]) || linger_owns((int)a[0]))) { /* as in close() */
        errno = EBADF;
        return -1;
    }
    before(number, a, __builtin_return_address(0));
    ret = forward(number, a);
    closing_done();
    if (ret >= 0 && boundary_enter())
        after(number, a, ret, epoch);
    return ret;
}
