/*
 * owner_processes SCENE: the ways in which processes come to share a connection, as servers do it.
 * The program closes its number while bytes are unread; the holder reads and answers. Then, where
 * a scene says so, more bytes come which nobody reads, and the holder's end is the last reference.
 */
#define _GNU_SOURCE
#include "net.h"
#include "owner_hold.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

enum { MORE = 500 };

static const char *self;

/* Closed as the only holder: bare resets, drained doesn't. */
static void close_alone(int fd)
{
    owner_sends(OWNER_BYTES);
    must(close(fd), "close");
    owner_peer_reads();
}

static void close_on_exec(int fd)
{
    must(fcntl(fd, F_SETFD, FD_CLOEXEC), "set close-on-exec");
}

static void wait_for_holder(int fd, pid_t pid)
{
    close_unread(fd);
    end();
    owner_reaps(pid);
}

/* ---- Ways to fork ---------------------------------------------------------------------------- */

static void fork_and_hold(pid_t (*forks)(void))
{
    int fd = owner_takes_one();
    pid_t pid = must(forks(), "fork");

    if (pid == 0)
        hold(fd, fd);
    wait_for_holder(fd, pid);
}

SCENE(with_fork, "fork")
{
    fork_and_hold(fork);
}

SCENE(with_underscore_fork, "_Fork")
{
    fork_and_hold(_Fork);
}

static pid_t fork_terminal(void)
{
    int out = dup(1), terminal;
    pid_t pid = forkpty(&terminal, NULL, NULL, NULL);

    if (pid == 0)
        dup2(out, 1);
    return pid;
}

SCENE(with_forkpty, "forkpty")
{
    fork_and_hold(fork_terminal);
}

static pid_t fork_by_number(void)
{
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

SCENE(with_clone_by_number, "clone-by-number")
{
    fork_and_hold(fork_by_number);
}

static char clone_stack[65536] __attribute__((aligned(16)));

static int hold_in_clone(void *fd)
{
    hold(*(int *)fd, *(int *)fd);
}

static void clone_and_hold(int flags)
{
    int fd = owner_takes_one();
    pid_t pid = clone(hold_in_clone, clone_stack + sizeof clone_stack, flags | SIGCHLD, &fd);

    wait_for_holder(fd, must(pid, "clone"));
}

SCENE(with_clone, "clone")
{
    clone_and_hold(0);
}

SCENE(in_pid_namespace, "pid-namespace")
{
    clone_and_hold(CLONE_NEWPID);
}

/* Where its parent's pid is nobody's. */
SCENE(closes_in_pid_namespace, "pid-namespace-closes")
{
    int fd = owner_takes_one();
    long pid;

    owner_sends(OWNER_BYTES);
    pid = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (must((int)pid, "clone") == 0)
        _exit(close(fd));
    owner_reaps((pid_t)pid);
    owner_serves("holder", fd, fd);
    owner_peer_reads();
}

static int close_in_clone(void *fd)
{
    _exit(close(*(int *)fd));
}

static void serves_after_clone(void)
{
    static char stack[65536];
    int fd = owner_takes_one();
    int pid;

    must(fcntl(fd, F_SETFD, FD_CLOEXEC), "close it on exec");
    owner_sends(OWNER_BYTES);
    pid = must(clone(close_in_clone, stack + sizeof stack,
                     CLONE_VM | CLONE_VFORK | CLONE_NEWPID | SIGCHLD, &fd),
               "clone");
    owner_reaps(pid);
    owner_serves("holder", fd, fd);
    owner_peer_reads();
}

/* A child that runs in its parent's memory, and has the same pid: both are the first of their namespaces. */
SCENE(first_pid_clones, "first-pid-clones")
{
    long pid = must((int)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0), "clone");

    if (pid == 0) {
        serves_after_clone();
        _exit(0);
    }
    owner_reaps((pid_t)pid);
}

SCENE(with_two_forks, "double-fork")
{
    int fd = owner_takes_one();
    pid_t pid = must(fork(), "fork");

    if (pid == 0) {
        if (fork() == 0)
            hold(fd, fd);
        _exit(0);
    }
    owner_reaps(pid);
    close_unread(fd);
    end();
}

/* What daemon() leaves behind is the only holder. */
SCENE(with_daemon, "daemon")
{
    pid_t pid = must(fork(), "fork");

    if (pid == 0) {
        int fd = owner_takes_one();
        must(daemon(1, 1), "become a daemon");
        owner_waits(closed);
        close_alone(fd);
        owner_opens(served);
        _exit(0);
    }
    owner_reaps(pid);
    owner_opens(closed);
    owner_waits(served);
}

/* ---- Fork per connection --------------------------------------------------------------------- */

/* Reads what there is now and answers it; what comes after that nobody reads. */
static void serve_once(int fd)
{
    unsigned char bytes[OWNER_BYTES];
    ssize_t n = recv(fd, bytes, sizeof bytes, MSG_WAITALL | MSG_DONTWAIT);

    owner_say("child read %zd bytes, %s\n", n,
              n > 0 && owner_right(bytes, 0, n) ? "right" : "wrong");
    if (n > 0 && send(fd, bytes, (size_t)n, MSG_NOSIGNAL) != n)
        unable("answer");
    owner_sends(MORE);
}

static void child_is_last(bool closes)
{
    int fd = owner_takes_one();
    pid_t pid = must(fork(), "fork");

    if (pid == 0) {
        owner_waits(closed);
        serve_once(fd);
        if (closes)
            close(fd);
        exit(0);
    }
    close_unread(fd);
    owner_reaps(pid);
    owner_peer_reads();
}

SCENE(child_exits_last, "child-exits-last")
{
    child_is_last(false);
}

SCENE(child_closes_last, "child-closes-last")
{
    child_is_last(true);
}

/* The parent is the last. */
SCENE(child_exits_first, "child-exits-first")
{
    int fd = owner_takes_one();

    owner_sends(OWNER_BYTES);
    pid_t pid = must(fork(), "fork");
    if (pid == 0)
        exit(0);
    owner_reaps(pid);
    must(close(fd), "close");
    owner_peer_reads();
}

/* Nobody sees it give anything up: it has to be looked for. */
SCENE(child_is_killed, "child-is-killed")
{
    int fd = owner_takes_one();

    owner_sends(OWNER_BYTES);
    pid_t pid = must(fork(), "fork");
    if (pid == 0)
        for (;;)
            pause();
    must(kill(pid, SIGKILL), "kill");
    must(waitpid(pid, NULL, 0), "wait");
    must(close(fd), "close");
    owner_peer_reads();
}

/* After so many children that a list of them all would be full. */
SCENE(child_is_killed_late, "child-is-killed-late")
{
    for (int i = 0; i < 600; i++) {
        pid_t pid = must(fork(), "fork");
        if (pid == 0)
            _exit(0);
        owner_reaps(pid);
    }
    child_is_killed();
}

SCENE(many_children, "many-children")
{
    enum { MANY = 600 };
    static pid_t pids[MANY];
    int fd = owner_takes_one();

    for (int i = 0; i < MANY; i++)
        if ((pids[i] = must(fork(), "fork")) == 0) {
            if (i == MANY - 1)
                hold(fd, fd);
            for (;;)
                pause();
        }
    close_unread(fd);
    owner_waits(served);
    for (int i = 0; i < MANY; i++) {
        kill(pids[i], SIGKILL);
        must(waitpid(pids[i], NULL, 0), "wait");
    }
    owner_peer_reads();
}

/* The holder becomes somebody whose descriptors only root may look at; and looks itself. */
static void become_nobody(void)
{
    if (setgid(65534) != 0 || setuid(65534) != 0)
        unable("become nobody");
}

SCENE(child_is_nobody, "child-is-nobody")
{
    int fd = owner_takes_one();
    pid_t pid = must(fork(), "fork");

    if (pid == 0) {
        become_nobody();
        hold(fd, fd);
    }
    wait_for_holder(fd, pid);
}

SCENE(nobody_closes, "nobody-closes")
{
    child_closes_after(become_nobody);
}

/* ---- Workers that share a listening socket --------------------------------------------------- */

SCENE(workers, "workers")
{
    int listener = owner_listens();
    pid_t pids[3];

    for (int i = 0; i < 3; i++)
        if ((pids[i] = must(fork(), "fork")) == 0) {
            owner_waits(closed);
            exit(0);
        }
    owner_ask('C', 0);
    must(close(listener), "close");
    for (int i = 0; i < 3; i++) {
        owner_opens(closed);
        must(wait(NULL), "wait");
    }
    owner_peer_reads();
}

/* ---- Starting programs ----------------------------------------------------------------------- */

static char **hold_arguments(int in)
{
    static char *arguments[4];

    arguments[0] = (char *)self;
    arguments[1] = "--hold";
    arguments[2] = (char *)number_text(in);
    return arguments;
}

/* Even 2 is the connection, so nobody may write to what was stderr. */
static void inetd(bool preloaded)
{
    int fd = owner_takes_one();

    owner_sends(OWNER_BYTES);
    pid_t pid = must(fork(), "fork");
    if (pid == 0) {
        dup2(1, OWNER_NUMBER); /* where it says what it read */
        for (int i = 0; i < 3; i++)
            dup2(fd, i);
        close(fd);
        if (!preloaded)
            unsetenv("LD_PRELOAD");
        execl(self, self, "--inetd", NULL);
        _exit(127);
    }
    must(close(fd), "close");
    owner_opens(closed);
    end();
    owner_reaps(pid);
}

SCENE(inetd_preloaded, "inetd-preloaded")
{
    inetd(true);
}

SCENE(inetd_bare, "inetd-bare")
{
    inetd(false);
}

static pid_t spawn(posix_spawn_file_actions_t *actions, int number)
{
    pid_t pid;

    errno = posix_spawn(&pid, self, actions, NULL, hold_arguments(number), environ);
    if (errno)
        unable("spawn");
    return pid;
}

SCENE(spawn_kept, "spawn-kept")
{
    int fd = owner_takes_one();

    wait_for_holder(fd, spawn(NULL, fd));
}

SCENE(spawn_moved, "spawn-moved")
{
    posix_spawn_file_actions_t actions;
    int fd = owner_takes_one();

    close_on_exec(fd);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, OWNER_NUMBER);
    wait_for_holder(fd, spawn(&actions, OWNER_NUMBER));
    posix_spawn_file_actions_destroy(&actions);
}

/* Of the other name's parameters only the first means something else. libc has it since glibc 2.39. */
static void spawn_by(const char *name)
{
    typedef int call(int *, const char *, const posix_spawn_file_actions_t *,
                     const posix_spawnattr_t *, char *const[], char *const[]);
    call *named = (call *)dlsym(RTLD_DEFAULT, name);
    int fd = owner_takes_one();
    int pidfd;

    errno = named ? named(&pidfd, self, NULL, NULL, hold_arguments(fd), environ) : ENOSYS;
    if (errno == ENOSYS)
        spawn(NULL, fd);
    else if (errno)
        unable("spawn");
    wait_for_holder(fd, -1);
}

SCENE(spawn_pidfd, "pidfd_spawn")
{
    spawn_by("pidfd_spawn");
}

SCENE(spawn_pidfd_by_path, "pidfd_spawnp")
{
    spawn_by("pidfd_spawnp");
}

/* A program that did not get it is none that holds it. */
SCENE(spawn_closed, "spawn-closed")
{
    char *arguments[] = {"true", NULL};
    int fd = owner_takes_one();
    pid_t pid;

    close_on_exec(fd);
    if (posix_spawnp(&pid, "true", NULL, NULL, arguments, environ) != 0)
        unable("spawn");
    close_alone(fd);
    owner_reaps(pid);
}

static void shell(bool popened)
{
    char command[400];
    FILE *stream;
    int fd = owner_takes_one();

    snprintf(command, sizeof command, "%s --hold %d &", self, fd);
    if (popened) {
        stream = popen(command, "w");
        close_unread(fd);
        end();
        owner_say("pclose: %d\n", pclose(stream));
        return;
    }
    owner_say("system: %d\n", system(command));
    close_unread(fd);
    end();
}

SCENE(with_system, "system")
{
    shell(false);
}

SCENE(with_popen, "popen")
{
    shell(true);
}

SCENE(system_closed, "system-closed")
{
    int fd = owner_takes_one();

    close_on_exec(fd);
    owner_say("system: %d\n", system("true"));
    close_alone(fd);
}

SCENE(popen_closed, "popen-closed")
{
    int fd = owner_takes_one();

    close_on_exec(fd);
    FILE *stream = popen("cat", "w");
    close_alone(fd);
    owner_say("pclose: %d\n", pclose(stream));
}

SCENE(vfork_kept, "vfork-kept")
{
    int fd = owner_takes_one();
    char **arguments = hold_arguments(fd);
    pid_t pid = vfork();

    if (pid == 0) {
        execv(self, arguments);
        _exit(127);
    }
    wait_for_holder(fd, pid);
}

static int moved_from;

SCENE(vfork_moved, "vfork-moved")
{
    char **arguments = hold_arguments(OWNER_NUMBER);
    pid_t pid;

    moved_from = owner_takes_one();
    close_on_exec(moved_from);
    pid = vfork();
    if (pid == 0) {
        dup2(moved_from, OWNER_NUMBER);
        execv(self, arguments);
        _exit(127);
    }
    wait_for_holder(moved_from, pid);
}

SCENE(vfork_closed, "vfork-closed")
{
    int fd = owner_takes_one();

    close_on_exec(fd);
    pid_t pid = vfork();
    if (pid == 0) {
        execlp("true", "true", NULL);
        _exit(127);
    }
    owner_reaps(pid);
    close_alone(fd);
}

/* An exec that fails leaves everything as it was. */
SCENE(exec_failed, "exec-failed")
{
    int fd = owner_takes_one();

    close_on_exec(fd);
    execl("/no/such/program", "no", NULL);
    owner_say("exec: %s\n", strerrorname_np(errno));
    close_alone(fd);
}

/* And so it does where the connection is shared. */
SCENE(exec_failed_shared, "exec-failed-shared")
{
    int fd = owner_takes_one();
    pid_t pid;

    close_on_exec(fd);
    pid = must(fork(), "fork");
    if (pid == 0)
        hold(fd, fd);
    execl("/no/such/program", "no", NULL);
    owner_say("exec: %s\n", strerrorname_np(errno));
    wait_for_holder(fd, pid);
}

/* The program was to keep the connection. */
SCENE(exec_failed_kept, "exec-failed-kept")
{
    int fd = owner_takes_one();

    execl("/no/such/program", "no", NULL);
    owner_say("exec: %s\n", strerrorname_np(errno));
    close_alone(fd);
}

/* In several children at a time, so that one may stand for the others. */
SCENE(exec_failed_in_children, "exec-failed-in-children")
{
    int fd = owner_takes_one();
    pid_t pids[3];

    for (int i = 0; i < 3; i++) {
        pids[i] = must(fork(), "fork");
        if (pids[i] == 0) {
            execl("/no/such/program", "no", NULL);
            _exit(errno == ENOENT ? 0 : 1);
        }
        owner_reaps(pids[i]);
    }
    close_alone(fd);
}

/* Each that executes is as bad as the first. A bucket of the family's table has room for eight; when it is full, nothing
 * can be proven of any connection. */
SCENE(exec_twelve, "exec-twelve")
{
    int listener = owner_listens();
    int fd;

    owner_takes(listener); /* kept by all */
    fd = owner_takes(listener);
    close_on_exec(fd);
    close_on_exec(listener);
    for (int i = 0; i < 12; i++) {
        pid_t pid = must(fork(), "fork");

        if (pid == 0)
            execlp("true", "true", NULL);
        owner_reaps(pid);
    }
    close_alone(fd);
}

static int executed[2]; /* a pipe, until a child has executed a program */

/* A child does this, and then executes a program that holds the connection. */
static void child_executes_after(void (*preparation)(void))
{
    int fd = owner_takes_one();
    char **arguments = hold_arguments(fd);
    pid_t pid;

    must(pipe2(executed, O_CLOEXEC), "pipe");
    pid = must(fork(), "fork");
    if (pid == 0) {
        preparation();
        execv(self, arguments);
        _exit(127);
    }
    close(executed[1]);
    must((int)read(executed[0], executed, 1), "wait for the exec");
    close(executed[0]);
    wait_for_holder(fd, pid);
}

/* ---- A signal handler in the middle of an exec; played with calls_handler_lib ---------------- */

static int interrupted_fd;

static void execute_in_vain(int number)
{
    signal(number, SIG_DFL);
    execl("/no/such/program", "no", NULL);
}

static void be_interrupted(void)
{
    signal(SIGUSR1, execute_in_vain);
}

SCENE(exec_in_exec, "exec-in-exec")
{
    child_executes_after(be_interrupted);
}

/* It has the connection as its parent had it. */
static void fork_a_closer(int number)
{
    signal(number, SIG_DFL);
    if (must(fork(), "fork") > 0)
        return;
    close(executed[1]);
    must((int)read(executed[0], executed, 1), "wait for the exec");
    close_unread(interrupted_fd);
    end();
    _exit(0);
}

SCENE(fork_in_exec, "fork-in-exec")
{
    char **arguments;

    interrupted_fd = owner_takes_one();
    arguments = hold_arguments(interrupted_fd);
    must(pipe2(executed, O_CLOEXEC), "pipe");
    signal(SIGUSR1, fork_a_closer);
    execv(self, arguments);
}

static sigjmp_buf before_exec;

static void leave_exec(int number)
{
    (void)number;
    siglongjmp(before_exec, 1);
}

static void *execute_and_leave(void *nothing)
{
    const char *volatile nowhere = (const char *)1;

    if (sigsetjmp(before_exec, 1) == 0)
        execvp(nowhere, (char *[]){NULL});
    return nothing;
}

/* A thread leaves an exec by its handler, and ends: the kernel says of its process what it would say after the exec. */
SCENE(exec_left, "exec-left")
{
    int fd = owner_takes_one();
    int left[2];
    pthread_t thread;
    pid_t pid;

    close_on_exec(fd);
    owner_sends(OWNER_BYTES);
    must(pipe(left), "pipe");
    pid = must(fork(), "fork");
    if (pid == 0) {
        close(left[1]);
        must((int)read(left[0], left, 1), "wait for the thread");
        _exit(close(fd));
    }
    signal(SIGSEGV, leave_exec);
    must(-pthread_create(&thread, NULL, execute_and_leave, NULL), "start a thread");
    pthread_join(thread, NULL);
    signal(SIGSEGV, SIG_DFL);
    close(left[1]);
    owner_reaps(pid);
    owner_serves("holder", fd, fd);
    owner_peer_reads();
}

static void fail_to_execute(void)
{
    execl("/no/such/program", "no", NULL);
}

/* As an execvp that looks along PATH by itself. */
SCENE(exec_second, "exec-second")
{
    child_executes_after(fail_to_execute);
}

/* ---- In one process -------------------------------------------------------------------------- */

SCENE(stream_halves, "stream-halves")
{
    char text[OWNER_BYTES];
    int fd = owner_takes_one();
    FILE *in = fdopen(dup(fd), "r"), *out = fdopen(fd, "w");

    memset(text, 'x', sizeof text);
    owner_sends(OWNER_BYTES);
    fclose(in);
    owner_say("unread %d\n", net_unread(fd));
    for (int i = 0; i < OWNER_BYTES; i++)
        text[i] = (char)owner_byte(i);
    fwrite(text, 1, sizeof text, out);
    fflush(out);
    owner_say("peer has %ld\n", owner_ask('R', OWNER_BYTES).bytes);
    fclose(out);
    owner_say("then %s\n", owner_ask('R', 0).error ? "a reset" : "the end");
}

static void passed(bool to_child)
{
    int fd, wires[2];
    pid_t pid = 0;

    must(socketpair(AF_UNIX, SOCK_STREAM, 0, wires), "make a wire");
    if (to_child && (pid = must(fork(), "fork")) == 0) {
        owner_waits(closed);
        fd = must(net_receive_descriptor(wires[1], 0), "receive");
        owner_opens(closed);
        hold(fd, fd);
    }
    fd = owner_takes_one();
    must(net_send_descriptor(wires[0], fd, 0) ? 0 : -1, "pass");
    close_unread(fd);
    if (pid) {
        end();
        owner_reaps(pid);
        return;
    }
    fd = must(net_receive_descriptor(wires[1], 0), "receive");
    owner_serves("holder", fd, fd);
    owner_peer_reads();
}

SCENE(passed_to_child, "passed-to-child")
{
    passed(true);
}

SCENE(passed_in_flight, "passed-in-flight")
{
    passed(false);
}

/* The program was started with it, as by socket activation: who else has it, nobody knows. */
SCENE(inherited, "inherited")
{
    int fd = owner_takes_one();

    must(dup2(fd, OWNER_NUMBER), "move the connection");
    close(fd);
    execl(self, self, "--activated", NULL);
    _exit(127);
}

/* Likewise, but a listening one; what it accepts is its own. */
SCENE(inherited_listener, "inherited-listener")
{
    must(dup2(owner_listens(), OWNER_NUMBER), "move the listening socket");
    execl(self, self, "--activated-listener", NULL);
    _exit(127);
}

/* ---- Signals while forking ------------------------------------------------------------------- */

static volatile sig_atomic_t signals;
static int signals_fd;

/* What a handler may do: another number, closed again. */
static void handle(int signal)
{
    int saved = errno;

    (void)signal;
    signals = signals + 1;
    close(dup(signals_fd));
    errno = saved;
}

SCENE(signals_while_forking, "signals-while-forking")
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    timer_t timer;
    struct itimerspec often = {{0, 50000}, {0, 50000}}, never = {{0, 0}, {0, 0}};
    int fd = owner_takes_one();
    int copies = 0;

    signals_fd = fd;
    sigaction(SIGALRM, &action, NULL);
    timer_create(CLOCK_MONOTONIC, NULL, &timer);
    timer_settime(timer, 0, &often, NULL);
    for (int i = 0; i < 200 || signals < 50; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(close(dup(fd)));
        if (pid < 0)
            continue;
        copies++;
        owner_reaps(pid);
    }
    owner_say("%s\n", copies ? "forked" : "did not fork");
    pid_t pid = fork();
    if (pid == 0)
        hold(fd, fd);
    timer_settime(timer, 0, &never, NULL);
    wait_for_holder(fd, pid);
}

int main(int argc, char **argv)
{
    self = argv[0];
    if (argc > 1 && strncmp(argv[1], "--", 2) == 0) {
        if (strcmp(argv[1], "--hold") == 0 && argc > 2)
            hold(atoi(argv[2]), atoi(argv[2]));
        if (strcmp(argv[1], "--inetd") == 0) {
            int out = dup(1);
            dup2(OWNER_NUMBER, 1);
            hold(0, out);
        }
        close_alone(strcmp(argv[1], "--activated") == 0 ? OWNER_NUMBER : owner_takes(OWNER_NUMBER));
        return 0;
    }
    owner_makes_gates();
    return owner_plays(argv[1]);
}
