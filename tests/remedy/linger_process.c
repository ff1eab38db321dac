/*
 * linger_process SCENE: a program that forks, executes, gives up rights, and does to itself
 * whatever programs do, while connections linger. Its peer is linger_process_peer.
 */
#define _GNU_SOURCE
#include "linger_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { NOBODY = 64999 };

extern char **environ;
static const char *own_name;
static int listener;

static void park(int count)
{
    for (int i = 0; i < count; i++)
        must(close(linger_at_risk(listener, 50000)), "close");
}

static void wait_for(enum linger_question plan)
{
    linger_asks(plan, EVERY);
    linger_asks(ASK_WAIT, 0);
}

static void begin(void)
{
    listener = owner_listens();
    park(5);
}

/* ---- What is open ---------------------------------------------------------------------------- */

/* Each number below the wire, and what stands behind it. Above there may be two of the library's.
 */
static void say_descriptors(const char *who)
{
    int above = 0;

    for (int fd = 0; fd < 2000; fd++) {
        int protocol;
        socklen_t len = sizeof protocol;
        if (fcntl(fd, F_GETFD) < 0)
            continue;
        if (fd >= OWNER_PEER) {
            above++;
            continue;
        }
        if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) < 0)
            protocol = -1;
        owner_say("%s has %d, protocol %d\n", who, fd, protocol);
    }
    fprintf(stderr, "%s: %d above\n", who, above);
}

/* Parked ones are nobody's but the lot's. */
SCENE(descriptors, "descriptors")
{
    pid_t pid;

    begin();
    say_descriptors("parent");
    pid = must(fork(), "fork");
    if (pid == 0) {
        say_descriptors("child");
        _exit(0);
    }
    owner_reaps(pid);
    wait_for(ASK_LATE);
}

/* ---- Forks ----------------------------------------------------------------------------------- */

SCENE(fork_storm, "fork-storm")
{
    begin();
    for (int i = 0; i < 300; i++) {
        pid_t pid = must(fork(), "fork");
        if (pid == 0) {
            if (i % 3 == 0)
                exit(0);
            _exit(0);
        }
        if (i % 20 == 0)
            park(1);
        owner_reaps(pid);
    }
    wait_for(ASK_LATE);
}

/* All of them at a time, each with a connection of its own. */
SCENE(workers, "workers")
{
    pid_t pids[20];

    begin();
    for (int i = 0; i < 20; i++) {
        int fd = linger_takes(listener);
        linger_writes(fd, 50000);
        pids[i] = must(fork(), "fork");
        if (pids[i] == 0) {
            close(fd);
            exit(0);
        }
        close(fd);
    }
    for (int i = 0; i < 20; i++)
        owner_reaps(pids[i]);
    wait_for(ASK_READ);
}

SCENE(raw_fork, "raw-fork")
{
    begin();
    pid_t pid = must(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0), "fork");
    if (pid == 0) {
        park(5);
        exit(0);
    }
    owner_reaps(pid);
    wait_for(ASK_LATE);
}

SCENE(double_fork, "double-fork")
{
    struct owner_gate done = owner_gate();

    begin();
    pid_t pid = must(fork(), "fork");
    if (pid == 0) {
        if (must(fork(), "fork") > 0)
            _exit(0);
        park(5);
        owner_opens(done);
        exit(0);
    }
    owner_reaps(pid);
    owner_waits(done);
    wait_for(ASK_LATE);
}

SCENE(becomes_daemon, "daemon")
{
    begin();
    linger_asks(ASK_LATE, EVERY);
    must(daemon(1, 1), "become a daemon");
    park(5);
    wait_for(ASK_LATE);
    exit(0);
}

/* ---- Programs -------------------------------------------------------------------------------- */

SCENE(in_new_program, "in-new-program")
{
    say_descriptors("new program");
    listener = owner_listens();
    park(3);
    wait_for(ASK_LATE);
}

SCENE(execs, "exec")
{
    char *const arguments[] = {(char *)own_name, "in-new-program", NULL};

    begin();
    linger_asks(ASK_READ, EVERY);
    must(fcntl(listener, F_SETFD, FD_CLOEXEC), "close at exec");
    execv(own_name, arguments);
    unable("execute");
}

SCENE(exec_by_number, "exec-by-number")
{
    char *const arguments[] = {(char *)own_name, "in-new-program", NULL};

    begin();
    linger_asks(ASK_READ, EVERY);
    syscall(SYS_execve, own_name, arguments, environ);
    unable("execute");
}

SCENE(exec_storm, "exec-storm")
{
    const char *left = getenv("LEFT");
    char text[20];
    char *const arguments[] = {(char *)own_name, "exec-storm", NULL};
    int i = left ? atoi(left) : 8;

    begin();
    linger_asks(ASK_READ, EVERY);
    if (i == 0) {
        wait_for(ASK_LATE);
        return;
    }
    snprintf(text, sizeof text, "%d", i - 1);
    setenv("LEFT", text, 1);
    execv(own_name, arguments);
    unable("execute");
}

SCENE(exec_fails, "exec-fails")
{
    char *const arguments[] = {"/no/such/program", NULL};

    begin();
    linger_asks(ASK_READ, EVERY);
    int ret = execv(arguments[0], arguments);
    owner_say("exec %d %s\n", ret, strerrorname_np(errno));
    park(5);
    wait_for(ASK_LATE);
}

SCENE(child_execs, "child-execs")
{
    char *const arguments[] = {"/bin/true", NULL};

    begin();
    for (int i = 0; i < 20; i++) {
        pid_t pid = must(i % 2 ? vfork() : fork(), "fork");
        if (pid == 0) {
            execv(arguments[0], arguments);
            _exit(1);
        }
        owner_reaps(pid);
    }
    park(5);
    wait_for(ASK_LATE);
}

SCENE(spawns, "spawns")
{
    char *const arguments[] = {"/bin/true", NULL};
    pid_t pid;

    begin();
    for (int i = 0; i < 10; i++) {
        errno = posix_spawn(&pid, arguments[0], NULL, NULL, arguments, environ);
        if (errno)
            unable("spawn");
        owner_reaps(pid);
        owner_say("system %d\n", system("exit 3"));
        FILE *pipe = popen("echo said", "re");
        char line[20] = "";
        if (!pipe || !fgets(line, sizeof line, pipe))
            unable("hear");
        owner_say("pclose %d after %s", pclose(pipe), line);
    }
    park(5);
    wait_for(ASK_LATE);
}

/* ---- Signals --------------------------------------------------------------------------------- */

static void killed_by(int signal)
{
    begin();
    linger_asks(ASK_HOLD, EVERY);
    kill(getpid(), signal);
    pause();
}

SCENE(killed_by_SIGTERM, "SIGTERM")
{
    killed_by(SIGTERM);
}

SCENE(killed_by_SIGKILL, "SIGKILL")
{
    killed_by(SIGKILL);
}

SCENE(killed_by_SIGSEGV, "SIGSEGV")
{
    killed_by(SIGSEGV);
}

SCENE(aborts, "abort")
{
    begin();
    linger_asks(ASK_HOLD, EVERY);
    abort();
}

SCENE(killed_in_exit, "killed-in-exit")
{
    int fd;

    begin();
    fd = linger_takes(listener);
    linger_writes(fd, MUCH);
    close(fd);
    signal(SIGALRM, SIG_DFL);
    alarm(
        1); /* the peer reads nothing before the program has ended, which waits until it has what was written */
    linger_asks(ASK_HOLD, EVERY);
    exit(0);
}

static volatile sig_atomic_t handled;

static void handle(int signal)
{
    (void)signal;
    handled++;
}

/* A signal that the program waits for in a thread of its own comes to that thread, whatever other
 * threads there are. */
SCENE(waits_for_signals, "waits-for-signals")
{
    sigset_t set;
    int taken = 0;

    signal(SIGUSR1, handle);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    begin();
    for (int i = 0; i < 100; i++) {
        int which = 0;
        kill(getpid(), SIGUSR1);
        kill(getpid(), SIGUSR2);
        sigwait(&set, &which);
        taken += which == SIGUSR2;
    }
    owner_say("handled %d, taken %d\n", (int)handled, taken);
    wait_for(ASK_LATE);
}

/* ---- Rights ---------------------------------------------------------------------------------- */

/* Of every thread there is, what the kernel says of its rights: each line must be the same for all.
 */
static void say_rights(void)
{
    static const char *const fields[] = {
        "Uid:", "Gid:", "Groups:", "CapPrm:", "CapEff:", "Seccomp:"};
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *entry;
    char path[300];
    char line[300];

    if (!tasks)
        unable("list its threads");
    while ((entry = readdir(tasks))) {
        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        FILE *status = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
        while (status && fgets(line, sizeof line, status))
            for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
                if (strncmp(line, fields[i], strlen(fields[i])) == 0)
                    owner_say("%s", line);
        if (status)
            fclose(status);
    }
    closedir(tasks);
}

static const struct __user_cap_header_struct cap_header = {_LINUX_CAPABILITY_VERSION_3, 0};
static const struct __user_cap_data_struct no_caps[2];
static const gid_t groups[] = {NOBODY, NOBODY - 1};

/* Declared by libcap alone. */
int capset(void *header, const void *data);

static long drop(const char *what)
{
    const uid_t id = NOBODY;
    const uid_t keep = (uid_t)-1;

#define WAY(name, call)                                                                            \
    if (strcmp(what, name) == 0)                                                                   \
    return call
    WAY("setuid", setuid(id));
    WAY("setgid", setgid(id));
    WAY("seteuid", seteuid(id));
    WAY("setegid", setegid(id));
    WAY("setreuid", setreuid(id, id));
    WAY("setregid", setregid(id, id));
    WAY("setresuid", setresuid(keep, id, id));
    WAY("setresgid", setresgid(id, id, keep));
    WAY("setgroups", setgroups(2, groups));
    WAY("initgroups", initgroups("nobody", id));
    WAY("capset", capset((void *)&cap_header, no_caps));
    WAY("SYS_setuid", syscall(SYS_setuid, id));
    WAY("SYS_setgid", syscall(SYS_setgid, id));
    WAY("SYS_setreuid", syscall(SYS_setreuid, id, id));
    WAY("SYS_setregid", syscall(SYS_setregid, id, id));
    WAY("SYS_setresuid", syscall(SYS_setresuid, id, id, id));
    WAY("SYS_setresgid", syscall(SYS_setresgid, id, id, id));
    WAY("SYS_setgroups", syscall(SYS_setgroups, 2, groups));
    WAY("SYS_capset", syscall(SYS_capset, &cap_header, no_caps));
    WAY("setfsuid", setfsuid(id));
    WAY("setfsgid", setfsgid(id));
    WAY("no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    WAY("keep_caps", prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    WAY("bounding_set", prctl(PR_CAPBSET_DROP, CAP_SYS_TIME, 0, 0, 0));
#undef WAY
    owner_say("no way \"%s\"\n", what);
    exit(2);
}

/* What it was while connections lingered, and after one more has. */
SCENE(drops, "drops")
{
    const char *what = getenv("WAY");
    long ret;

    begin();
    linger_asks(ASK_READ, EVERY);
    ret = drop(what ? what : "");
    owner_say("%s %ld %s\n", what, ret, ret < 0 ? strerrorname_np(errno) : "");
    say_rights();
    park(5);
    say_rights();
    wait_for(ASK_LATE);
}

static _Atomic bool dropped;

/* Each of its connections may be the one that starts a lot. */
static void *parks_on(void *unused)
{
    for (int i = 0; i < 100 || !dropped; i++) {
        close(connect_here(net_port(listener)));
        close(accept(listener, NULL, NULL));
    }
    return unused;
}

/* Whoever starts a lot in the middle of it would start it with rights that are being given up. */
SCENE(drops_while_others_park, "drops-while-others-park")
{
    pthread_t thread;

    begin();
    linger_asks(ASK_READ, EVERY);
    thread = start_thread(parks_on, NULL);
    for (int i = 0; i < 200; i++) {
        must(seteuid(i % 2 ? 0 : NOBODY), "change the user");
        usleep(100);
    }
    must(setuid(NOBODY), "change the user");
    dropped = true;
    pthread_join(thread, NULL);
    say_rights();
}

/* ---- Namespaces ------------------------------------------------------------------------------ */

SCENE(unshares, "unshares")
{
    static const int flags[] = {CLONE_NEWUSER,           CLONE_NEWNS, CLONE_NEWUTS, CLONE_FS,
                                CLONE_THREAD | CLONE_VM, CLONE_FILES, CLONE_SYSVSEM};

    listener = owner_listens();
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        park(2);
        linger_asks(ASK_READ, EVERY);
        int ret = unshare(flags[i]);
        owner_say("unshare %#x: %d %s\n", (unsigned)flags[i], ret,
                  ret < 0 ? strerrorname_np(errno) : "");
    }
    park(2);
    wait_for(ASK_LATE);
}

SCENE(unshare_by_number, "unshare-by-number")
{
    begin();
    linger_asks(ASK_READ, EVERY);
    long ret = syscall(SYS_unshare, CLONE_NEWUSER);
    owner_say("unshare: %ld %s\n", ret, ret < 0 ? strerrorname_np(errno) : "");
    park(5);
    wait_for(ASK_LATE);
}

/* Of several threads the kernel refuses the mount namespace. */
SCENE(enters_namespaces, "namespaces")
{
    static const char *const names[] = {"/proc/self/ns/mnt", "/proc/self/ns/net",
                                        "/proc/self/ns/uts"};

    listener = owner_listens();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int fd = must(open(names[i], O_RDONLY | O_CLOEXEC), "open a namespace");
        park(2);
        linger_asks(ASK_READ, EVERY);
        int ret = i == 2 ? (int)syscall(SYS_setns, fd, 0) : setns(fd, 0);
        owner_say("setns: %d %s\n", ret, ret < 0 ? strerrorname_np(errno) : "");
        close(fd);
    }
    park(2);
    wait_for(ASK_LATE);
}

/* ---- Seccomp --------------------------------------------------------------------------------- */

/* What may be called from then on is the program's own business: a call of ours would end it. */
SCENE(seccomp_strict, "seccomp-strict")
{
    static const char alive[] = "alive\n";

    begin();
    linger_asks(ASK_READ, EVERY);
    linger_asks(ASK_WAIT, 0);
    park(5);
    linger_asks(ASK_READ, EVERY);
    must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0), "be strict");
    if (write(STDOUT_FILENO, alive, sizeof alive - 1) < 0)
        syscall(SYS_exit, 1);
    syscall(SYS_exit, 0);
}

#define DENY(name)                                                                                 \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1),                                         \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

/* All that the lot is made of is forbidden, and with it the library. */
static struct sock_filter instructions[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    DENY(sendmsg),
    DENY(recvmsg),
    DENY(epoll_pwait),
    DENY(clone),
    DENY(socketpair),
    DENY(shutdown),
    DENY(futex),
    DENY(ioctl),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static const struct sock_fprog filter = {sizeof instructions / sizeof *instructions, instructions};

static void filtered(bool by_number, unsigned flags)
{
    begin();
    linger_asks(ASK_READ, EVERY);
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "get no more rights");
    if (by_number)
        must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter), "filter");
    else
        must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0), "filter");
    say_rights();
    must(close(linger_takes(listener)), "close"); /* as bare from now on: a reset */
    linger_asks(ASK_READ, EVERY);
    linger_asks(ASK_WAIT, 0);
    owner_say("alive\n");
    _exit(0);
}

SCENE(seccomp_filter, "seccomp-filter")
{
    filtered(false, 0);
}

SCENE(seccomp_by_number, "seccomp-by-number")
{
    filtered(true, 0);
}

SCENE(seccomp_for_all, "seccomp-for-all")
{
    filtered(true, SECCOMP_FILTER_FLAG_TSYNC);
}

int main(int argc, char **argv)
{
    own_name = argv[0];
    return owner_plays(argc == 2 ? argv[1] : NULL);
}
