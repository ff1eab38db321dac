/*
 * Runs a command behind a seccomp filter, as systemd and container runtimes put one around a
 * program before it begins. What they forbid is written here only as far as x86-64 and arm64 both
 * have it, and programs of today, or the library, may call it.
 *
 * usage: deploy_filter systemd|docker COMMAND [ARG...]
 *     systemd   SystemCallFilter=@system-service: a call outside that group kills the process
 *     docker    its default profile without capabilities: EPERM, and clone3 is ENOSYS
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define REFUSED (SECCOMP_RET_ERRNO | EPERM)
#define UNKNOWN (SECCOMP_RET_ERRNO | ENOSYS)

struct rule {
    unsigned number, systemd, docker;
};

static const struct rule rules[] = {
    {SYS_pidfd_getfd, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_process_vm_readv, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_process_vm_writev, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_ptrace, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_bpf, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_perf_event_open, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_io_uring_setup, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_io_uring_enter, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_io_uring_register, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_chroot, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW},
    {SYS_mount, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_umount2, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_syslog, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_open_by_handle_at, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_clock_settime, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_settimeofday, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_init_module, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_finit_module, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_delete_module, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_pivot_root, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_open_tree, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_move_mount, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_fsopen, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_fsmount, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_reboot, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_swapon, SECCOMP_RET_KILL_PROCESS, REFUSED},
    {SYS_quotactl, SECCOMP_RET_ALLOW, REFUSED},
    {SYS_acct, SECCOMP_RET_ALLOW, REFUSED},
    {SYS_sethostname, SECCOMP_RET_ALLOW, REFUSED},
    {SYS_add_key, SECCOMP_RET_ALLOW, REFUSED},
    {SYS_request_key, SECCOMP_RET_ALLOW, REFUSED},
    {SYS_mbind, SECCOMP_RET_ALLOW, REFUSED},
    {SYS_get_mempolicy, SECCOMP_RET_ALLOW, REFUSED},
    {SYS_set_mempolicy, SECCOMP_RET_ALLOW, REFUSED},
    {SYS_kcmp, SECCOMP_RET_ALLOW, REFUSED},
    {SYS_keyctl, SECCOMP_RET_ALLOW, REFUSED},
    {SYS_setns, SECCOMP_RET_ALLOW, REFUSED},
    {SYS_unshare, SECCOMP_RET_ALLOW, REFUSED},
    {SYS_userfaultfd, SECCOMP_RET_ALLOW, REFUSED},
    {SYS_clone3, SECCOMP_RET_ALLOW, UNKNOWN},
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "deploy_filter: unable to %s: %s\n", what, strerror(errno));
    exit(125);
}

static void install(bool systemd)
{
    struct sock_filter code[2 * COUNT(rules) + 2] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    struct sock_fprog program = {COUNT(code), code};
    struct sock_filter *next = code + 1;

    for (size_t i = 0; i < COUNT(rules); i++) {
        unsigned action = systemd ? rules[i].systemd : rules[i].docker;
        *next++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, rules[i].number, 0, 1);
        *next++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
    }
    *next = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        fail("install the filter");
}

int main(int argc, char **argv)
{
    bool systemd = argc > 2 && strcmp(argv[1], "systemd") == 0;

    if (argc < 3 || (!systemd && strcmp(argv[1], "docker") != 0)) {
        fputs("usage: deploy_filter systemd|docker COMMAND [ARG...]\n", stderr);
        return 125;
    }
    install(systemd);
    execvp(argv[2], argv + 2);
    fail("run the command");
}
