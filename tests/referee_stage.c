/* A stage: a template with the library in front, and the ways to it and to its log. */
#define _GNU_SOURCE
#include "referee_stage.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

_Noreturn static void become_template(const struct stage *stage, int control, int holder_control)
{
    int high = fcntl(control, F_DUPFD_CLOEXEC, 64);
    int higher = fcntl(holder_control, F_DUPFD_CLOEXEC, 64);

    dup2(high, CONTROL);
    dup2(higher, HOLDER_CONTROL);
    closefrom(HOLDER_CONTROL + 1);
    set_environment(stage);
    execl("/proc/self/exe", "referee", "--program", (char *)NULL);
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

struct stage *stage_open(enum run_mode mode, bool resets_only, const struct place *place)
{
    struct stage *stage = calloc(1, sizeof *stage);
    const char *directory = getenv("TMPDIR");

    if (!stage)
        return NULL;
    stage->mode = mode;
    stage->resets_only = resets_only;
    stage->place = *place;
    snprintf(stage->log_path, sizeof stage->log_path, "%s/referee.XXXXXX",
             directory ? directory : "/tmp");
    stage->log = mkostemp(stage->log_path, O_CLOEXEC);
    if (stage->log < 0 || start_template(stage) != 0) {
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
