/* What a program does with itself: starts others, changes its rights, and ends. */
#define _GNU_SOURCE
#include "faults.h"

#include "ground/sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

/* ---- Others ---------------------------------------------------------------------------------- */

static char *self;

/* Keeps the connection, and reads it when it is told to, on its stdin. */
#define WAIT_AND_READ "read x; exec \"$0\" heir"

static void meet_heir(const char *label, int slot, int fd, struct turns *t, pid_t child)
{
    CALL("close", close(fd));
    goes_on(label, slot);
    if (write(t->to_child[1], "\n", 1) != 1)
        say("unable to write");
    reap(label, child);
    ended(label, slot);
    end_turns(t);
}

static void spawns_an_heir(void)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)WAIT_AND_READ, self, NULL};
    posix_spawn_file_actions_t actions;
    struct turns t = make_turns();
    int fd = early(0);
    pid_t child = 0;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, t.to_child[0], 0);
    CALL("posix_spawnp", posix_spawnp(&child, "sh", &actions, NULL, argv, environ));
    posix_spawn_file_actions_destroy(&actions);
    meet_heir("of posix_spawn", 0, fd, &t, child);
}

static void execs_an_heir(void)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)WAIT_AND_READ, self, NULL};
    struct turns t = make_turns();
    int fd = early(0);
    pid_t child = vfork();

    if (child == 0) {
        dup2(t.to_child[0], 0);
        execvp("sh", argv);
        _exit(127);
    }
    meet_heir("of an heir", 0, fd, &t, child);
}

static void runs_a_shell(void)
{
    FILE *f;
    int fd = early(0);

    CALL("system", system("exit 3"));
    f = popen("exit 4", "r");
    CALL("pclose", pclose(f));
    goes_on("over a shell", 0);
    CALL("close", close(fd));
    ended("over a shell", 0);
}

/* Without a number that a program started could keep. */
static void keeps_from_children(void)
{
    int fd = early(0);

    fcntl(fd, F_SETFD, FD_CLOEXEC);
    CALL("system", system("exit 0"));
    CALL("close", close(fd));
    ended("kept from children", 0);
}

void play_spawn(char *name)
{
    self = name;
    begin_listening();
    keeps_from_children();
    runs_a_shell();
    spawns_an_heir();
    execs_an_heir();
    CALL("execve of nothing", execve("/nonexistent", (char *[]){NULL}, environ));
    CALL("close", close(early(0)));
    ended("after all that", 0);
    say_numbers();
}

/* ---- Rights ---------------------------------------------------------------------------------- */

/* Of each thread: none may be left with what the program has dropped. */
static void rights_are(const char *label)
{
    DIR *tasks = opendir("/proc/self/task");
    unsigned own = geteuid();
    int others = 0;

    for (struct dirent *d; tasks && (d = readdir(tasks));) {
        char path[300];
        char line[256];
        FILE *f;

        if (d->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/self/task/%s/status", d->d_name);
        f = fopen(path, "re");
        while (f && fgets(line, sizeof(line), f)) {
            unsigned real, effective;
            if (sscanf(line, "Uid: %u %u", &real, &effective) == 2 && effective != own)
                others++;
        }
        if (f)
            fclose(f);
    }
    if (tasks)
        closedir(tasks);
    say("%s: user %u, %d threads of other rights", label, own, others);
}

/* One that is being drained meanwhile. */
static void parks(int slot)
{
    CALL("close", close(early(slot)));
}

void play_rights(void)
{
    struct sched_param urgent = {.sched_priority = 1};
    struct rlimit many = {100000, RLIM_INFINITY};
    gid_t group = NOBODY;

    getrlimit(RLIMIT_NPROC, &many);
    many.rlim_cur = 1000;

    CALL("sched_setscheduler", sched_setscheduler(0, SCHED_FIFO, &urgent));
    begin_listening();
    CALL("setrlimit", setrlimit(RLIMIT_NPROC, &many));
    parks(0);
    CALL("unshare", unshare(CLONE_NEWUTS));
    ended("before unshare", 0);
    parks(1);
    CALL("seteuid", seteuid(NOBODY));
    rights_are("seteuid");
    ended("before seteuid", 1);
    parks(0);
    ended("as nobody", 0);
    CALL("seteuid", seteuid(0));
    CALL("setgroups", setgroups(1, &group));
    CALL("syscall setgid", syscall(SYS_setgid, NOBODY));
    parks(2);
    CALL("setresuid", setresuid(NOBODY, NOBODY, NOBODY));
    rights_are("setresuid");
    ended("before setresuid", 2);
    CALL("setuid refused", setuid(0));
    parks(3);
    ended("at last", 3);
    say_numbers();
}

/* What no hook sees: every number above is closed by raw calls, the library's with them. */
static void close_unseen(void)
{
    sys3(SYS_close_range, CONTROL + 2, ~0U, 0);
}

/* A child has what leads to the lot too, so the lot lives on when we have lost it: with a connection,
 * or with nothing that would wake it. */
static void loses_its_lot(bool empty)
{
    struct turns t = make_turns();
    pid_t child;

    parks(3);
    if (empty) {
        ended("in a lot that is going to be lost", 3);
        pause_ms(20);
    }
    child = fork();
    if (child == 0) {
        char byte;

        sys3(SYS_read, t.to_child[0], SYS_ARG(&byte), 1);
        sys1(SYS_exit_group, 0);
    }
    close_unseen();
    CALL("seteuid", seteuid(NOBODY));
    rights_are("with a lot that it lost");
    CALL("seteuid", seteuid(0));
    if (!empty)
        ended("in a lot that is lost", 3);
    give(t.to_child);
    reap("child with the lot", child);
    end_turns(&t);
}

void play_hidden(void)
{
    begin_listening();
    loses_its_lot(false);
    loses_its_lot(true);
    parks(0);
    ended("before", 0);
    close_unseen();
    parks(1);
    ended("its log and lot unseen", 1);
    parks(2);
    close_unseen();
    CALL("seteuid", seteuid(NOBODY));
    rights_are("seteuid");
    ended("while it drops its rights", 2);
    CALL("seteuid", seteuid(0));
    parks(0);
    close_unseen();
    CALL("close_range", close_range(3, CONTROL - 1, 0));
    ended("at the end", 0);
    say_numbers();
}

/* ---- Ends ------------------------------------------------------------------------------------ */

static void by_exit(void)
{
    exit(5);
}

static void by_quick_exit(void)
{
    quick_exit(5);
}

static void by__exit(void)
{
    _exit(5);
}

static void by__Exit(void)
{
    _Exit(5);
}

static void by_syscall(void)
{
    syscall(SYS_exit_group, 5);
}

static void by_signal(void)
{
    raise(SIGTERM);
}

static void by_exec(void)
{
    execl(self, self, "nothing", (char *)NULL);
}

static void by_execvp(void)
{
    execlp("true", "true", (char *)NULL);
}

static void ends(const char *label, void (*end)(void))
{
    pid_t child = (pid_t)CALL_ANY("fork", fork());

    if (child == 0) {
        int fd;

        fcntl(early(0), F_SETFD, FD_CLOEXEC);
        fcntl(accepted(1), F_SETFD, FD_CLOEXEC);
        fd = early(2);
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        CALL("close", close(fd));
        end();
    }
    reap(label, child);
    ended(label, 0);
    ended(label, 1);
    ended(label, 2);
}

static void daemonize(void)
{
    pid_t child = (pid_t)CALL_ANY("fork", fork());

    if (child == 0) {
        int fd = early(0);

        CALL("daemon", daemon(1, 1));
        CALL("daemon closes", close(fd));
        CALL("daemon closes its own", close(early(1)));
        _exit(0);
    }
    reap("before daemon", child);
    ended("of a daemon", 0);
    ended("of a daemon", 1);
}

void play_ends(char *name)
{
    FILE *stream;

    self = name;
    begin_listening();
    ends("exit", by_exit);
    ends("quick_exit", by_quick_exit);
    ends("_exit", by__exit);
    ends("_Exit", by__Exit);
    ends("exit_group", by_syscall);
    ends("signal", by_signal);
    ends("exec", by_exec);
    ends("execlp", by_execvp);
    (void)daemonize;
    say_numbers();
    stream = fdopen(early(3), "r+");
    fputs("tail", stream);
    exit(6);
}

/* ---- A filter of its own, and other calls at which the library stands down ------------------- */

static void in_child(const char *label, void (*act)(void))
{
    pid_t child = (pid_t)CALL_ANY("fork", fork());

    if (child == 0) {
        CALL("close", close(early(0)));
        ended(label, 0);
        act();
        rights_are(label);
        CALL("close", close(early(0)));
        ended(label, 0);
        exit(0);
    }
    reap(label, child);
}

static struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
static struct sock_fprog filter = {1, allow};

static void filters(void)
{
    CALL("prctl of nothing", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL));
    CALL("prctl of rubbish", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (void *)8));
    CALL("prctl", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));
}

static void filters_by_syscall(void)
{
    CALL("seccomp", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter));
}

static void notifies(void)
{
    CALL("mq_notify", mq_notify(99, NULL));
}

static void unshares(void)
{
    CALL("unshare", unshare(CLONE_FILES));
}

static void grabs(void)
{
    int process = (int)syscall(SYS_pidfd_open, getpid(), 0);
    int fd = early(1);
    int copy = (int)CALL("pidfd_getfd", syscall(SYS_pidfd_getfd, process, fd, 0));

    CALL("close", close(fd));
    goes_on("grabbed", 1);
    unread_is("grabbed", copy);
    close(copy);
    close(process);
    ended("grabbed", 1);
}

static void rings(void)
{
    CALL("io_uring_setup", syscall(SYS_io_uring_setup, 0, NULL));
}

void play_sandbox(void)
{
    begin_listening();
    in_child("notify", notifies);
    in_child("unshare", unshares);
    in_child("grab", grabs);
    in_child("ring", rings);
    in_child("seccomp", filters_by_syscall);
    in_child("prctl", filters);
    close_unseen();
    CALL("close", close(early(0)));
    ended("at last", 0);
    say_numbers();
}
