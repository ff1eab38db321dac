/* A stage: a template with the library in front, and the ways to it and to its log. */
#define _GNU_SOURCE
#include "referee_stage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A template and its programs are one family, which may write 100 events a second, and a play has up to six; so
 * another template plays the next few. */
enum { PLAYS_MAX = 16, PATIENCE_MS = 60000 };

static const char *mode_value(enum run_mode mode)
{
    return mode == RUN_LINGER ? "linger" : mode == RUN_DRAIN ? "drain" : "log";
}

/* Only the library's own settings reach the program, and those of nobody else. */
static void set_environment(const struct stage *stage)
{
    static const char *const others[] = {"SAFECLOSE_PORTS", "SAFECLOSE_PROGRAMS",
                                         "SAFECLOSE_DISCARD_MAX"};

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        unsetenv(others[i]);
    if (stage->mode == RUN_BARE)
        return;
    setenv("LD_PRELOAD", getenv("LIBSAFECLOSE"), 1);
    setenv("SAFECLOSE_MODE", mode_value(stage->mode), 1);
    setenv("SAFECLOSE_EVENTS", stage->resets_only ? "resets" : "all", 1);
    setenv("SAFECLOSE_FORMAT", "json", 1);
    setenv("SAFECLOSE_LOG", stage->log_path, 1);
    /* A loaded machine is slow and not wrong. */
    setenv("SAFECLOSE_LINGER_IDLE", "10m", 1);
    setenv("SAFECLOSE_LINGER_TIME", "10m", 1);
    setenv("SAFECLOSE_EXIT_WAIT", "40s", 1);
}

/* Refuses what the outcome of a close is asked by. */
static int refuse_netlink(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* In a mount namespace of this process's own. */
static int hide_proc(void)
{
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return -1;
    return mount("none", "/proc", "tmpfs", 0, NULL);
}

static int enter_setting(enum setting setting)
{
    switch (setting) {
    case SETTING_NO_PROC:
        return hide_proc();
    case SETTING_NO_NETLINK:
        return refuse_netlink();
    default:
        return 0;
    }
}

_Noreturn static void become_template(const struct stage *stage, int control, int holder_control)
{
    int high = fcntl(control, F_DUPFD_CLOEXEC, 64);
    int higher = fcntl(holder_control, F_DUPFD_CLOEXEC, 64);
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    path[n > 0 ? n : 0] = '\0';

    dup2(high, CONTROL);
    dup2(higher, HOLDER_CONTROL);
    closefrom(HOLDER_CONTROL + 1);
    set_environment(stage);
    setenv("REFEREE_JAIL", stage->jail, 1);
    setenv("REFEREE_PATH", path, 1);
    if (enter_setting(stage->setting) == 0)
        execl(path, "referee", "--program", (char *)NULL);
    fprintf(stderr, "referee: unable to start itself: %s\n", strerror(errno));
    _exit(127);
}

static int start_template(struct stage *stage)
{
    int control[2], holder_control[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, holder_control) != 0)
        return -1;
    fflush(NULL);
    stage->pid = fork();
    if (stage->pid < 0)
        return -1;
    if (stage->pid == 0)
        become_template(stage, control[1], holder_control[1]);
    close(control[1]);
    close(holder_control[1]);
    stage->control = control[0];
    stage->holder_control = holder_control[0];
    stage->plays = 0;
    return 0;
}

static void stop_template(struct stage *stage)
{
    close(stage->control);
    close(stage->holder_control);
    waitpid(stage->pid, NULL, 0);
}

/* With the one file that a program of ours opens. */
static int make_jail(const struct stage *stage)
{
    char path[320];
    int file;

    snprintf(path, sizeof path, "%s/dev", stage->jail);
    if (mkdir(stage->jail, 0755) != 0 || mkdir(path, 0755) != 0)
        return -1;
    snprintf(path, sizeof path, "%s/dev/null", stage->jail);
    file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0)
        return -1;
    fchmod(file, 0666);
    return close(file);
}

static void remove_jail(const struct stage *stage)
{
    static const char *const parts[] = {"/dev/null", "/dev", ""};
    char path[320];

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        snprintf(path, sizeof path, "%s%s", stage->jail, parts[i]);
        remove(path);
    }
}

struct stage *stage_open(enum run_mode mode, bool resets_only, enum setting setting,
                         const struct place *place)
{
    struct stage *stage = calloc(1, sizeof *stage);
    const char *directory = getenv("TMPDIR");

    if (!stage)
        return NULL;
    stage->mode = mode;
    stage->resets_only = resets_only;
    stage->setting = setting;
    stage->place = *place;
    snprintf(stage->log_path, sizeof stage->log_path, "%s/referee.XXXXXX",
             directory ? directory : "/tmp");
    stage->log = mkostemp(stage->log_path, O_CLOEXEC);
    snprintf(stage->jail, sizeof stage->jail, "%s.jail", stage->log_path);
    if (stage->log < 0 || make_jail(stage) != 0 || start_template(stage) != 0) {
        fprintf(stderr, "referee: unable to start a program: %s\n", strerror(errno));
        free(stage);
        return NULL;
    }
    return stage;
}

void stage_close(struct stage *stage)
{
    stop_template(stage);
    close(stage->log);
    unlink(stage->log_path);
    remove_jail(stage);
    free(stage);
}

/* The log starts with an empty file each time: the library appends. */
int stage_begin(struct stage *stage, const struct scenario *scenario)
{
    if (++stage->plays > PLAYS_MAX || stage->stuck) {
        stop_template(stage);
        stage->stuck = false;
        if (start_template(stage) != 0)
            return -1;
    }
    if (ftruncate(stage->log, 0) != 0)
        return -1;
    return send(stage->control, scenario, sizeof *scenario, MSG_NOSIGNAL) == sizeof *scenario ? 0
                                                                                              : -1;
}

long stage_log_size(const struct stage *stage)
{
    struct stat st;

    return fstat(stage->log, &st) == 0 ? (long)st.st_size : 0;
}

long stage_log_read(const struct stage *stage, char *log, size_t size)
{
    ssize_t n = pread(stage->log, log, size - 1, 0);

    log[n > 0 ? n : 0] = '\0';
    return n > 0 ? n : 0;
}

bool stage_tell(int channel, const struct command *command)
{
    return send(channel, command, sizeof *command, MSG_NOSIGNAL) == sizeof *command;
}

bool stage_hear(struct stage *stage, int channel, struct reply *reply, const struct helper *helper)
{
    struct pollfd waiting = {.fd = channel, .events = POLLIN};
    int waited = 0, ready;

    while ((ready = poll(&waiting, 1, helper ? helper->ms : PATIENCE_MS)) == 0 && helper &&
           waited < PATIENCE_MS) {
        waited += helper->ms;
        if (!helper->help(helper->context))
            helper = NULL;
    }
    if (ready == 1 && recv(channel, reply, sizeof *reply, 0) == sizeof *reply)
        return true;
    stage->stuck = true;
    if (stage->pid > 0)
        kill(stage->pid, SIGKILL);
    return false;
}
