/*
 * linger_rights SCENE: a program that changes its rights, or forbids itself more processes, while connections
 * linger or before the first does. $WAY says how. Its peer is linger_process_peer.
 */
#define _GNU_SOURCE
#include "linger_process.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>

/* The older numbers have ids of 16 bits, and what the library does not know of such a change ends its thread. */
#ifdef SYS_setresuid32
#undef SYS_setresuid
#undef SYS_setresgid
#define SYS_setresuid SYS_setresuid32
#define SYS_setresgid SYS_setresgid32
#endif

enum { NOBODY = 64999 };

static int listener;
static const char *way;

static bool is_way(const char *name)
{
    return way && strcmp(way, name) == 0;
}

static void park(int count)
{
    for (int i = 0; i < count; i++)
        must(close(linger_at_risk(listener, 50000)), "close");
}

/* They linger until their peers have read all. */
static void park_to_the_end(int count)
{
    park(count);
    linger_asks(ASK_READ, EVERY);
    linger_asks(ASK_WAIT, 0);
}

static void late_data_arrives(void)
{
    linger_asks(ASK_LATE, EVERY);
    linger_asks(ASK_WAIT, 0);
}

/* ---- What threads there are -------------------------------------------------------------------- */

/* What the kernel says of a thread's rights. */
static void rights_of(const char *tid, char rights[2000])
{
    static const char *const fields[] = {
        "Uid:", "Gid:", "Groups:", "CapPrm:", "CapEff:", "CapInh:"};
    char path[300];
    char line[300];
    FILE *status;

    *rights = 0;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", tid);
    status = fopen(path, "re");
    while (status && fgets(line, sizeof line, status))
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
            if (strncmp(line, fields[i], strlen(fields[i])) == 0)
                strncat(rights, line, 1999 - strlen(rights));
    if (status)
        fclose(status);
}

/* Each of this process; returns how many have other rights than the calling one, or, for a name, are called so. */
static int threads(const char *called, char last[16])
{
    char own[2000], other[2000], name[300], word[32], number[16];
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *entry;
    int count = 0;

    if (!tasks)
        unable("list its threads");
    snprintf(number, sizeof number, "%d", gettid());
    rights_of(number, own);
    while ((entry = readdir(tasks))) {
        if (entry->d_name[0] == '.')
            continue;
        rights_of(entry->d_name, other);
        snprintf(name, sizeof name, "/proc/self/task/%s/comm", entry->d_name);
        FILE *comm = fopen(name, "re");
        if (!comm)
            continue;
        if (called ? fgets(word, sizeof word, comm) && strncmp(word, called, strlen(called)) == 0
                   : *other && strcmp(own, other) != 0) {
            count++;
            if (last)
                snprintf(last, 16, "%.15s", entry->d_name);
        }
        fclose(comm);
    }
    closedir(tasks);
    return count;
}

static void say_rights(void)
{
    owner_say("threads of other rights: %d\n", threads(NULL, NULL));
}

/* For the test alone: bare there is none. */
static void tell_lot(const char *when)
{
    char tid[16] = "";
    int count = threads("safeclose-lot", tid);

    fprintf(stderr, "%s: %d lots, %s\n", when, count, tid);
}

/* ---- RLIMIT_NPROC ------------------------------------------------------------------------------ */

static void forbid_processes(rlim_t soft)
{
    struct rlimit limit;
    struct rlimit64 limit64;

    getrlimit(RLIMIT_NPROC, &limit);
    limit.rlim_cur = soft;
    limit64 = (struct rlimit64){soft, limit.rlim_max};
    if (is_way("setrlimit64"))
        must(setrlimit64(RLIMIT_NPROC, &limit64), "setrlimit64");
    else if (is_way("prlimit"))
        must(prlimit(0, RLIMIT_NPROC, &limit, NULL), "prlimit");
    else if (is_way("prlimit64"))
        must(prlimit64(getpid(), RLIMIT_NPROC, &limit64, NULL), "prlimit64");
    else if (is_way("SYS_setrlimit"))
        must(syscall(SYS_setrlimit, RLIMIT_NPROC, &limit), "SYS_setrlimit");
    else if (is_way("SYS_prlimit64"))
        must(syscall(SYS_prlimit64, 0, RLIMIT_NPROC, &limit64, NULL), "SYS_prlimit64");
    else
        must(setrlimit(RLIMIT_NPROC, &limit), "setrlimit");
}

SCENE(limited, "limited")
{
    listener = owner_listens();
    forbid_processes(0);
    park(5);
    late_data_arrives();
}

/* Its listening socket was there when it was started, on a number of its own. */
SCENE(limited_service, "limited-service")
{
    const char *number = getenv("LISTENER");

    if (!number) {
        must(dup2(owner_listens(), 30), "give the listening socket a number");
        setenv("LISTENER", "30", 1);
        execl("/proc/self/exe", "service", "limited-service", NULL);
        unable("become the service");
    }
    listener = atoi(number);
    forbid_processes(0);
    park(5);
    late_data_arrives();
}

static pthread_barrier_t all_at_once;

static void *forbids(void *unused)
{
    pthread_barrier_wait(&all_at_once);
    forbid_processes(0);
    pthread_barrier_wait(&all_at_once);
    return sleep_for_ever(unused);
}

/* As haproxy: each thread does. */
SCENE(limited_threads, "limited-threads")
{
    listener = owner_listens();
    pthread_barrier_init(&all_at_once, NULL, 5);
    for (int i = 0; i < 4; i++)
        start_thread(forbids, NULL);
    pthread_barrier_wait(&all_at_once);
    pthread_barrier_wait(&all_at_once);
    park_to_the_end(5);
}

/* The control file said another mode when the limit was set. */
SCENE(limited_by_control, "limited-by-control")
{
    FILE *control;

    listener = owner_listens();
    forbid_processes(0);
    control = fopen(getenv("SAFECLOSE_CONTROL"), "we");
    if (!control || fputs("linger", control) < 0 || fclose(control))
        unable("write the control file");
    usleep(1200000); /* it is looked at once a second */
    must(close(linger_takes(listener)), "close");
    park(5);
    late_data_arrives();
}

/* What is wrong with these the kernel says, and nothing else happens. */
SCENE(wrong_limits, "wrong-limits")
{
    struct rlimit above = {2, 1};
    struct rlimit limit;

    listener = owner_listens();
    owner_say("%d", syscall(SYS_prlimit64, 0, RLIMIT_NPROC, 8, NULL) < 0 ? errno : 0);
    owner_say(" %d", setrlimit(RLIMIT_NPROC, &above) < 0 ? errno : 0);
    owner_say(" %d", prlimit(1, RLIMIT_NPROC, &above, NULL) < 0 ? errno : 0);
    owner_say(" %d", setrlimit((__rlimit_resource_t)99, &above) < 0 ? errno : 0);
    owner_say(" %d\n", prlimit(0, RLIMIT_NPROC, NULL, &limit) < 0 ? errno : 0);
    park(5);
    late_data_arrives();
}

/* No TCP socket: no thread. */
SCENE(without_tcp, "without-tcp")
{
    forbid_processes(0);
    owner_say("threads: %d\n", threads("", NULL));
}

static void drop_all(void)
{
    const gid_t groups[] = {NOBODY, NOBODY - 1};

    if (is_way("initgroups"))
        must(initgroups("nobody", NOBODY), "initgroups");
    else
        must(setgroups(2, groups), "setgroups");
    say_rights();
    must(setgid(NOBODY), "setgid");
    say_rights();
    must(setuid(NOBODY), "setuid");
    say_rights();
}

static void keep_a_right(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    const uint32_t kept = 1 << CAP_NET_BIND_SERVICE;
    const struct __user_cap_data_struct caps[2] = {{.permitted = kept, .effective = kept}};
    int capset(void *, const void *);

    must(capset(&header, caps), "capset");
    say_rights();
}

/* Root may make threads in spite of the limit, for as long as it is root. */
SCENE(limited_then_drops, "limited-then-drops")
{
    if (is_way("before listen"))
        forbid_processes(0);
    listener = owner_listens();
    forbid_processes(0);
    if (is_way("while lingering")) {
        park(1);
        linger_asks(ASK_READ, EVERY);
        linger_asks(ASK_WAIT, 0);
        park(1);
        linger_asks(ASK_READ, EVERY);
    }
    if (is_way("capset"))
        keep_a_right();
    else
        drop_all();
    park(5);
    say_rights();
    late_data_arrives();
}

/* The first finds no lot; the others do. */
SCENE(limited_for_a_while, "limited-for-a-while")
{
    struct rlimit before;

    getrlimit(RLIMIT_NPROC, &before);
    forbid_processes(0);
    listener = owner_listens();
    park_to_the_end(3);
    forbid_processes(before.rlim_max);
    park(5);
    late_data_arrives();
}

/* ---- Changes that can be taken back -------------------------------------------------------------- */

static void become(uid_t id)
{
    const gid_t groups[] = {id, id + 1, id + 2};

    if (id)
        must(setgroups(3, groups), "setgroups");
    if (is_way("by number")) {
        if (id)
            must(syscall(SYS_setresgid, -1, id, -1), "SYS_setresgid");
        must(syscall(SYS_setresuid, -1, id, -1), "SYS_setresuid");
        if (!id)
            must(syscall(SYS_setresgid, -1, id, -1), "SYS_setresgid");
    } else {
        if (id)
            must(setegid(id), "setegid");
        must(seteuid(id), "seteuid");
        if (!id)
            must(setegid(id), "setegid");
    }
    if (!id)
        must(setgroups(0, NULL), "setgroups");
}

/* As vsftpd and samba do for each request. */
SCENE(per_request, "per-request")
{
    int others = 0;

    listener = owner_listens();
    if (is_way("threads"))
        start_thread(sleep_for_ever, NULL);
    park(5);
    tell_lot("before");
    for (int i = 0; i < 50; i++) {
        become(NOBODY - (uid_t)i % 3);
        others += threads(NULL, NULL);
        if (i % 10 == 0)
            park(1);
        become(0);
        others += threads(NULL, NULL);
    }
    owner_say("threads of other rights: %d\n", others);
    tell_lot("after");
    late_data_arrives();
}

/* By the signal that nudges lots, where libc is musl. */
SCENE(cancels, "cancels")
{
    listener = owner_listens();
    park(3);
    for (int i = 0; i < 3; i++) {
        pthread_t thread = start_thread(sleep_for_ever, NULL);
        void *result = NULL;

        become(NOBODY);
        become(0);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        owner_say("cancelled %d\n", result == PTHREAD_CANCELED);
    }
    tell_lot("after");
    late_data_arrives();
}

/* The lot is there, and ends. Returns the id of its thread, which a thread of the program has now, or may have. */
static int replaces_lot(void)
{
    char tid[16] = "0";
    FILE *file;

    park_to_the_end(1);
    threads("safeclose-lot", tid);
    do { /* until nothing lingers */
        usleep(1000);
        must(seteuid(0), "seteuid");
    } while (threads("safeclose-lot", NULL));
    if ((file = fopen("/proc/sys/kernel/ns_last_pid", "w"))) {
        fprintf(file, "%d", atoi(tid) - 1);
        fclose(file);
    }
    start_thread(sleep_for_ever, NULL);
    return atoi(tid);
}

/* A change of rights does not wait for the thread that has the id of one that has ended. */
SCENE(its_id_again, "its-id-again")
{
    struct timespec before, after;
    bool again = false;

    listener = owner_listens();
    for (int i = 0; i < 20 && !again; i++) /* another process may be faster */
        again = syscall(SYS_tgkill, getpid(), replaces_lot(), 0) == 0;
    clock_gettime(CLOCK_MONOTONIC, &before);
    must(seteuid(0), "seteuid");
    clock_gettime(CLOCK_MONOTONIC, &after);
    owner_say("again %d, waits %d\n", again, after.tv_sec - before.tv_sec > 1);
}

/* They fail, of the lot's thread too. */
SCENE(refused, "refused")
{
    listener = owner_listens();
    park(5);
    owner_say("%d %d %d\n", seteuid(0), setegid(0), setgroups(1, (const gid_t *)8));
    say_rights();
    late_data_arrives();
}

/* More groups than are compared: the lot ends, and another is started. */
SCENE(many_groups, "many-groups")
{
    gid_t groups[100];

    for (int i = 0; i < 100; i++)
        groups[i] = NOBODY + (gid_t)i;
    listener = owner_listens();
    park(5);
    linger_asks(ASK_READ, EVERY);
    must(setgroups(100, groups), "setgroups");
    say_rights();
    park(5);
    late_data_arrives();
}

/* One id that is left as saved, though the call says 0 both to the lot's thread and to ours. */
SCENE(same_answer, "same-answer")
{
    listener = owner_listens();
    must(setresuid(NOBODY, NOBODY - 1, 0), "setresuid");
    park(3);
    must(syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY), "SYS_setresuid");
    say_rights();
    linger_asks(ASK_READ, EVERY);
    linger_asks(ASK_WAIT, 0);
}

/* The lot's thread begins with a mark by which capabilities outlive a change of ids; ours has lost it by then. */
SCENE(other_bits, "other-bits")
{
    listener = owner_listens();
    must(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "PR_SET_SECUREBITS");
    park(3);
    linger_asks(ASK_READ, EVERY);
    must(prctl(PR_SET_SECUREBITS, 0, 0, 0, 0), "PR_SET_SECUREBITS");
    must(seteuid(NOBODY), "seteuid");
    say_rights();
    linger_asks(ASK_WAIT, 0);
}

/* By a thread for itself: what is left of the lot has nobody else's rights. */
static void *changes_its_own(void *gate)
{
    must(syscall(SYS_setresuid, -1, NOBODY, -1), "SYS_setresuid");
    owner_say("of other rights: %d\n",
              threads(NULL, NULL)); /* the first, and the one that sleep_for_ever */
    must(syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY), "SYS_setresuid");
    owner_opens(*(struct owner_gate *)gate);
    return sleep_for_ever(gate);
}

SCENE(one_thread_alone, "one-thread-alone")
{
    struct owner_gate gate = owner_gate();

    listener = owner_listens();
    start_thread(sleep_for_ever, NULL);
    park(3);
    linger_asks(ASK_READ, EVERY);
    start_thread(changes_its_own, &gate);
    owner_waits(gate);
    tell_lot("then");
    park_to_the_end(3);
}

static void change_in_handler(int signal)
{
    (void)signal;
    must(seteuid(geteuid() ? 0 : NOBODY), "seteuid");
}

SCENE(from_a_handler, "from-a-handler")
{
    struct itimerval often = {{0, 300}, {0, 300}};

    listener = owner_listens();
    park(5);
    signal(SIGALRM, change_in_handler);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 500; i++)
        must(setresuid((uid_t)-1, i % 2 ? 0 : NOBODY, (uid_t)-1), "setresuid");
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
    must(seteuid(NOBODY), "seteuid");
    say_rights();
    must(seteuid(0), "seteuid");
    say_rights();
    park_to_the_end(3);
}

static void *toggles(void *unused)
{
    for (int i = 0; i < 300; i++)
        must(seteuid(i % 2 ? 0 : NOBODY), "seteuid");
    return unused;
}

SCENE(from_threads, "from-threads")
{
    pthread_t others[3];

    listener = owner_listens();
    park(5);
    linger_asks(ASK_READ, EVERY);
    for (int i = 0; i < 3; i++)
        others[i] = start_thread(toggles, NULL);
    toggles(NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(others[i], NULL);
    must(seteuid(NOBODY), "seteuid");
    say_rights();
    must(seteuid(0), "seteuid");
    say_rights();
    park_to_the_end(3);
}

/* A child's rights are its own, in its parent's memory too. */
SCENE(in_a_child, "in-a-child")
{
    pid_t pid;

    listener = owner_listens();
    park(5);
    pid = is_way("vfork") ? vfork() : fork();
    must(pid, "fork");
    if (pid == 0) {
        must(syscall(SYS_setresuid, -1, NOBODY, -1), "SYS_setresuid");
        must(seteuid(0), "seteuid");
        must(setuid(NOBODY), "setuid");
        _exit(0);
    }
    owner_reaps(pid);
    say_rights();
    tell_lot("then");
    late_data_arrives();
}

/* ---- Labels -------------------------------------------------------------------------------------- */

/* As a program that is linked with libselinux or libapparmor (linger_labels_lib.c) finds it. */
SCENE(relabels, "relabels")
{
    void *library = dlopen(getenv("LABELS"), RTLD_NOW | RTLD_GLOBAL);
    int (*call)(const char *, unsigned long) =
        library ? (int (*)(const char *, unsigned long))dlsym(RTLD_DEFAULT, way) : NULL;

    if (!call)
        unable("find the library of labels");
    listener = owner_listens();
    park(5);
    linger_asks(ASK_READ, EVERY);
    owner_say("%s, token 7, of %d thread\n", way, call("label", 7));
    park(5);
    late_data_arrives();
}

SCENE(no_labels, "no-labels")
{
    int (*call)(const char *) = (int (*)(const char *))dlsym(RTLD_DEFAULT, "setcon");

    listener = owner_listens();
    owner_say("%s\n", !call || (call("label") < 0 && errno == ENOSYS) ? "none" : "one");
    park(5);
    late_data_arrives();
}

/* ---- The way to the lot -------------------------------------------------------------------------- */

/* All that a program doesn't know, but for the wire. */
SCENE(closes_the_rest, "closes-the-rest")
{
    listener = owner_listens();
    if (is_way("threads"))
        start_thread(sleep_for_ever, NULL);
    park(1);
    for (int i = 0; i < 2; i++) {
        close_range(100, OWNER_PEER - 1, 0);
        close_range(OWNER_PEER + 1, ~0U, 0);
        park(3);
    }
    late_data_arrives();
}

/* ---- Wishes -------------------------------------------------------------------------------------- */

static void wish(int fd)
{
    struct linger none = {1, 0};
    int never = -1;
    const char *what = getenv("WISH");

    if (strcmp(what ? what : "", "linger2") == 0)
        must(setsockopt(fd, IPPROTO_TCP, TCP_LINGER2, &never, sizeof never), "TCP_LINGER2");
    else
        must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none), "SO_LINGER");
}

/* The connection that is given up last, for which somebody wished before. */
static int wished(void)
{
    struct owner_gate gate = owner_gate();
    int fd, copy;
    pid_t pid;

    if (is_way("inherited"))
        wish(listener);
    fd = linger_takes(listener);
    if (is_way("inherited"))
        return fd;
    if (is_way("fork")) { /* the child's wish */
        pid = must(fork(), "fork");
        if (pid == 0) {
            wish(fd);
            _exit(0);
        }
        owner_reaps(pid);
        return fd;
    }
    if (is_way("forked")) { /* the parent's, and the child gives it up last */
        wish(fd);
        pid = must(fork(), "fork");
        if (pid) {
            close(fd);
            owner_opens(gate);
            owner_reaps(pid);
            _exit(0);
        }
        owner_waits(gate);
        return fd;
    }
    if (!is_way("dup, then"))
        wish(fd);
    copy = is_way("dup2")    ? dup2(fd, fd + 20)
           : is_way("dup3")  ? dup3(fd, fd + 20, O_CLOEXEC)
           : is_way("fcntl") ? fcntl(fd, F_DUPFD, 50)
                             : dup(fd);
    must(copy, "dup");
    if (is_way("dup, then"))
        wish(fd);
    close(fd);
    return copy;
}

/* A reset that was asked for stays one. */
SCENE(wishes, "wishes")
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    int fd;

    listener = owner_listens();
    fd = wished();
    linger_asks(ASK_EXPECT, 0);
    if (getenv("WISH")) {
        unsigned char bytes[OWNER_BYTES];

        must(recv(fd, bytes, sizeof bytes, MSG_WAITALL), "read");
        must(shutdown(fd, SHUT_WR), "shut down");
        do {
            usleep(1000);
            getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
        } while (info.tcpi_state != TCP_FIN_WAIT2);
    }
    close(fd);
    linger_asks(ASK_READ, EVERY);
    linger_asks(ASK_WAIT, 0);
}

int main(int argc, char **argv)
{
    way = getenv("WAY");
    return owner_plays(argc == 2 ? argv[1] : NULL);
}
