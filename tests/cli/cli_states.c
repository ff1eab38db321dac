/*
 * cli_states STEP...: brings itself into a state that `safeclose check` has something to say of, prints
 * "ready", and waits for a line. A step that the kernel refuses ends it.
 *
 *     threads:N          starts so many threads, which wait
 *     close              closes a connection with a byte unread
 *     connect            opens a connection to itself: the library may start its thread
 *     fork               goes on in a fork child, while the parent waits; prints its number first
 *     uid:N              becomes this user
 *     nproc:N[:HARD]     sets RLIMIT_NPROC
 *     undumpable         by prctl(2)
 *     chroot:DIRECTORY   changes its root
 *     filter             installs a seccomp filter that allows everything
 *     strict             enters seccomp's strict mode, after "ready"; then it must be killed
 *     ring               sets an io_uring up
 *     leave              a thread takes a descriptor table of its own
 *     end                ends its main thread, after "ready", while others run; then it must be killed
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_barrier_t left;
static bool strict, end;

static void must(bool done, const char *what)
{
    if (done)
        return;
    fprintf(stderr, "cli_states: unable to %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *wait_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void *leave(void *unused)
{
    must(unshare(CLONE_FILES) == 0, "unshare");
    pthread_barrier_wait(&left);
    return wait_for_ever(unused);
}

static void start(void *(*body)(void *), unsigned count)
{
    pthread_attr_t small;
    pthread_t thread;

    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, PTHREAD_STACK_MIN + 65536);
    while (count--) {
        errno = pthread_create(&thread, &small, body, NULL);
        must(errno == 0, "start a thread");
    }
}

/* Returns the number that accept gave. */
static int connect_to_self(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    int server = -1;

    must(bind(listener, (struct sockaddr *)&address, len) == 0 && listen(listener, 1) == 0 &&
             getsockname(listener, (struct sockaddr *)&address, &len) == 0 &&
             connect(client, (struct sockaddr *)&address, len) == 0 &&
             (server = accept(listener, NULL, NULL)) >= 0 && write(client, "x", 1) == 1,
         "connect");
    return server;
}

static void go_on_in_child(void)
{
    pid_t child = fork();

    must(child >= 0, "fork");
    if (child != 0) {
        waitpid(child, NULL, 0);
        exit(0);
    }
    printf("%d\n", (int)getpid());
    fflush(stdout);
}

static void limit_tasks(const char *words)
{
    struct rlimit limit;
    char *hard;

    must(getrlimit(RLIMIT_NPROC, &limit) == 0, "know RLIMIT_NPROC");
    limit.rlim_cur = strtoul(words, &hard, 10);
    if (*hard)
        limit.rlim_max = strtoul(hard + 1, NULL, 10);
    must(setrlimit(RLIMIT_NPROC, &limit) == 0, "set RLIMIT_NPROC");
}

static void install_filter(void)
{
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {1, &allow};

    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
             prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0,
         "install a filter");
}

static void step(const char *word)
{
    const char *argument = strchr(word, ':');
    size_t len = argument ? (size_t)(argument++ - word) : strlen(word);
    unsigned long number = argument ? strtoul(argument, NULL, 10) : 0;
    struct io_uring_params params = {0};

#define IS(name) (len == strlen(name) && memcmp(word, name, len) == 0)
    if (IS("threads")) {
        start(wait_for_ever, (unsigned)number);
    } else if (IS("connect")) {
        connect_to_self();
    } else if (IS("close")) {
        must(close(connect_to_self()) == 0, "close");
    } else if (IS("fork")) {
        go_on_in_child();
    } else if (IS("uid")) {
        must(setresuid((uid_t)number, (uid_t)number, (uid_t)number) == 0, "change the user");
    } else if (IS("nproc")) {
        limit_tasks(argument ? argument : "0");
    } else if (IS("undumpable")) {
        must(prctl(PR_SET_DUMPABLE, 0) == 0, "be undumpable");
    } else if (IS("chroot")) {
        must(chroot(argument) == 0 && chdir("/") == 0, "change the root");
    } else if (IS("filter")) {
        install_filter();
    } else if (IS("ring")) {
        must(syscall(SYS_io_uring_setup, 4, &params) >= 0, "set a ring up");
    } else if (IS("leave")) {
        pthread_barrier_init(&left, NULL, 2);
        start(leave, 1);
        pthread_barrier_wait(&left);
    } else if (IS("strict")) {
        strict = true;
    } else if (IS("end")) {
        end = true;
    } else {
        errno = EINVAL;
        must(false, word);
    }
#undef IS
}

int main(int argc, char **argv)
{
    char byte;

    for (int i = 1; i < argc; i++)
        step(argv[i]);
    puts("ready");
    fflush(stdout);
    if (end)
        pthread_exit(NULL);
    if (strict)
        must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0, "be strict");
    if (read(0, &byte, 1) < 0)
        return 1;
    return 0;
}
