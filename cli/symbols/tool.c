#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "symbols/tool.h"
#include "common/search_path.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_MEMORY ((rlim_t)4 << 30)
#define MOST_CPU_SECONDS 60
#define NOBODY 65534

static void limit(int what, rlim_t most)
{
    struct rlimit r = {most, most};

    setrlimit(what, &r);
}

/* What it reads may be hostile, so root's rights are dropped, if they aren't needed to read the file. In a user
 * namespace that has no such user they stay, and are those of the namespace. */
static void drop_rights(int kept)
{
    struct stat st;

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (geteuid() != 0 || (kept >= 0 && (fstat(kept, &st) != 0 || !(st.st_mode & S_IROTH))))
        return;
    if (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
        setresuid(NOBODY, NOBODY, NOBODY) != 0)
        return;
}

/* An environment of our own: nothing in the user's may make it ask the network for debug files
 * (DEBUGINFOD_URLS), or load the library. The signals of a terminal reach both of us, and end us alone: we may wait for its
 * answers still, and once we are gone it reads the end of its input. */
static void become(const char *path, char *const *arguments, int fd, int kept)
{
    static char locale[] = "LC_ALL=C", *environment[] = {locale, NULL};
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (kept >= 0)
        fcntl(kept, F_SETFD, 0);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    limit(RLIMIT_AS, MOST_MEMORY);
    limit(RLIMIT_CPU, MOST_CPU_SECONDS);
    limit(RLIMIT_CORE, 0);
    drop_rights(kept);
    if (dup2(fd, 0) == 0 && dup2(fd, 1) == 1 && dup2(null, 2) == 2)
        execve(path, arguments, environment);
    _exit(127);
}

bool tool_start(struct tool *tool, char *const *arguments, int kept)
{
    char path[PATH_MAX];
    int ends[2];

    tool->fd = -1;
    tool->at = tool->len = 0;
    if (search_path(arguments[0], path) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    tool->pid = fork();
    if (tool->pid == 0)
        become(path, arguments, ends[1], kept);
    close(ends[1]);
    if (tool->pid < 0) {
        close(ends[0]);
        return false;
    }
    tool->fd = ends[0];
    return true;
}

void tool_stop(struct tool *tool)
{
    if (tool->fd < 0)
        return;
    close(tool->fd);
    tool->fd = -1;
    kill(tool->pid, SIGKILL);
    while (waitpid(tool->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

bool tool_say(struct tool *tool, const char *text)
{
    size_t left = strlen(text);

    while (left && tool->fd >= 0) {
        ssize_t n = send(tool->fd, text, left, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            tool_stop(tool);
        if (n > 0) {
            text += n;
            left -= (size_t)n;
        }
    }
    return tool->fd >= 0;
}

static long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* More bytes, or a signal of ours; false at the end of the tool or the time. */
static bool receive(struct tool *tool, int *left)
{
    struct pollfd p = {.fd = tool->fd, .events = POLLIN};
    long begin = now_ms();
    ssize_t n = poll(&p, 1, *left > 0 ? *left : 0);

    if (n > 0)
        n = recv(tool->fd, tool->bytes, sizeof(tool->bytes), 0);
    *left -= (int)(now_ms() - begin);
    tool->at = 0;
    tool->len = n > 0 ? (size_t)n : 0;
    return n > 0 || (n < 0 && errno == EINTR && *left > 0);
}

bool tool_hear(struct tool *tool, char *line, size_t cap, int *left)
{
    size_t len = 0;

    while (tool->fd >= 0) {
        if (tool->at == tool->len) {
            if (!receive(tool, left))
                tool_stop(tool);
            continue;
        }
        char c = tool->bytes[tool->at++];
        if (c == '\n') {
            line[len] = '\0';
            return true;
        }
        if (len + 1 < cap)
            line[len++] = c;
    }
    return false;
}
