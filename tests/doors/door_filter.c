/* Programs that forbid themselves system calls, or take a table of descriptors of their own: from
 * then on the library may ask nothing, and must be as if it were not there. */
#define _GNU_SOURCE
#include "door.h"

#include <linux/audit.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define ARCHITECTURE AUDIT_ARCH_I386
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#define ALLOW(number)                                                                              \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* What a worker needs that reads, writes, closes and ends. All else kills the process. */
static struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    ALLOW(SYS_read),
    ALLOW(SYS_write),
    ALLOW(SYS_writev), /* this and the next one are musl's, where a thread writes and ends */
    ALLOW(SYS_munmap),
    ALLOW(SYS_close),
    ALLOW(SYS_dup3),
    ALLOW(SYS_close_range),
#ifdef SYS_dup2
    ALLOW(SYS_dup2),
#endif
    ALLOW(SYS_rt_sigreturn),
    ALLOW(SYS_exit),
    ALLOW(SYS_exit_group),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
};

static struct sock_fprog program = {sizeof code / sizeof code[0], code};

static void install(bool by_seccomp)
{
    long result;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        cannot("give up privileges");
    if (by_seccomp)
        result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
    else
        result = by_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    if (result != 0)
        cannot("install a filter");
}

/* A worker's life: one connection is closed before the filter, the others through every door that
 * the filter leaves. */
static void work_and_end(bool by_seccomp)
{
    int null = open("/dev/null", O_RDWR);
    FILE *stream = fdopen(door.fds[4], "w");

    setvbuf(stream, NULL, _IONBF, 0);
    say("%s", "worker");
    CALL("before", by_close(door.fds[0]));
    install(by_seccomp);
    CALL("write", write(door.fds[1], "bye", 3));
    CALL("close", by_close(door.fds[1]));
    CALL("dup2", by_dup2(null, door.fds[2]) == door.fds[2]);
    CALL("syscall", syscall(SYS_close, door.fds[3]));
    CALL("fclose", fclose(stream));
    CALL("close_range", by_close_range((unsigned)door.fds[5], (unsigned)door.fds[5], 0));
    CALL("close -1", by_close(-1));
}

ACT(do_filter_exit, "filter, exit")
{
    work_and_end(false);
    exit(51);
}

ACT(do_filter_exit_now, "filter, _exit")
{
    work_and_end(true);
    by__exit(52);
}

ACT(do_filter_return, "filter, return")
{
    work_and_end(false);
}

ACT(do_filter_quick_exit, "filter, quick_exit")
{
    work_and_end(false);
    quick_exit(53);
}

/* That the filter means it. */
ACT(do_filter_violates, "filter violated")
{
    install(false);
    syscall(SYS_getppid);
}

/* Mode 1 knows read, write, exit and sigreturn alone. */
static void strict(bool by_syscall)
{
    CALL("strict", by_syscall ? syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL)
                              : prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
    say("write=%zd", write(door.fd, "bye", 3));
    syscall(SYS_exit, 55);
}

ACT(do_strict, "strict")
{
    strict(false);
}

ACT(do_strict_syscall, "strict by syscall")
{
    strict(true);
}

/* ---- Questions, and what fails -------------------------------------------------------------------- */

ACT(do_probe, "probe")
{
    unsigned action = SECCOMP_RET_KILL_PROCESS;

    /* libseccomp asks in this way what the kernel can do. */
    CALL("prctl NULL", by_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL));
    CALL("seccomp NULL", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL));
    CALL("seccomp TSYNC NULL",
         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, NULL));
    CALL("action", syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
    CALL("mode", prctl(PR_GET_SECCOMP));
    CALL("close", by_close(door.fd));
    through();
}

ACT(do_install_fails, "install fails")
{
    struct sock_fprog empty = {0, NULL};

    CALL("prctl nowhere", by_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (void *)8));
    CALL("prctl mode", by_prctl(PR_SET_SECCOMP, 99, &program));
    CALL("prctl empty", by_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &empty));
    CALL("seccomp empty", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &empty));
    CALL("seccomp flags", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, -1, &program));
    CALL("strict flags", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL));
    CALL("close", by_close(door.fd));
    through();
}

/* Whatever the option takes arrives: up to four more arguments, and none that was not passed. */
ACT(do_prctl, "prctl")
{
    char name[16] = "";
    int signal_number = -1;

    CALL("dumpable", prctl(PR_GET_DUMPABLE));
    CALL("name", prctl(PR_SET_NAME, "another"));
    CALL("get name", prctl(PR_GET_NAME, name));
    say("name=%s", name);
    CALL("name nowhere", prctl(PR_GET_NAME, (void *)8));
    CALL("death", prctl(PR_SET_PDEATHSIG, SIGUSR1));
    CALL("get death", prctl(PR_GET_PDEATHSIG, &signal_number));
    say("signal=%d", signal_number == SIGUSR1);
    CALL("death none", prctl(PR_SET_PDEATHSIG, 0));
    CALL("new privileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    CALL("new privileges wrong", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 9));
    CALL("option", prctl(-1, 0, 0, 0, 0));
    CALL("unshare none", unshare(0));
    CALL("unshare wrong", unshare(1));
    CALL("close", by_close(door.fd));
    through();
}

/* ---- A table of its own --------------------------------------------------------------------------- */

static void in_a_thread(void *(*function)(void *))
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, function, NULL) != 0 || pthread_join(thread, NULL) != 0)
        cannot("run a thread");
}

/* Here the number is closed; the connection stays, in the other thread's table. */
static void *unshares(void *unused)
{
    CALL("unshare", by_unshare(CLONE_FILES));
    CALL("close", by_close(door.fds[0]));
    return unused;
}

static void close_all_here(void)
{
    say("unread=%d", net_unread(door.fds[0]));
    for (int i = 0; i < door.count; i++)
        CALL("close here", by_close(door.fds[i]));
    through();
}

ACT(do_unshare_thread, "unshare in thread")
{
    CALL("before", by_close(door.fds[1]));
    door.fds[1] = -1;
    in_a_thread(unshares);
    close_all_here();
}

/* No kernel has a flag of 1. */
static void *unshares_wrongly(void *unused)
{
    CALL("unshare", by_unshare(CLONE_FILES | 1));
    return unused;
}

ACT(do_unshare_refused, "unshare refused")
{
    in_a_thread(unshares_wrongly);
    CALL("close", by_close(door.fd));
    through();
}

ACT(do_unshare_alone, "unshare alone")
{
    CALL("unshare", by_unshare(CLONE_FILES));
    CALL("close", by_close(door.fd));
    through();
}

int main(int argc, char **argv)
{
    return door_main(argc, argv);
}
