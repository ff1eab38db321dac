#define _GNU_SOURCE
#include "play.h"

#include <err.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

_Noreturn void unable(const char *what)
{
    fprintf(stderr, "%s: unable to %s: %s\n", program_invocation_short_name, what, strerror(errno));
    _exit(99);
}

int must(long result, const char *what)
{
    if (result < 0)
        unable(what);
    return (int)result;
}

pthread_t start_thread(void *(*routine)(void *), void *arg)
{
    pthread_t thread;

    errno = pthread_create(&thread, NULL, routine, arg);
    if (errno)
        unable("start a thread");
    return thread;
}

void *sleep_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

int listen_here(int port, int backlog)
{
    struct sockaddr_in address = net_loopback(port);
    int one = 1;
    int fd = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "make a socket");

    must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), "use the port again");
    must(bind(fd, (struct sockaddr *)&address, sizeof address), "bind");
    must(listen(fd, backlog), "listen");
    return fd;
}

int connect_here(int port)
{
    struct sockaddr_in address = net_loopback(port);
    int fd = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "make a socket");

    must(connect(fd, (struct sockaddr *)&address, sizeof address), "connect");
    return fd;
}

void go_behind_library(void)
{
    const char *library = getenv("LIBSAFECLOSE");

    if (library && *library)
        setenv("LD_PRELOAD", library, 1);
    unsetenv("LIBSAFECLOSE");
}

long status_kb(const char *name)
{
    char line[256];
    size_t length = strlen(name);
    long size = 0;
    FILE *file = fopen("/proc/self/status", "re");

    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            size = atol(line + length + 1);
    if (file)
        fclose(file);
    return size;
}

void raise_limit(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

void have_own_mounts(void)
{
    must(unshare(CLONE_NEWNS), "make a mount namespace");
    must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "have mounts of its own");
}

void become_class(const char *class)
{
    enum { NOBODY = 65534 };
    char directory[] = "/tmp/safeclose-test-XXXXXX";

    if (strcmp(class, "chroot") == 0) {
        /* Nobody has to tidy it up. */
        if (!mkdtemp(directory) || chdir(directory) || rmdir(directory) || chroot("."))
            unable("change the root");
    } else if (strncmp(class, "setuid", 6) == 0) {
        must(setgid(NOBODY), "setgid");
        must(setuid(NOBODY), "setuid");
        if (strcmp(class, "setuid-dumpable") == 0)
            prctl(PR_SET_DUMPABLE, 1);
    } else if (strcmp(class, "undumpable") == 0) {
        prctl(PR_SET_DUMPABLE, 0);
    } else if (strcmp(class, "plain") != 0) {
        errx(99, "no class \"%s\"", class);
    }
}

static char escaped(const char **text)
{
    char *end, digits[4] = {0};

    switch (**text) {
    case 'r':
        return '\r';
    case 'n':
        return '\n';
    case '0' ... '7':
        strncpy(digits, *text, 3);
        digits[0] = (char)strtol(digits, &end, 8);
        *text += end - digits - 1;
        return digits[0];
    default:
        return **text;
    }
}

char *request_head(const char *text, long long body, size_t *size)
{
    /* A %b of two characters becomes 20 digits at most. */
    char *head = malloc(strlen(text) * 10 + 1), *to = head;

    if (!head)
        unable("get memory");
    for (; *text; text++) {
        if (text[0] == '%' && text[1] == 'b') {
            to += sprintf(to, "%lld", body);
            text++;
        } else if (text[0] == '\\' && text[1]) {
            text++;
            *to++ = escaped(&text);
        } else {
            *to++ = *text;
        }
    }
    *size = (size_t)(to - head);
    return head;
}
