/*
 * owner_hidden SCENE: somebody holds a connection in a way that is easily overlooked. Each scene
 * makes such a holder, has the peer send, closes the program's own number, and lets the holder read
 * and answer. A library that takes the close for the last one steals what the holder should have
 * read. Nothing here is out of a preloaded library's sight: every step is a call of libc's.
 */
#define _GNU_SOURCE
#include "net.h"
#include "owner_hold.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <wordexp.h>

static const char *self;              /* this program's name */
static struct owner_gate ready, away; /* of a scene's own */

/* ---- Parts of scenes ------------------------------------------------------------------------- */

/* Somebody who is done before the holder's turn comes, or after it. */
static void end_with(pid_t holder)
{
    end();
    owner_reaps(holder);
}

/* With a message as long as that; or with one like it, after a message of one byte. */
static void send_descriptor_with(int wire, int fd, size_t size, bool second)
{
    char control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec data = {calloc(1, size), size};
    struct iovec before = {control, 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct mmsghdr both[] = {{.msg_hdr = {.msg_iov = &before, .msg_iovlen = 1}},
                             {.msg_hdr = message}};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    if (second)
        sendmmsg(wire, both, 2, MSG_NOSIGNAL);
    else
        sendmsg(wire, &message, MSG_NOSIGNAL);
    free(data.iov_base);
}

static void send_descriptor(int wire, int fd, size_t size)
{
    send_descriptor_with(wire, fd, size, false);
}

/* A child that is there before the connection, and waits for it to be passed. */
static pid_t receiver(int wires[2], int kind)
{
    must(socketpair(AF_UNIX, kind, 0, wires), "make a wire");
    pid_t pid = must(fork(), "fork");
    if (pid == 0) {
        int fd = net_receive_descriptor(wires[1], 0);
        owner_opens(ready);
        hold(fd, fd);
    }
    return pid;
}

/* ---- The plain case, which the others are variations of -------------------------------------- */

SCENE(plain_fork, "plain-fork")
{
    int fd = owner_takes_one();
    pid_t pid = must(fork(), "fork");

    if (pid == 0)
        hold(fd, fd);
    close_unread(fd);
    end_with(pid);
}

/* ---- The child closes, the parent holds; the child may list the parent's descriptors but not read
 * them ------------------------------------------------------------------------------------------
 */

static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2];

    memset(none, 0, sizeof none);
    must(syscall(SYS_capset, &header, none), "drop capabilities");
}

static void enter_user_namespace(void)
{
    must(unshare(CLONE_NEWUSER), "make a user namespace");
}

/* As linux/landlock.h has it, since Linux 5.13. */
struct landlock_rules {
    uint64_t handled_access_fs;
};
enum { LANDLOCK_MAKE_SYM = 1 << 12 };

static void confine_by_landlock(void)
{
    struct landlock_rules attribute = {.handled_access_fs = LANDLOCK_MAKE_SYM};
    int rules = (int)syscall(SYS_landlock_create_ruleset, &attribute, sizeof attribute, 0);

    if (rules < 0)
        return; /* this kernel has none: then it is a plain fork */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    must(syscall(SYS_landlock_restrict_self, rules, 0), "restrict itself");
    close(rules);
}

SCENE(without_capabilities, "without-capabilities")
{
    child_closes_after(drop_capabilities);
}

SCENE(in_user_namespace, "in-user-namespace")
{
    child_closes_after(enter_user_namespace);
}

SCENE(in_landlock, "in-landlock")
{
    child_closes_after(confine_by_landlock);
}

/* ---- A holder whose /proc/PID/fd does not show what it holds --------------------------------- */

static int held;
static char leader[64];

/* A thread group whose first thread has ended shows no descriptor at all. */
static bool leader_is_gone(void *unused)
{
    char line[256] = "";
    int fd = open(leader, O_RDONLY | O_CLOEXEC);

    (void)unused;
    if (fd < 0 || read(fd, line, sizeof line - 1) < 0)
        unable("read /proc");
    close(fd);
    return strstr(line, ") Z ") != NULL;
}

static void *hold_in_thread(void *unused)
{
    hold(held, held);
    return unused;
}

SCENE(leader_exits, "leader-exits")
{
    held = owner_takes_one();
    pid_t pid = must(fork(), "fork");
    if (pid == 0) {
        start_thread(hold_in_thread, NULL);
        pthread_exit(NULL);
    }
    snprintf(leader, sizeof leader, "/proc/%d/stat", (int)pid);
    if (!net_wait_until(leader_is_gone, NULL))
        unable("see the first thread end");
    close_unread(held);
    end_with(pid);
}

static void *hold_in_own_table(void *unused)
{
    must(unshare(CLONE_FILES), "take a table of its own");
    owner_opens(away);
    hold(held, held);
    return unused;
}

SCENE(thread_unshares, "thread-unshares")
{
    pthread_t thread;

    held = owner_takes_one();
    pid_t pid = must(fork(), "fork");
    if (pid == 0) {
        thread = start_thread(hold_in_own_table, NULL);
        owner_waits(away);
        close(held);
        owner_opens(ready);
        pthread_join(thread, NULL);
        _exit(0);
    }
    owner_waits(ready);
    close_unread(held);
    end_with(pid);
}

/* A process that has installed a filter is not followed any more; what it does counts all the
 * same. */
static void allow_everything(void)
{
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {1, &allow};

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0), "install a filter");
}

SCENE(filtered_child_forks, "filtered-child-forks")
{
    int fd = owner_takes_one();
    pid_t pid = must(fork(), "fork");

    if (pid == 0) {
        allow_everything();
        if (fork() == 0)
            hold(fd, fd);
        _exit(0);
    }
    owner_reaps(pid);
    close_unread(fd);
    end();
}

/* Nobody has it while it is under way. */
SCENE(filtered_child_passes, "filtered-child-passes")
{
    int wires[2];
    int fd = owner_takes_one();

    must(socketpair(AF_UNIX, SOCK_STREAM, 0, wires), "make a wire");
    pid_t pid = must(fork(), "fork");
    if (pid == 0) {
        allow_everything();
        send_descriptor(wires[0], fd, 1);
        _exit(0);
    }
    owner_reaps(pid);
    close_unread(fd);
    fd = net_receive_descriptor(wires[1], 0);
    owner_serves("holder", fd, fd);
    owner_peer_reads();
}

/* An exec by its number, and then a child of a program that nobody follows. */
SCENE(child_execs_by_number, "child-execs-by-number")
{
    int fd = owner_takes_one();
    pid_t pid = must(fork(), "fork");

    if (pid == 0) {
        const char *const arguments[] = {self, "--leave", number_text(fd), NULL};
        syscall(SYS_execve, self, arguments, environ);
        _exit(127);
    }
    owner_reaps(pid);
    close_unread(fd);
    end();
}

/* ---- Another number in the same process ------------------------------------------------------ */

static void take_copy(bool by_number)
{
    int fd = owner_takes_one();
    int me = must(syscall(SYS_pidfd_open, getpid(), 0), "open a pidfd");
    int (*call)(int, int, unsigned) =
        (int (*)(int, int, unsigned))dlsym(RTLD_DEFAULT, "pidfd_getfd");
    int copy = by_number || !call ? (int)syscall(SYS_pidfd_getfd, me, fd, 0) : call(me, fd, 0);

    must(copy, "take a copy");
    close_unread(fd);
    owner_serves("holder", copy, copy);
    owner_peer_reads();
}

SCENE(pidfd_getfd_of_itself, "pidfd-getfd-of-itself")
{
    take_copy(false);
}

SCENE(pidfd_getfd_by_number, "pidfd-getfd-by-number")
{
    take_copy(true);
}

SCENE(pidfd_getfd_by_child, "pidfd-getfd-by-child")
{
    int numbers[2];

    must(pipe(numbers), "make a pipe");
    pid_t pid = must(fork(), "fork");
    if (pid == 0) {
        int number, parent = (int)syscall(SYS_pidfd_open, getppid(), 0);
        if (read(numbers[0], &number, sizeof number) != sizeof number)
            _exit(1);
        number = (int)syscall(SYS_pidfd_getfd, parent, number, 0);
        owner_opens(ready);
        hold(number, number);
    }
    int fd = owner_takes_one();
    must(write(numbers[1], &fd, sizeof fd), "tell the number");
    owner_waits(ready);
    close_unread(fd);
    end_with(pid);
}

/* What a library remembers of so high a number needs memory of its own. */
SCENE(dup_without_memory, "dup-without-memory")
{
    enum { HIGH = 5000 };
    struct rlimit memory, none = {0, 0};
    int fd = owner_takes_one();

    must(getrlimit(RLIMIT_AS, &memory), "ask for a limit");
    none.rlim_max = memory.rlim_max;
    must(setrlimit(RLIMIT_AS, &none), "forbid more memory");
    int copy = must(fcntl(fd, F_DUPFD, HIGH), "duplicate");
    must(setrlimit(RLIMIT_AS, &memory), "allow more memory");
    close_unread(fd);
    owner_serves("holder", copy, copy);
    owner_peer_reads();
}

/* ---- Passing --------------------------------------------------------------------------------- */

SCENE(pass_by_number, "pass-by-number")
{
    int wires[2];
    pid_t pid = receiver(wires, SOCK_STREAM);
    int fd = owner_takes_one();
    char control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec data = {control, 1};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &data,
                                          .msg_iovlen = 1,
                                          .msg_control = control,
                                          .msg_controllen = sizeof control}};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message.msg_hdr);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    must(syscall(SYS_sendmmsg, wires[0], &message, 1, 0), "pass a connection");
    owner_waits(ready);
    close_unread(fd);
    end_with(pid);
}

enum { LONG_MESSAGE = 4 * 1024 * 1024 };

static int long_wire;

/* The descriptors travel with the first bytes of a message; the call lasts to the last one. */
static void *send_long(void *unused)
{
    send_descriptor(long_wire, held, LONG_MESSAGE);
    return unused;
}

static void pass_in_long_message(bool cancelled)
{
    int wires[2];
    pthread_t thread;
    pid_t pid = receiver(wires, SOCK_STREAM);

    held = owner_takes_one();
    long_wire = wires[0];
    thread = start_thread(send_long, NULL);
    owner_waits(ready);
    if (cancelled) {
        pthread_cancel(thread);
        pthread_join(thread, NULL);
    }
    close_unread(held);
    end_with(pid);
    shutdown(long_wire, SHUT_RDWR);
    if (!cancelled)
        pthread_join(thread, NULL);
}

SCENE(pass_while_sending, "pass-while-sending")
{
    pass_in_long_message(false);
}

SCENE(pass_and_be_cancelled, "pass-and-be-cancelled")
{
    pass_in_long_message(true);
}

/* What becomes of a program that is no relative of the one that passes the connection: no fork was seen. */
static _Noreturn void receives(int wire)
{
    int fd = net_receive_descriptor(wire, 0);

    if (fd < 0)
        fd = net_receive_descriptor(wire, 0);
    owner_opens(ready);
    hold(fd, fd);
}

static void *send_second(void *unused)
{
    send_descriptor_with(long_wire, held, LONG_MESSAGE, true);
    return unused;
}

static void pass_to_stranger(void *sends(void *))
{
    int wires[2];
    pid_t pid;
    pthread_t thread;

    must(socketpair(AF_UNIX, SOCK_STREAM, 0, wires), "make a wire");
    char *arguments[] = {(char *)self, "--receive", (char *)number_text(wires[1]), NULL};
    if (posix_spawn(&pid, self, NULL, NULL, arguments, environ) != 0)
        unable("spawn");
    held = owner_takes_one();
    long_wire = wires[0];
    thread = start_thread(sends, NULL);
    owner_waits(ready);
    close_unread(held);
    end_with(pid);
    shutdown(long_wire, SHUT_RDWR);
    pthread_join(thread, NULL);
}

SCENE(pass_to_stranger_while_sending, "pass-to-stranger")
{
    pass_to_stranger(send_long);
}

SCENE(pass_second_to_stranger, "pass-second-to-stranger")
{
    pass_to_stranger(send_second);
}

/* ---- What a vfork child does is its own ------------------------------------------------------ */

static int wanted_number;

SCENE(vfork_forks, "vfork-forks")
{
    int fd = owner_takes_one();
    pid_t pid = vfork();

    if (pid == 0) {
        if (fork() == 0)
            hold(fd, fd);
        _exit(0);
    }
    owner_reaps(pid);
    close_unread(fd);
    end();
}

SCENE(vfork_spawns, "vfork-spawns")
{
    static pid_t ignored;
    int fd = owner_takes_one();
    char *arguments[] = {(char *)self, "--hold", (char *)number_text(fd), NULL};
    pid_t pid = vfork();

    if (pid == 0) {
        posix_spawn(&ignored, self, NULL, NULL, arguments, environ);
        _exit(0);
    }
    owner_reaps(pid);
    close_unread(fd);
    end();
}

SCENE(vfork_passes, "vfork-passes")
{
    int wires[2];
    pid_t holder = receiver(wires, SOCK_STREAM);
    int fd = owner_takes_one();
    pid_t pid = vfork();

    if (pid == 0) {
        send_descriptor(wires[0], fd, 1);
        _exit(0);
    }
    owner_reaps(pid);
    owner_waits(ready);
    close_unread(fd);
    end_with(holder);
}

static void vfork_execs(bool dup_by_number, bool exec_by_number)
{
    int fd = owner_takes_one();
    char *arguments[] = {(char *)self, "--hold", (char *)number_text(OWNER_NUMBER), NULL};

    must(fcntl(fd, F_SETFD, FD_CLOEXEC), "set close-on-exec");
    wanted_number = fd;
    pid_t pid = vfork();
    if (pid == 0) {
        if (dup_by_number)
            syscall(SYS_dup3, wanted_number, OWNER_NUMBER, 0);
        else
            dup2(wanted_number, OWNER_NUMBER);
        if (exec_by_number)
            syscall(SYS_execve, self, arguments, environ);
        else
            execv(self, arguments);
        _exit(127);
    }
    close_unread(fd);
    end_with(pid);
}

SCENE(vfork_dups, "vfork-dups")
{
    vfork_execs(false, false);
}

SCENE(vfork_dups_by_number, "vfork-dups-by-number")
{
    vfork_execs(true, false);
}

SCENE(vfork_keeps_by_number, "vfork-keeps-by-number")
{
    int fd = owner_takes_one();
    char *arguments[] = {(char *)self, "--hold", (char *)number_text(fd), NULL};
    pid_t pid = vfork();

    if (pid == 0) {
        syscall(SYS_execve, self, arguments, environ);
        _exit(127);
    }
    close_unread(fd);
    end_with(pid);
}

static void *close_meanwhile(void *unused)
{
    owner_waits(ready);
    close_unread(held);
    owner_opens(away);
    return unused;
}

/* Another thread closes while the vfork child has not yet come to its exec. */
SCENE(vfork_and_thread, "vfork-and-thread")
{
    pthread_t thread;
    static char *arguments[4];

    held = owner_takes_one();
    arguments[0] = (char *)self;
    arguments[1] = "--hold";
    arguments[2] = (char *)number_text(held);
    thread = start_thread(close_meanwhile, NULL);
    pid_t pid = vfork();
    if (pid == 0) {
        owner_opens(ready);
        owner_waits(away);
        execv(self, arguments);
        _exit(127);
    }
    pthread_join(thread, NULL);
    end_with(pid);
}

/* ---- Starting programs ----------------------------------------------------------------------- */

SCENE(prepared_actions, "prepared-actions")
{
    posix_spawn_file_actions_t actions;
    char *arguments[] = {(char *)self, "--hold", "0", NULL};
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, OWNER_NUMBER, 0);
    int fd = owner_takes_one();
    must(dup3(fd, OWNER_NUMBER, O_CLOEXEC), "move the connection");
    close(fd);
    if (posix_spawn(&pid, self, &actions, NULL, arguments, environ) != 0)
        unable("spawn");
    close_unread(OWNER_NUMBER);
    end_with(pid);
    posix_spawn_file_actions_destroy(&actions);
}

SCENE(word_expansion, "word-expansion")
{
    wordexp_t words;
    char text[400];
    int fd = owner_takes_one();

    snprintf(text, sizeof text, "$(%s --hold %d 1>&9 &)", self, fd);
    must(dup2(1, 9), "keep stdout");
    if (wordexp(text, &words, 0) != 0)
        unable("expand");
    close_unread(fd);
    end();
}

/* A program that looks libc's functions up in libc itself, as foreign function interfaces do. */
SCENE(fork_of_libc, "fork-of-libc")
{
    int fd = owner_takes_one();
    void *libc = dlopen("libc.so.6", RTLD_NOW);
    pid_t (*its_fork)(void) = libc ? (pid_t(*)(void))dlsym(libc, "fork") : NULL;

    pid_t pid = its_fork ? its_fork() : -1;
    must(pid, "find libc's fork and call it");
    if (pid == 0)
        hold(fd, fd);
    close_unread(fd);
    end_with(pid);
}

/* ---- Processes that share memory, or the table of descriptors -------------------------------- */

static char clone_stack[65536] __attribute__((aligned(16)));

static int exit_at_once(void *unused)
{
    (void)unused;
    _exit(0);
}

/* The clone ends like a process, in memory that is not its own; then the child closes. */
SCENE(clone_exits, "clone-exits")
{
    int fd = owner_takes_one();
    pid_t child = must(fork(), "fork");

    if (child == 0) {
        owner_waits(ready);
        close(fd);
        _exit(0);
    }
    pid_t pid = clone(exit_at_once, clone_stack + sizeof clone_stack,
                      CLONE_VM | CLONE_FILES | SIGCHLD, NULL);
    owner_reaps(must(pid, "clone"));
    owner_sends(OWNER_BYTES);
    owner_opens(ready);
    owner_reaps(child);
    owner_serves("holder", fd, fd);
    owner_peer_reads();
}

static int clone_holds(void *fd)
{
    hold(*(int *)fd, *(int *)fd);
}

/* The process ends, and what it cloned lives on with its memory and its descriptors. */
SCENE(clone_outlives, "clone-outlives")
{
    pid_t child = must(fork(), "fork");

    if (child == 0) {
        held = owner_takes_one();
        owner_sends(OWNER_BYTES);
        clone(clone_holds, clone_stack + sizeof clone_stack, CLONE_VM | CLONE_FILES | SIGCHLD,
              &held);
        _exit(0);
    }
    owner_reaps(child);
    owner_opens(closed);
    end();
}

/* A child in the same table, which then takes a copy of it. */
SCENE(clone_by_number, "clone-by-number")
{
    int fd = owner_takes_one();
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);

    if (pid == 0) {
        unshare(CLONE_FILES);
        owner_opens(ready);
        hold(fd, fd);
    }
    owner_waits(ready);
    close_unread(fd);
    end_with(pid);
}

/* ---- In the middle of a fork ----------------------------------------------------------------- */

static void (*prepare)(void);
static int listener, copy;

/* What other threads do until a fork's handlers let it go on, one thread can do here. */
static void in_prepare(void)
{
    if (prepare)
        prepare();
    prepare = NULL;
}

static void dup_it(void)
{
    copy = must(dup(held), "duplicate");
}

static void accept_it(void)
{
    held = owner_takes(listener);
}

SCENE(fork_dups, "fork-dups")
{
    held = owner_takes_one();
    prepare = dup_it;
    pthread_atfork(in_prepare, NULL, NULL);
    pid_t pid = must(fork(), "fork");
    if (pid == 0) {
        close(held);
        owner_opens(ready);
        hold(copy, copy);
    }
    owner_waits(ready);
    close(copy);
    close_unread(held);
    end_with(pid);
}

/* Accepted while a fork was under way, so the child has it too; and then duplicated. */
static void fork_accepts(bool forks_again)
{
    listener = owner_listens();
    prepare = accept_it;
    pthread_atfork(in_prepare, NULL, NULL);
    pid_t pid = must(fork(), "fork");
    if (pid == 0)
        hold(held, held);
    if (forks_again) {
        pid_t second = must(fork(), "fork");
        if (second == 0) {
            close(held);
            _exit(0);
        }
        owner_reaps(second);
    } else {
        close(must(dup(held), "duplicate"));
    }
    close_unread(held);
    end_with(pid);
}

SCENE(fork_accepts_dup, "fork-accepts-dup")
{
    fork_accepts(false);
}

SCENE(fork_accepts_fork, "fork-accepts-fork")
{
    fork_accepts(true);
}

static void close_it(void)
{
    close_unread(held);
}

/* Another child is being forked when the one that holds it can be found. */
SCENE(fork_closes, "fork-closes")
{
    held = owner_takes_one();
    pid_t holder = must(fork(), "fork");
    if (holder == 0)
        hold(held, held);
    prepare = close_it;
    pthread_atfork(in_prepare, NULL, NULL);
    pid_t pid = must(fork(), "fork");
    if (pid == 0)
        _exit(0);
    owner_reaps(pid);
    end_with(holder);
}

/* A fork that fails takes back what it counted, and no more than that. */
SCENE(fork_fails, "fork-fails")
{
    struct rlimit none = {0, 0};

    held = owner_takes_one();
    prepare = dup_it;
    pthread_atfork(in_prepare, NULL, NULL);
    must(setresuid(65534, 65534, 65534), "become nobody");
    must(setrlimit(RLIMIT_NPROC, &none), "forbid forks");
    if (fork() != -1)
        unable("have a fork fail");
    close_unread(held);
    owner_serves("holder", copy, copy);
    owner_peer_reads();
}

/* ---- Calls that fail ------------------------------------------------------------------------- */

/* An exec that fails after a long search, while the child closes. */
SCENE(exec_fails, "exec-fails")
{
    static char path[120000];
    int fd = owner_takes_one();

    must(fcntl(fd, F_SETFD, FD_CLOEXEC), "set close-on-exec");
    for (size_t i = 0; i + 3 < sizeof path; i += 3)
        memcpy(path + i, "/x:", 4);
    setenv("PATH", path, 1);
    owner_sends(OWNER_BYTES);
    pid_t pid = must(fork(), "fork");
    if (pid == 0) {
        owner_waits(ready);
        close(fd);
        _exit(0);
    }
    owner_opens(ready);
    execlp("no-such-program", "no-such-program", NULL);
    owner_reaps(pid);
    owner_serves("holder", fd, fd);
    owner_peer_reads();
}

/* dup2 to a number above the limit closes nothing, though something is open there. */
SCENE(dup2_fails, "dup2-fails")
{
    struct rlimit low = {64, 64};
    int fd = owner_takes_one();

    must(fcntl(fd, F_DUPFD, OWNER_NUMBER), "move the connection");
    close(fd);
    owner_sends(OWNER_BYTES);
    must(setrlimit(RLIMIT_NOFILE, &low), "lower the limit");
    if (dup2(2, OWNER_NUMBER) >= 0 || errno != EBADF)
        unable("have a dup2 fail");
    owner_serves("holder", OWNER_NUMBER, OWNER_NUMBER);
    owner_peer_reads();
}

/* ---- The kernel as a holder ------------------------------------------------------------------ */

/* A file registered with a ring is held by it, whatever number it had. One request, one result. */
SCENE(io_uring_file, "io-uring-file")
{
    static unsigned char bytes[2 * OWNER_BYTES];
    struct io_uring_params p;
    int fd = owner_takes_one();

    memset(&p, 0, sizeof p);
    int ring = (int)syscall(SYS_io_uring_setup, 1, &p);
    if (ring < 0) {
        owner_say("no io_uring\n");
        exit(0);
    }
    char *queues = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe) + 4096,
                        PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    struct io_uring_sqe *sqe =
        mmap(NULL, sizeof *sqe, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
    if (queues == MAP_FAILED || sqe == MAP_FAILED || !(p.features & IORING_FEAT_SINGLE_MMAP))
        unable("map a ring");
    must(syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, &fd, 1), "register a file");
    close_unread(fd);
    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = IORING_OP_RECV;
    sqe->flags = IOSQE_FIXED_FILE;
    sqe->addr = (uintptr_t)bytes;
    sqe->len = sizeof bytes;
    ((unsigned *)(void *)(queues + p.sq_off.array))[0] = 0;
    __atomic_store_n((unsigned *)(void *)(queues + p.sq_off.tail), 1, __ATOMIC_RELEASE);
    owner_ask('F', 0);
    must(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0), "receive");
    struct io_uring_cqe *cqe = (void *)(queues + p.cq_off.cqes);
    owner_say("ring read %d bytes, %s\n", cqe->res,
              owner_right(bytes, 0, OWNER_BYTES) ? "right" : "wrong");
}

int main(int argc, char **argv)
{
    self = argv[0];
    if (argc == 3 && strcmp(argv[1], "--hold") == 0) {
        hold(atoi(argv[2]), atoi(argv[2]));
    }
    if (argc == 3 && strcmp(argv[1], "--leave") == 0) {
        if (fork() == 0)
            hold(atoi(argv[2]), atoi(argv[2]));
        _exit(0);
    }
    if (argc == 3 && strcmp(argv[1], "--receive") == 0) {
        ready = (struct owner_gate){{OWNER_NUMBER + 14, OWNER_NUMBER + 15}};
        receives(atoi(argv[2]));
    }
    owner_makes_gates();
    ready = owner_gate();
    away = owner_gate();
    return owner_plays(argv[1]);
}
