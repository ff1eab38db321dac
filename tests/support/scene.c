/*
 * scene [OPTION...] STEP...: performs a scene and prints what was seen in it.
 *
 *     LIBSAFECLOSE=./libsafeclose.so SAFECLOSE_MODE=drain \
 *         build/tests/scene 'peer sends 1024' 'program closes' 'peer reads to the end'
 *
 * Every step is a sentence of one of the two actors, and is over before the next begins: data sent
 * has arrived, a state that was to be reached is reached. So nothing depends on how fast anybody
 * is.
 *
 * The program is this executable started anew, with $LIBSAFECLOSE in front of it, or with nothing
 * where that is not set; it does what the wire (SCENE_CONTROL) tells it. The peer is this process:
 * no library is in front of it, and it is the witness of all that is printed but what the program's
 * own calls returned. Both are alone in a network namespace, so the kernel's counters are exact.
 *
 * What is printed are lines of key=value. A key that begins with ~ differs from run to run.
 */
#define _GNU_SOURCE
#include "scene.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long one step of the program may take. */
enum { STEP_MS = 30000 };

/* Set by read_options. */
static struct net_options options;
static int given;    /* the program inherits its connection instead of making it */
static int alone;    /* no connection but by steps */
static int narrow;   /* the peer takes a few kilobytes at a time */
static int untraced; /* the kernel's reasons are not asked for, which takes time */
static int wide;     /* megabytes fit the receive queues */
static int mptcp;
static int program_connects;
static int no_stdio, no_proc;  /* how the program starts */
static long most_descriptors;  /* likewise; 0: as many as may be */
static const char *lib_before; /* preloaded before the library under test, and behind it */
static const char *lib_behind;

static char executable[PATH_MAX];

static pid_t program_pid;
static int wire; /* to the program; -1 once it has ended */
static struct net_resets begin;

/* ---- Starting the program ------------------------------------------------------------------------ */

static const char *family_name(void)
{
    static const char *const names[] = {"ipv4", "ipv6", "mapped"};

    return names[options.family];
}

/* "before:library:behind", without what there isn't; "" for none at all. */
static const char *preload(void)
{
    static char list[3 * PATH_MAX];
    const char *const libraries[] = {lib_before, getenv("LIBSAFECLOSE"), lib_behind};

    for (size_t i = 0; i < 3; i++)
        if (libraries[i] && *libraries[i])
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", *list ? ":" : "",
                     libraries[i]);
    return list;
}

static void hide_proc(void)
{
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/proc", "tmpfs", 0, NULL) != 0)
        scene_fail("hide /proc");
}

static void limit_descriptors(long most)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = most ? (rlim_t)most : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static _Noreturn void become_program(int its_wire, int its_connection)
{
    if (dup2(its_wire, SCENE_CONTROL) < 0 ||
        (its_connection >= 0 && dup2(its_connection, SCENE_GIVEN) < 0))
        scene_fail("hand descriptors over");
    if (no_proc)
        hide_proc();
    /* Nothing else of the peer's, such as what bats talks through, is the program's. */
    for (int fd = no_stdio ? 0 : 3; fd < SCENE_CONTROL; fd++)
        if (its_connection < 0 || fd != SCENE_GIVEN)
            close(fd);
    limit_descriptors(most_descriptors);
    setenv("SCENE_FAMILY", family_name(), 1);
    setenv("SCENE_PROTOCOL", mptcp ? "mptcp" : "tcp", 1);
    if (*preload())
        setenv("LD_PRELOAD", preload(), 1);
    execl(executable, "scene", "--program", NULL);
    _exit(127);
}

static void start_program(int connection)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        scene_fail("make a wire to the program");
    program_pid = fork();
    if (program_pid == 0)
        become_program(ends[1], connection);
    if (program_pid < 0)
        scene_fail("start the program");
    close(ends[1]);
    if (connection >= 0)
        close(connection);
    wire = ends[0];
    scene_say("~pid=%d", program_pid);
}

/* ---- Talking to it ------------------------------------------------------------------------------- */

static void print_said(void)
{
    fputs(scene_said(), stdout);
}

static int program_status(void)
{
    int status;

    waitpid(program_pid, &status, 0);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* One answer of the program's; false when it has gone. */
static bool hear(char *answer, size_t size)
{
    struct pollfd waiting = {.fd = wire, .events = POLLIN};

    if (poll(&waiting, 1, STEP_MS) <= 0) {
        kill(program_pid, SIGKILL);
        errno = ETIMEDOUT;
        scene_fail("hear the program");
    }
    ssize_t got = recv(wire, answer, size - 1, 0);
    answer[got > 0 ? got : 0] = '\0';
    return got > 0;
}

static const char *ask(const char *step)
{
    static char answer[65536];

    if (send(wire, step, strlen(step), MSG_NOSIGNAL) < 0 || !hear(answer, sizeof answer)) {
        fflush(stdout);
        fprintf(stderr, "scene: the program died at \"%s\", status %d\n", step, program_status());
        exit(70);
    }
    return answer;
}

/* Each learns the other's port: the program with its sentence, the peer from the answer. The wire
 * can't carry an empty answer: a dot stands for nothing to say. */
static void program_acts(const char *step)
{
    char with_port[128];

    if (strncmp(step, "connects", 8) == 0) {
        snprintf(with_port, sizeof with_port, "%s %d", step, peer_port);
        step = with_port;
    }
    const char *answer = ask(step);
    if (strcmp(answer, ".") != 0)
        fputs(answer, stdout);
    if (strncmp(answer, "~port=", 6) == 0)
        peer_port = atoi(answer + 6);
}

static bool answered;

/* In a system call that waits: what runs shows none. */
static bool sleeps_in_close(void)
{
    char path[64], text[32] = "";

    snprintf(path, sizeof path, "/proc/%d/syscall", program_pid);
    FILE *file = fopen(path, "re");
    if (!file || !fgets(text, sizeof text, file))
        text[0] = '\0';
    if (file)
        fclose(file);
    return *text && atol(text) == SYS_close && text[0] != 'r';
}

static bool close_has_begun(void *unused)
{
    struct pollfd waiting = {.fd = wire, .events = POLLIN};

    (void)unused;
    answered = poll(&waiting, 1, 0) > 0;
    return answered || sleeps_in_close();
}

/* Until it is over, or waits for something; then a later step hears its answer. */
static void program_begins_to_close(void)
{
    static const char step[] = "closes";

    errno = ETIMEDOUT;
    if (send(wire, step, strlen(step), MSG_NOSIGNAL) < 0 || !net_wait_until(close_has_begun, NULL))
        scene_fail("have the program close");
    scene_say("close_waits=%s", answered ? "no" : "yes");
}

static void program_answers(void)
{
    static char answer[65536];

    if (!hear(answer, sizeof answer))
        scene_fail("hear the program");
    fputs(answer, stdout);
}

/* ---- The scene ------------------------------------------------------------------------------------ */

static void say_clocks(const char *when)
{
    struct timespec monotonic, real;

    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    clock_gettime(CLOCK_REALTIME, &real);
    scene_say("~%s_mono=%lld", when, monotonic.tv_sec * 1000000000LL + monotonic.tv_nsec);
    scene_say("~%s_real=%lld", when, real.tv_sec * 1000000LL + real.tv_nsec / 1000);
}

/* How many of the resets the peer's side has answered with, having closed. */
static long answers_of_peer(long resets)
{
    if (given)
        return 0;
    return program_connects ? net_resets_answers(resets, peer_port, 0)
                            : net_resets_answers(resets, 0, peer_port);
}

static void say_resets(const char *when)
{
    struct net_resets r = net_resets_since(begin);
    long answers = answers_of_peer(r.sent);

    scene_say("%sresets=%ld", when, r.sent - answers);
    scene_say("~%sanswers=%ld", when, answers);
    scene_say("%son_close=%ld", when, r.on_close);
    scene_say("%son_data=%ld", when, r.on_data);
    scene_say("%son_linger=%ld", when, r.on_linger);
}

static void say_namespace(void)
{
    struct stat st;

    if (stat("/proc/thread-self/ns/net", &st) == 0)
        scene_say("~netns=%llu", (unsigned long long)st.st_ino);
}

/* The program leaves main, which may take until something else has happened. */
static void program_begins_to_end(void)
{
    static const char last[] = "ends";

    send(wire, last, strlen(last), MSG_NOSIGNAL);
}

/* It may have more to say on its way out. */
static void end_program(void)
{
    static char answer[65536];

    program_begins_to_end();
    while (hear(answer, sizeof answer))
        fputs(answer, stdout);
    wire = -1;
    scene_say("exit=%d", program_status());
}

static void acts(const char *step)
{
    if (strcmp(step, "program ends") == 0)
        end_program();
    else if (strcmp(step, "program begins to end") == 0)
        program_begins_to_end();
    else if (strcmp(step, "program begins to close") == 0)
        program_begins_to_close();
    else if (strcmp(step, "program answers") == 0)
        program_answers();
    else if (strncmp(step, "program ", 8) == 0)
        program_acts(step + 8);
    else
        scene_act(peer_verbs, step + (strncmp(step, "peer ", 5) == 0 ? 5 : 0));
    peer_notes_reasons();
    print_said();
    fflush(stdout);
}

/* What comes before the steps, in the same words. */
static void make_connection(void)
{
    acts(program_connects ? "peer listens" : "program listens");
    acts(program_connects ? "program connects" : "peer connects");
    acts(program_connects ? "peer accepts" : "program accepts");
}

static void perform(char *const *steps)
{
    const char *no_trace = untraced ? "not asked for" : net_trace_start();

    if (no_trace)
        scene_say("~trace=%s", no_trace);
    say_namespace();
    say_clocks("begin");
    net_resets_note();
    begin = net_resets_now();
    int connection = given ? peer_makes_pair() : -1;
    /* What the program finds when it starts. */
    while (given && *steps && strncmp(*steps, "peer ", 5) == 0)
        acts(*steps++);
    start_program(connection);
    print_said();
    if (!alone && !given)
        make_connection();
    for (; *steps; steps++)
        acts(*steps);
    say_resets("");
    peer_says_reasons();
    print_said();
    if (wire >= 0)
        end_program();
    say_resets("end_");
    say_clocks("end");
    print_said();
    net_trace_stop();
}

/* A receive queue that takes megabytes, from the first segment on. */
static void grow_windows(void)
{
    FILE *file = fopen("/proc/sys/net/ipv4/tcp_rmem", "we");

    if (!file || fputs("4096 8388608 16777216", file) < 0 || fclose(file) != 0)
        scene_fail("grow the receive buffers of this namespace");
}

static void read_family(const char *name)
{
    for (options.family = NET_IPV4; options.family <= NET_MAPPED; options.family++)
        if (strcmp(name, family_name()) == 0)
            return;
    errno = EINVAL;
    scene_fail("use family %s", name);
}

static char *const *read_options(int argc, char **argv)
{
    static const struct option table[] = {
        {"alone", no_argument, &alone, 1},
        {"inherited", no_argument, &given, 1},
        {"mptcp", no_argument, &mptcp, 1},
        {"narrow", no_argument, &narrow, 1},
        {"no-proc", no_argument, &no_proc, 1},
        {"no-stdio", no_argument, &no_stdio, 1},
        {"program-connects", no_argument, &program_connects, 1},
        {"untraced", no_argument, &untraced, 1},
        {"wide", no_argument, &wide, 1},
        {"behind", required_argument, NULL, 'b'}, /* a library to preload behind ours */
        {"before", required_argument, NULL, 'a'},
        {"descriptors", required_argument, NULL, 'd'},
        {"family", required_argument, NULL, 'f'}, /* ipv4, ipv6 or mapped */
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "+", table, NULL)) != -1) {
        if (option == '?')
            exit(2);
        else if (option == 'a')
            lib_before = optarg;
        else if (option == 'b')
            lib_behind = optarg;
        else if (option == 'd')
            most_descriptors = scene_number(optarg);
        else if (option == 'f')
            read_family(optarg);
    }
    options.we_connect = program_connects;
    options.peer_receive_buffer = narrow ? 4096 : 0;
    options.listener_protocol = options.connecting_protocol = mptcp ? IPPROTO_MPTCP : 0;
    return argv + optind;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--program") == 0)
        return program_main();
    if (argc == 3 && strcmp(argv[1], "--echo") == 0)
        return share_echo_main(argv[2]);
    char *const *steps = read_options(argc, argv);
    if (readlink("/proc/self/exe", executable, sizeof executable - 1) < 0)
        scene_fail("find this executable");
    if (net_enter_namespace() != 0)
        scene_fail("enter a network namespace");
    if (wide)
        grow_windows();
    limit_descriptors(0);
    peer_options = &options;
    perform(steps);
    return 0;
}
