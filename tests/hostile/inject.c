#define _GNU_SOURCE
#include "net.h"

#include "inject.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ground/sys.h"

static struct plan plan = {.timeout = 4};
static struct run runs[MOST_SCENES];
static int run_count;

_Noreturn static void fail(const char *what)
{
    fprintf(stderr, "inject: unable to %s: %s\n", what, strerror(errno));
    exit(2);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- Starting a scene ------------------------------------------------------------------------ */

static void connect_ends(int ends[2])
{
    struct sockaddr_in address = net_loopback(0);
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listen(listener, 1) < 0 || getsockname(listener, (struct sockaddr *)&address, &len) < 0 ||
        connect(ends[0], (struct sockaddr *)&address, len) < 0 ||
        (ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
        fail("make a connection");
    close(listener);
}

/* The two ends of its stderr: ours, its own. */
static void open_stderr(enum stderr_kind kind, int ends[2])
{
    switch (kind) {
    case STDERR_PIPE:
        if (pipe2(ends, O_CLOEXEC) < 0)
            fail("make a pipe");
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        break;
    case STDERR_BROKEN:
        if (pipe2(ends, O_CLOEXEC) < 0)
            fail("make a pipe");
        close(ends[0]);
        ends[0] = -1;
        break;
    case STDERR_SOCKET:
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
            fail("make a socket pair");
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        break;
    case STDERR_CONNECTION:
        connect_ends(ends);
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        break;
    case STDERR_FILE:
        ends[0] = -1;
        ends[1] = open("stderr", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        break;
    case STDERR_TERMINAL:
        if (openpty(&ends[0], &ends[1], NULL, NULL, NULL) < 0)
            fail("open a terminal");
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        break;
    }
}

static char **environment(const struct scene *scene)
{
    static char bytes[MOST_SCENES][2][4096];
    static char *all[MOST_SCENES][SCENE_SETTINGS + 4];
    int at = run_count;
    int n = 0;

    if (plan.library) {
        snprintf(bytes[at][0], sizeof(bytes[at][0]), "LD_PRELOAD=%s", plan.library);
        snprintf(bytes[at][1], sizeof(bytes[at][1]), "SAFECLOSE_MODE=%s", plan.mode);
        all[at][n++] = bytes[at][0];
        all[at][n++] = bytes[at][1];
        for (int i = 0; i < SCENE_SETTINGS && scene->settings[i]; i++)
            all[at][n++] = (char *)scene->settings[i];
    }
    all[at][n++] = "PATH=/usr/bin:/bin";
    all[at][n] = NULL;
    return all[at];
}

/* The numbers 0 to 2, CONTROL and TRANSCRIPT, and nothing else. */
static void arrange(int control, int transcript, int err)
{
    int null = open("/dev/null", O_RDWR);

    if (dup2(control, 250) < 0 || dup2(transcript, 251) < 0 || dup2(err, 252) < 0 ||
        dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(252, 2) < 0 || dup2(250, CONTROL) < 0 ||
        dup2(251, TRANSCRIPT) < 0)
        fail("arrange descriptors");
    close_range(3, CONTROL - 1, 0);
    close_range(TRANSCRIPT + 1, ~0U, 0);
}

_Noreturn static void become_program(const struct scene *scene, char **env,
                                     struct handover *handover)
{
    struct rlimit numbers = {1024, 1024};
    char *argv[] = {(char *)plan.program, (char *)scene->script, NULL};

    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    personality(ADDR_NO_RANDOMIZE);
    setrlimit(RLIMIT_NOFILE, &numbers);
    if (handover)
        filter_install(&plan, scene, handover);
    sys3(SYS_execve, SYS_ARG(plan.program), SYS_ARG(argv), SYS_ARG(env));
    sys1(SYS_exit_group, 126);
    for (;;)
        ;
}

static pid_t start_peer(const int control[2], int transcript)
{
    pid_t pid = fork();

    if (pid < 0)
        fail("fork a peer");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(control[0]);
        peer_run(control[1], transcript);
    }
    return pid;
}

static bool filters(void)
{
    return plan.library && (plan.record || plan.site);
}

static void start(const struct scene *scene)
{
    struct run *run = &runs[run_count];
    struct handover *handover =
        mmap(NULL, sizeof(*handover), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char **env = environment(scene);
    int control[2];
    int err[2];

    if (handover == MAP_FAILED ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0)
        fail("prepare a scene");
    *run = (struct run){.scene = scene, .listener = -1};
    run->transcript = memfd_create("transcript", MFD_CLOEXEC);
    open_stderr(scene->stderr_kind, err);
    run->err = err[0];
    run->peer = start_peer(control, run->transcript);
    run->pid = fork();
    if (run->pid < 0)
        fail("fork a scene");
    if (run->pid == 0) {
        arrange(control[0], run->transcript, err[1]);
        become_program(scene, env, filters() ? handover : NULL);
    }
    close(control[0]);
    close(control[1]);
    close(err[1]);
    run->pidfd = (int)syscall(SYS_pidfd_open, run->pid, 0);
    run->peerfd = (int)syscall(SYS_pidfd_open, run->peer, 0);
    if (filters() && (run->listener = filter_take(run->pid, run->pidfd, handover)) < 0)
        exit(2);
    munmap(handover, sizeof(*handover));
    run_count++;
}

/* ---- While they play ------------------------------------------------------------------------- */

/* What the library writes is not looked at here: only that there is room for it. */
static void pour_out(struct run *run, bool shown)
{
    char bytes[8192];
    ssize_t n;

    while ((n = read(run->err, bytes, sizeof(bytes))) > 0) {
        run->err_bytes += n;
        if (shown && write(STDERR_FILENO, bytes, (size_t)n) < 0)
            return;
    }
}

/* A program that hangs takes its children with it, and so does one that has ended: then the last
 * end of the peer's control is closed. */
static void end_scene(struct run *run)
{
    kill(-run->pid, SIGKILL);
    kill(run->pid, SIGKILL);
    waitpid(run->pid, &run->status, 0);
    run->ended = true;
}

static void end_peer(struct run *run)
{
    kill(run->peer, SIGKILL);
    waitpid(run->peer, NULL, 0);
    if (run->listener >= 0)
        close(run->listener);
    if (run->err >= 0) {
        pour_out(run, getenv("INJECT_STDERR"));
        close(run->err);
    }
    close(run->pidfd);
    close(run->peerfd);
    run->over = true;
}

static void attend_one(struct run *run, const struct pollfd *p)
{
    if (p[0].revents & POLLIN && !filter_answer(&plan, run))
        return;
    if (p[1].revents & POLLIN)
        pour_out(run, getenv("INJECT_STDERR"));
    if (p[2].revents & POLLIN && run->ended)
        end_peer(run);
    else if (p[2].revents & POLLIN)
        end_scene(run);
}

static bool attend(int ms)
{
    struct pollfd p[3 * MOST_SCENES];
    bool left = false;

    for (int i = 0; i < run_count; i++) {
        struct run *run = &runs[i];

        left = left || !run->over;
        p[3 * i] = (struct pollfd){run->over ? -1 : run->listener, POLLIN, 0};
        p[3 * i + 1] = (struct pollfd){run->over ? -1 : run->err, POLLIN, 0};
        p[3 * i + 2] = (struct pollfd){run->over    ? -1
                                       : run->ended ? run->peerfd
                                                    : run->pidfd,
                                       POLLIN, 0};
    }
    if (!left)
        return false;
    poll(p, (nfds_t)(3 * run_count), ms);
    for (int i = 0; i < run_count; i++)
        if (!runs[i].over)
            attend_one(&runs[i], p + (ptrdiff_t)3 * i);
    return true;
}

static void play(void)
{
    double end = now() + plan.timeout;

    while (attend(100) && now() < end)
        continue;
    for (int i = 0; i < run_count; i++)
        if (!runs[i].over) {
            runs[i].hung = !runs[i].ended;
            end_scene(&runs[i]);
            end_peer(&runs[i]);
        }
}

/* ---- What came of it ------------------------------------------------------------------------- */

static void tell_transcript(const struct run *run)
{
    char bytes[4096];
    ssize_t n;

    printf("== %s\n", run->scene->name);
    fflush(stdout);
    lseek(run->transcript, 0, SEEK_SET);
    while ((n = read(run->transcript, bytes, sizeof(bytes))) > 0)
        fwrite(bytes, 1, (size_t)n, stdout);
    if (run->scene->stderr_kind == STDERR_CONNECTION)
        printf("client: %ld bytes\n", run->err_bytes);
    if (run->hung)
        printf("does not end\n");
    else if (WIFSIGNALED(run->status))
        printf("killed by signal %d\n", WTERMSIG(run->status));
    else
        printf("exit status %d\n", WEXITSTATUS(run->status));
}

static void tell(const struct run *run)
{
    tell_transcript(run);
    for (int i = 0; i < run->sites; i++) {
        const struct site_count *c = &run->counts[i];
        bool passed_some = plan.times && c->count > plan.times;

        printf("-- %" PRIx64 " %d %ld\n", c->offset, c->nr, passed_some ? plan.times : c->count);
    }
}

static const struct scene *find(const char *name)
{
    for (int i = 0; i < scene_count; i++)
        if (strcmp(scenes[i].name, name) == 0)
            return &scenes[i];
    errno = ENOENT;
    fail("find that scene");
}

static void list_scenes(void)
{
    for (int i = 0; i < scene_count; i++)
        puts(scenes[i].name);
}

/* A mode that holds whether the file can be read or not. */
static void make_control(void)
{
    int control = open("control", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (control < 0 || (plan.mode && write(control, plan.mode, strlen(plan.mode)) < 0))
        fail("make a control file");
    close(control);
}

/* What the library's log is in some scenes: a link, one by which the kernel leads here, a file with
 * two names, a pipe that nobody reads. */
static void make_files(void)
{
    int twice = open("twice", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    close(twice);
    if (symlink("linked", "link") < 0 || symlink("/proc/self/cwd/linked", "absolute") < 0 ||
        twice < 0 || link("twice", "twice.2") < 0 || mkfifo("fifo", 0600) < 0)
        if (errno != EEXIST)
            fail("make files");
}

static const char *const help =
    "usage: inject [OPTION...] PROGRAM SCENE...\n"
    "Plays the scenes at the same time, and prints what each could see.\n"
    "  --library FILE --mode MODE   in front of the program; none: bare\n"
    "  --base HEX --size HEX        where the library will be\n"
    "  --record                     counts every call that it makes\n"
    "  --known HEX                  but this one, which may be given often\n"
    "  --site HEX --error N         makes the calls from there fail, with this errno\n"
    "  --times N                    no more than so many\n"
    "  --also HEX --also-error N    and another, which leads there\n"
    "  --hidden HEX                 the call that would see the filter\n"
    "  --timeout SECONDS            after which a scene hangs (4)\n"
    "  --scenes                     lists them\n"
    "Runs in the current directory, which should be an empty one; the scene syslog needs a\n"
    "listener at /dev/log.\n";

static const struct option options[] = {
    {"library", required_argument, NULL, 'l'},
    {"mode", required_argument, NULL, 'm'},
    {"base", required_argument, NULL, 'b'},
    {"size", required_argument, NULL, 'z'},
    {"record", no_argument, NULL, 'r'},
    {"known", required_argument, NULL, 'k'},
    {"site", required_argument, NULL, 's'},
    {"error", required_argument, NULL, 'e'},
    {"times", required_argument, NULL, 't'},
    {"also", required_argument, NULL, 'a'},
    {"also-error", required_argument, NULL, 'A'},
    {"hidden", required_argument, NULL, 'h'},
    {"timeout", required_argument, NULL, 'w'},
    {"scenes", no_argument, NULL, 'L'},
    {"help", no_argument, NULL, 'H'},
    {NULL, 0, NULL, 0},
};

static void set(int option, const char *value)
{
    switch (option) {
    case 'l':
        plan.library = value;
        break;
    case 'm':
        plan.mode = value;
        break;
    case 'b':
        plan.base = strtoull(value, NULL, 16);
        break;
    case 'z':
        plan.size = strtoull(value, NULL, 16);
        break;
    case 'r':
        plan.record = true;
        break;
    case 'k':
        if (plan.known_count < MOST_SITES)
            plan.known[plan.known_count++] = strtoull(value, NULL, 16);
        break;
    case 's':
        plan.site = strtoull(value, NULL, 16);
        break;
    case 'e':
        plan.error = atoi(value);
        break;
    case 't':
        plan.times = atol(value);
        break;
    case 'a':
        plan.also = strtoull(value, NULL, 16);
        break;
    case 'A':
        plan.also_error = atoi(value);
        break;
    case 'h':
        plan.hidden = strtoull(value, NULL, 16);
        break;
    case 'w':
        plan.timeout = atof(value);
        break;
    case 'L':
        list_scenes();
        exit(0);
    default:
        fputs(help, stdout);
        exit(option == 'H' ? 0 : 2);
    }
}

int main(int argc, char **argv)
{
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        set(option, optarg);
    if (argc - optind < 2 || argc - optind > MOST_SCENES)
        set('?', NULL);
    plan.program = argv[optind++];
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    make_files();
    make_control();
    for (int i = optind; i < argc; i++)
        start(find(argv[i]));
    play();
    for (int i = 0; i < run_count; i++)
        tell(&runs[i]);
    return 0;
}
