/* What who has accepted a connection does with it: shares it, and uses it or gives it up. See oracle.h. */
#define _GNU_SOURCE
#include "oracle.h"

#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

/* Numbers: those of spare_number are 1000 to 1999. */
enum {
    NONE = 990,
    SPAWNED = 991,
    HIGH = 2048,
    SCANNED = 256,
    ADOPTED_MOST = 4,
    COPIES_MOST = 48,
    CROWD = 96,
    BACKLOG = 16384
};

/* What is played by these is not in anybody's way: a machine that has no more of it is no fault. */
static long must(long ret, const char *what)
{
    if (ret < 0) {
        fprintf(stderr, "oracle: unable to %s: %s\n", what, strerror(errno));
        _exit(3);
    }
    return ret;
}

static void reap(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
        atomic_fetch_add(&board->crashed, 1);
}

/* ---- By another number ----------------------------------------------------------------------- */

/* A number that nobody else uses: each thread has one. */
static int spare_number(void)
{
    return 1000 + (int)(gettid() % 1000);
}

static int dup_by(int fd, int variant)
{
    switch (variant % 8) {
    case 0:
        return dup2(fd, spare_number());
    case 1:
        return dup3(fd, spare_number(), O_CLOEXEC);
    case 2:
        return fcntl(fd, F_DUPFD_CLOEXEC, 5);
    case 3:
        return (int)syscall(SYS_dup, fd);
    case 4:
        return (int)syscall(SYS_dup3, fd, spare_number(), O_CLOEXEC);
    case 5:
        return (int)syscall(SYS_fcntl, fd, F_DUPFD, 5);
    default:
        return dup(fd);
    }
}

static void by_dup(struct act *a)
{
    struct act second = *a;

    second.fd = (int)must(dup_by(a->fd, a->s.variant), "dup");
    if (a->s.other_uses) {
        give_up(a);
        use(&second);
    } else {
        give_up(&second);
        use(a);
    }
}

/* A target above the limit is open, and still refused. The limit is the whole process's. */
static void dup_beyond_limit(struct act *a, bool by_syscall)
{
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    struct rlimit limit, low;
    int high, ret;

    pthread_mutex_lock(&one);
    high = (int)must(fcntl(a->fd, F_DUPFD_CLOEXEC, HIGH), "get a high number");
    close(a->fd);
    a->fd = high;
    getrlimit(RLIMIT_NOFILE, &limit);
    low = limit;
    low.rlim_cur = HIGH;
    setrlimit(RLIMIT_NOFILE, &low);
    ret = by_syscall ? (int)syscall(SYS_dup2, 0, high) : dup2(0, high);
    setrlimit(RLIMIT_NOFILE, &limit);
    pthread_mutex_unlock(&one);
    if (ret >= 0)
        fprintf(stderr, "oracle: a dup2 beyond the limit succeeded\n");
}

static void by_failing_dup(struct act *a)
{
    wait_unread(a);
    switch (a->s.variant % 10) {
    case 0:
        dup2(NONE, a->fd);
        break;
    case 1:
        dup3(a->fd, a->fd, 0);
        break;
    case 2:
        dup3(0, a->fd, 0x1234);
        break;
    case 3:
        syscall(SYS_dup2, NONE, a->fd);
        break;
    case 4:
        syscall(SYS_dup3, a->fd, a->fd, 0);
        break;
    case 5:
        syscall(SYS_dup3, 0, a->fd, 0x1234);
        break;
    case 6:
        syscall(SYS_dup2, a->fd, a->fd);
        break;
    case 7:
        dup_beyond_limit(a, false);
        break;
    default:
        dup_beyond_limit(a, true);
        break;
    }
    use(a);
}

/* ---- By a fork ------------------------------------------------------------------------------- */

/* Connections of other threads, whose user this child becomes. */
struct adopted {
    bool kept; /* one at most, that a program keeps */
    int count;
    struct act acts[ADOPTED_MOST];
};

/* Of several numbers the last is used. */
static bool has_adopted(struct adopted *all, const struct act *a)
{
    for (int i = 0; i < all->count; i++)
        if (all->acts[i].slot == a->slot) {
            close(all->acts[i].fd);
            all->acts[i].fd = a->fd;
            return true;
        }
    return false;
}

static void adopt(struct adopted *all, const struct act *own)
{
    int most = all->kept ? 1 : ADOPTED_MOST;

    for (int fd = BOARD_FD + 1; own->s.scans && fd < SCANNED && all->count < most; fd++) {
        struct act *a = &all->acts[all->count];
        int nobody = 0;

        if (!act_of(a, fd) || a->s.kind != KIND_ADOPT || has_adopted(all, a) ||
            (all->kept && (a->s.variant % 2 || fcntl(fd, F_GETFD) != 0)) ||
            !atomic_compare_exchange_strong(&a->slot->claimed, &nobody, 2))
            continue;
        if (own->s.raw && a->s.door[USER] == DOOR_FCLOSE)
            a->s.door[USER] = DOOR_CLOSE;
        all->count++;
    }
}

static void use_adopted(struct adopted *all)
{
    for (int i = 0; i < all->count; i++)
        use(&all->acts[i]);
}

/* The kernel copies all that comes before the string that is too long for it. */
static void try_to_execute(void)
{
    static char word[100000], too_long[200000];
    char *argv[8] = {too_long};

    memset(word, 'a', sizeof word - 1);
    memset(too_long, 'a', sizeof too_long - 1);
    for (int i = 1; i < 7; i++)
        argv[i] = word;
    execve(program, argv, environ);
}

/* A child's part. Does not return. What ends by the end of its process is told just before. */
_Noreturn static void be_child(struct act *a, bool user)
{
    enum door door = a->s.door[user ? USER : OTHER];
    struct adopted adopted = {.count = 0};

    if (a->s.tries)
        try_to_execute();
    adopt(&adopted, a);
    if (user)
        use(a);
    else if (door < DOOR_EXIT)
        give_up(a);
    use_adopted(&adopted);
    if (!user && door >= DOOR_EXIT)
        give_up(a);
    end_by(door < DOOR_EXIT ? DOOR_UNDERSCORE_EXIT : door);
}

/* The ways of forking. What comes by the last ones has not told libc: no malloc, and no lock. */
static pid_t fork_by(const struct act *a)
{
    unsigned long flags = SIGCHLD | (a->s.kind == KIND_NAMESPACE ? CLONE_NEWPID : 0);

    if (!a->s.raw)
        return (pid_t)must(fork(), "fork");
    if (a->s.kind != KIND_NAMESPACE && a->s.variant % 3 == 0)
        return (pid_t)must(_Fork(), "_Fork");
    if (a->s.kind != KIND_NAMESPACE && a->s.variant % 3 == 1)
        return (pid_t)must(syscall(SYS_fork), "fork");
    return (pid_t)must(syscall(SYS_clone, flags, 0, 0, 0, 0), "clone");
}

/* Where the child ends to give it up, it has done so only when it can be waited for. */
static void be_parent(struct act *a, pid_t child)
{
    bool ends = !a->s.other_uses && a->s.ordered && a->s.door[OTHER] >= DOOR_EXIT;

    if (ends)
        reap(child);
    if (a->s.other_uses)
        give_up(a);
    else
        use(a);
    if (!ends)
        reap(child);
}

static void by_fork(struct act *a)
{
    pid_t child = fork_by(a);

    if (child == 0) {
        if (a->s.kind == KIND_NOBODY)
            must(setgid(65534) | setuid(65534), "become another user");
        be_child(a, a->s.other_uses);
    }
    be_parent(a, child);
}

/* The child in between gives it up, and ends before its own child does. */
static void by_grandchild(struct act *a)
{
    pid_t child = (pid_t)must(fork(), "fork");

    if (child == 0) {
        if (must(fork(), "fork") == 0)
            be_child(a, a->s.other_uses);
        a->s.signals = false;
        give_up(a);
        _exit(0);
    }
    be_parent(a, child);
}

enum { CROWDED = 1, AWAITED, CLOSING };

/* Many relatives that may hold it, dead and asked about by nobody yet. */
_Noreturn static void be_crowd(const struct act *a)
{
    pid_t crowd[CROWD];
    siginfo_t info;

    for (int i = 0; i < CROWD; i++) {
        crowd[i] = (pid_t)must(fork(), "fork");
        while (crowd[i] == 0)
            pause();
    }
    atomic_store(&a->slot->claimed, CROWDED);
    wait_for(&a->slot->claimed, AWAITED);
    for (int i = 0; i < CROWD; i++)
        kill(crowd[i], SIGKILL);
    for (int i = 0; i < CROWD; i++)
        while (waitid(P_PID, (id_t)crowd[i], &info, WEXITED | WNOWAIT) != 0 && errno == EINTR)
            ;
    end_by(DOOR_SIGKILL);
}

/* Forks the user, and gives it up, while its parent looks at the crowd for somebody who holds it. */
_Noreturn static void fork_meanwhile(struct act *a)
{
    wait_for(&a->slot->claimed, AWAITED);
    for (int left = 20000000; left > 0 && atomic_load(&a->slot->claimed) < CLOSING; left--)
        ;
    wait_for(&a->slot->claimed, CLOSING);
    if (must(fork(), "fork") == 0)
        be_child(a, true);
    close(a->fd);
    atomic_fetch_add(&a->slot->given_up, 1);
    _exit(0);
}

static void by_crowd(struct act *a)
{
    pid_t crowd = (pid_t)must(fork(), "fork");
    pid_t child;

    if (crowd == 0)
        be_crowd(a);
    wait_for(&a->slot->claimed, CROWDED);
    child = (pid_t)must(fork(), "fork");
    if (child == 0)
        fork_meanwhile(a);
    atomic_store(&a->slot->claimed, AWAITED);
    reap(crowd);
    wait_unread(a);
    atomic_store(&a->slot->claimed, CLOSING);
    spin(a->s.variant);
    close_by(a, a->s.door[OTHER]);
    atomic_fetch_add(&a->slot->given_up, 1);
    reap(child);
}

static void by_killed_child(struct act *a)
{
    pid_t child = (pid_t)must(fork(), "fork");

    if (child == 0)
        for (;;)
            pause();
    spin(a->s.spin[OTHER]);
    kill(child, SIGKILL);
    if (a->s.variant % 2)
        reap(child);
    atomic_fetch_add(&a->slot->given_up, 1);
    use(a);
    if (a->s.variant % 2 == 0)
        reap(child);
}

static void *use_in_thread(void *a)
{
    use(a);
    return NULL;
}

/* The stack of a thread ends with it. */
_Noreturn static void lose_head(const struct act *a)
{
    struct act *copy = malloc(sizeof *copy);
    pthread_t thread;

    *copy = *a;
    must(-pthread_create(&thread, NULL, use_in_thread, copy), "start a thread");
    pthread_exit(NULL);
}

static bool is_headless(pid_t pid)
{
    char path[64], text[128] = "";
    int fd;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!read(fd, text, sizeof text - 1);
        close(fd);
    }
    return strstr(text, ") Z ");
}

/* One that gives it up last, and is not the parent of who uses it; every other one can't open a thing. */
static pid_t fork_last(struct act *a)
{
    const struct rlimit none = {0, 4096};
    pid_t child = (pid_t)must(fork(), "fork");

    if (child == 0) {
        if (a->s.variant % 4 == 1)
            setrlimit(RLIMIT_NOFILE, &none);
        wait_for(&a->slot->given_up, 1);
        give_up(a);
        _exit(0);
    }
    return child;
}

static void by_headless_child(struct act *a)
{
    pid_t last = 0;
    pid_t child = (pid_t)must(fork(), "fork");

    if (child == 0) {
        if (a->s.tries)
            try_to_execute();
        lose_head(a);
    }
    for (int i = 0; i < 200 && !is_headless(child); i++)
        usleep(50);
    if (a->s.others == 2)
        last = fork_last(a);
    give_up(a);
    if (last)
        reap(last);
    reap(child);
}

static void close_copies(const int *copies, int count)
{
    for (int i = 0; i < count; i++)
        close(copies[i]);
}

/* A child that another thread forks may take it over, as long as this one has not begun to use it. More
 * numbers come meanwhile. */
static void by_adoption(struct act *a)
{
    int copies[COPIES_MOST], count = 0, nobody = 0;

    for (int i = 0; i < a->s.variant && atomic_load(&a->slot->claimed) == 0; i++)
        if (a->s.variant % 2 && count < COPIES_MOST)
            copies[count++] = (int)must(fcntl(a->fd, F_DUPFD_CLOEXEC, 5), "dup");
        else
            usleep(50);
    if (atomic_compare_exchange_strong(&a->slot->claimed, &nobody, 1)) {
        close_copies(copies, count);
        atomic_fetch_add(&a->slot->given_up, 1);
        use(a);
    } else {
        close_copies(copies, count);
        give_up(a);
    }
}

/* It runs in the parent's memory, with descriptors of its own. */
static void by_vfork(struct act *a)
{
    pid_t child = (pid_t)must(vfork(), "vfork");

    if (child == 0) {
        give_up(a);
        if (a->s.variant % 3 == 0)
            execl("/nowhere", "nowhere", (char *)NULL);
        _exit(0);
    }
    reap(child);
    use(a);
}

static void *close_in_own_table(void *a)
{
    must(unshare(CLONE_FILES), "unshare");
    close(((struct act *)a)->fd);
    return NULL;
}

/* A thread that closes it in a table of its own; or a process that gives it another number in the table of
 * both. */
static void part_table(struct act *a)
{
    int number = spare_number();
    pthread_t thread;
    pid_t twin;

    if (a->s.variant % 2) {
        must(-pthread_create(&thread, NULL, close_in_own_table, a), "start a thread");
        pthread_join(thread, NULL);
        return;
    }
    twin = (pid_t)must(syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0), "clone");
    if (twin == 0) {
        must(dup2(a->fd, number), "dup");
        _exit(0);
    }
    reap(twin);
    close(a->fd);
    a->fd = number;
}

static void by_table(struct act *a)
{
    pid_t child = (pid_t)must(fork(), "fork");

    if (child == 0) {
        part_table(a);
        use(a);
        _exit(0);
    }
    give_up(a);
    reap(child);
}

/* By a child that has closed what it inherited. */
static void by_taking(struct act *a)
{
    int number = a->fd;
    pid_t child = (pid_t)must(fork(), "fork");

    if (child == 0) {
        int parent = (int)must(syscall(SYS_pidfd_open, getppid(), 0), "open a pidfd");

        close(a->fd);
        a->fd = (int)must(syscall(SYS_pidfd_getfd, parent, number, 0), "take a descriptor");
        atomic_store(&a->slot->claimed, 1);
        use(a);
        _exit(0);
    }
    wait_for(&a->slot->claimed, 1);
    give_up(a);
    reap(child);
}

/* ---- By a message ---------------------------------------------------------------------------- */

/* Sometimes by another number, which is closed then. */
static void by_flight(struct act *a)
{
    struct act landed = *a;
    int pair[2], sent = a->fd;

    must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "socketpair");
    if (a->s.variant % 2)
        sent = (int)must(fcntl(a->fd, F_DUPFD_CLOEXEC, 5), "dup");
    must(net_send_descriptor(pair[0], sent, 0) - 1, "send a descriptor");
    if (sent != a->fd)
        close(sent);
    give_up(a);
    landed.fd = (int)must(net_receive_descriptor(pair[1], MSG_CMSG_CLOEXEC), "receive it");
    use(&landed);
    close(pair[0]);
    close(pair[1]);
}

static void pass(const struct act *a)
{
    must(net_send_descriptor(channels[a->s.variant % 2], a->fd, 0) - 1, "pass a connection on");
}

/* By the one who gets it, who is then often still ahead of the one who sent it. */
static void wait_received(const struct act *a)
{
    for (int left = 20000000; left > 0 && atomic_load(&a->slot->claimed) == 0; left--)
        ;
    wait_for(&a->slot->claimed, 1);
}

static void *give_up_when_received(void *context)
{
    struct act *a = context;

    wait_received(a);
    give_up(a);
    return NULL;
}

/* Every third time another thread gives it up, while this one may not have come back from sending it. */
static void by_message(struct act *a)
{
    pthread_t thread;

    if (a->s.by_worker || a->s.variant % 3 != 0) {
        pass(a);
        give_up(a);
        return;
    }
    must(-pthread_create(&thread, NULL, give_up_when_received, a), "start a thread");
    pass(a);
    pthread_join(thread, NULL);
}

/* Likewise the child is killed. */
static void by_childs_message(struct act *a)
{
    bool killed = a->s.variant % 3 == 0;
    pid_t child = (pid_t)must(fork(), "fork");

    if (child == 0) {
        spin(a->s.spin[USER]);
        pass(a);
        if (!killed)
            close(a->fd);
        _exit(0);
    }
    if (killed) {
        wait_received(a);
        kill(child, SIGKILL);
        reap(child);
    }
    give_up(a);
    if (!killed)
        reap(child);
}

/* ---- By another program ---------------------------------------------------------------------- */

struct helper {
    char number[16];
    char adopted[16];
    char *argv[6];
    char **envp;
};

static void prepare_helper(struct helper *h, const struct act *a, int fd)
{
    static char *plain[] = {NULL};

    snprintf(h->number, sizeof h->number, "%d", fd);
    h->argv[0] = program;
    h->argv[1] = (char *)"--helper";
    h->argv[2] = h->number;
    h->argv[3] = (char *)(a->s.other_uses ? "user" : "other");
    h->argv[4] = h->argv[5] = NULL;
    h->envp = a->s.preloaded ? environ : plain;
}

static void by_exec(struct act *a)
{
    struct helper h = {.envp = NULL};
    pid_t child;

    prepare_helper(&h, a, a->fd);
    child = (pid_t)must(fork(), "fork");
    if (child == 0) {
        fcntl(a->fd, F_SETFD, 0);
        execve(program, h.argv, h.envp);
        _exit(127);
    }
    be_parent(a, child);
}

static pid_t spawn_keeping(const struct helper *h)
{
    pid_t child;

    must(-posix_spawn(&child, program, NULL, NULL, h->argv, h->envp), "spawn");
    return child;
}

static pid_t spawn_dup(struct helper *h, int fd)
{
    posix_spawn_file_actions_t actions;
    pid_t child;

    snprintf(h->number, sizeof h->number, "%d", SPAWNED);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, SPAWNED);
    must(-posix_spawn(&child, program, &actions, NULL, h->argv, h->envp), "spawn");
    posix_spawn_file_actions_destroy(&actions);
    return child;
}

/* Nobody knows what it will use before it has begun. */
static pid_t spawn_by_vfork(struct helper *h, const struct act *a)
{
    pid_t child = (pid_t)must(vfork(), "vfork");

    if (child == 0) {
        struct adopted adopted = {.kept = true};

        adopt(&adopted, a);
        if (adopted.count) {
            snprintf(h->adopted, sizeof h->adopted, "%d", adopted.acts[0].fd);
            h->argv[4] = h->adopted;
            spin(a->s.spin[OTHER]);
        }
        execve(program, h->argv, h->envp);
        _exit(127);
    }
    return child;
}

static void by_popen(struct act *a, const struct helper *h)
{
    char command[4200];
    FILE *stream;

    snprintf(command, sizeof command, "exec '%s' --helper %s %s", program, h->number, h->argv[3]);
    stream = popen(command, "r");
    if (a->s.other_uses)
        give_up(a);
    else
        use(a);
    if (stream)
        pclose(stream);
}

static void by_spawn(struct act *a)
{
    struct helper h = {.envp = NULL};
    int variant = a->s.variant % 6;

    prepare_helper(&h, a, a->fd);
    if (variant != 1)
        fcntl(a->fd, F_SETFD, 0);
    if (variant == 3)
        by_popen(a, &h);
    else
        be_parent(a, variant == 0   ? spawn_keeping(&h)
                     : variant == 1 ? spawn_dup(&h, a->fd)
                                    : spawn_by_vfork(&h, a));
}

/* A shell that is started meanwhile, and keeps what is not close-on-exec. */
static void beside_shell(struct act *a)
{
    wordexp_t words;
    FILE *stream;

    switch (a->s.variant % 3) {
    case 0:
        (void)!system(":");
        break;
    case 1:
        stream = popen(":", "r");
        if (stream)
            pclose(stream);
        break;
    default:
        if (wordexp("$(echo a)", &words, 0) == 0)
            wordfree(&words);
    }
    use(a);
}

/* ---- In a call of another thread ------------------------------------------------------------- */

struct caller {
    struct act *a;
    _Atomic int tid;
    int fd; /* as it is when the call begins */
};

/* A handler would make the call return early. */
static void block_signals(void)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
}

static void *call_reader(void *context)
{
    struct caller *caller = context;
    struct act *a = caller->a;
    unsigned char bytes[20000];
    int got;

    block_signals();
    atomic_store(&caller->tid, gettid());
    got = (int)recv(caller->fd, bytes, (size_t)a->s.request, MSG_WAITALL);
    for (int i = 0; i < got; i++)
        if (bytes[i] != pattern(a->s.index, false, i))
            got = i;
    atomic_store(&a->slot->read, got < 0 ? 0 : got);
    atomic_store(&a->slot->read_end, got == a->s.request ? READ_ALL : READ_EOF);
    atomic_store(&a->slot->done, 1);
    return NULL;
}

static void *call_writer(void *context)
{
    struct caller *caller = context;
    struct act *a = caller->a;
    unsigned char *bytes = malloc((size_t)a->s.answer);
    int sent;

    for (int i = 0; i < a->s.answer; i++)
        bytes[i] = pattern(a->s.index, true, i);
    block_signals();
    atomic_store(&caller->tid, gettid());
    sent = (int)send(caller->fd, bytes, (size_t)a->s.answer, MSG_NOSIGNAL);
    atomic_store(&a->slot->written, sent < 0 ? 0 : sent);
    atomic_store(&a->slot->write_error, sent < 0 ? errno : 0);
    atomic_store(&a->slot->done, 1);
    free(bytes);
    return NULL;
}

/* It gives the number up last. */
static void hold_on(struct act *a)
{
    wait_for(&a->slot->given_up, 1);
    spin(a->s.spin[USER]);
    end_by(DOOR_UNDERSCORE_EXIT);
}

static void by_call(struct act *a)
{
    bool reader = kind_has_reader(a->s.kind);
    struct caller caller = {.a = a, .fd = a->fd};
    struct timeval patience = {.tv_sec = 1 + board->patience_ms / 1000};
    int size = BACKLOG;
    pthread_t thread;
    pid_t child = 0;

    setsockopt(a->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    setsockopt(a->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    must(-pthread_create(&thread, NULL, reader ? call_reader : call_writer, &caller),
         "start a thread");
    wait_for(&caller.tid, 1);
    net_wait_thread_in(caller.tid, reader ? SYS_recvfrom : SYS_sendto);
    if (!kind_is_call(a->s.kind)) {
        child = (pid_t)must(fork(), "fork");
        if (child == 0)
            hold_on(a);
    }
    if (!reader)
        wait_unread(a);
    spin(a->s.spin[OTHER]);
    close_by(a, a->s.door[OTHER]);
    atomic_fetch_add(&a->slot->given_up, 1);
    if (reader)
        atomic_store(&a->slot->phase, 1);
    if (child)
        reap(child);
    atomic_store(&a->slot->phase, 1);
    pthread_join(thread, NULL);
}

/* ---- All --------------------------------------------------------------------------------------- */

void play(struct act *a)
{
    static void (*const plays[KIND_COUNT])(struct act *) = {
        [KIND_ALONE] = use,
        [KIND_DUP] = by_dup,
        [KIND_DUP_FAILS] = by_failing_dup,
        [KIND_FORK] = by_fork,
        [KIND_GRANDCHILD] = by_grandchild,
        [KIND_CROWD] = by_crowd,
        [KIND_KILLED] = by_killed_child,
        [KIND_HEADLESS] = by_headless_child,
        [KIND_NOBODY] = by_fork,
        [KIND_NAMESPACE] = by_fork,
        [KIND_ADOPT] = by_adoption,
        [KIND_VFORK] = by_vfork,
        [KIND_TABLE] = by_table,
        [KIND_TAKEN] = by_taking,
        [KIND_FLIGHT] = by_flight,
        [KIND_PASS] = by_message,
        [KIND_CHILD_PASS] = by_childs_message,
        [KIND_EXEC] = by_exec,
        [KIND_SPAWN] = by_spawn,
        [KIND_SHELL] = beside_shell,
        [KIND_READER] = by_call,
        [KIND_WRITER] = by_call,
        [KIND_FORK_READER] = by_call,
        [KIND_FORK_WRITER] = by_call,
    };

    if (!a->s.keeps)
        fcntl(a->fd, F_SETFD, FD_CLOEXEC);
    else
        fcntl(a->fd, F_SETFD, 0);
    if (a->s.early > 0)
        read_request(a, a->s.early, 0);
    plays[a->s.kind](a);
}
