#include "common/say.h"
#include "trace/tracefs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define INSTANCE "safeclose-watch-"
#define MOST_TEXT 65536 /* no file that is read here is half as long */

#ifndef SYS_fsopen /* the same on every machine */
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#endif
#define CREATE 6 /* FSCONFIG_CMD_CREATE */

/* A mount that is in no directory: only its descriptor leads to it, and it ends with that (Linux 5.2). */
static int mount_unseen(void)
{
    int context = (int)syscall(SYS_fsopen, "tracefs", 1), mount = -1, error;

    if (context >= 0 && syscall(SYS_fsconfig, context, CREATE, NULL, NULL, 0) == 0)
        mount = (int)syscall(SYS_fsmount, context, 1, 0);
    error = errno;
    if (context >= 0)
        close(context);
    errno = error;
    return mount;
}

const char *tracefs_find(void)
{
    static const char *const places[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
    static char unseen[64];
    char path[TRACEFS_PATH];
    int mount;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(path, sizeof(path), "%s/events", places[i]);
        if (access(path, R_OK | X_OK) == 0)
            return places[i];
        if (errno == EACCES)
            return NULL;
    }
    mount = mount_unseen();
    if (mount < 0)
        return NULL;
    snprintf(unseen, sizeof(unseen), "/proc/self/fd/%d", mount);
    return unseen;
}

static int open_below(const char *directory, const char *name, int flags)
{
    char path[2 * TRACEFS_PATH];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return open(path, flags | O_CLOEXEC);
}

char *tracefs_read(const char *directory, const char *name)
{
    int fd = open_below(directory, name, O_RDONLY);
    char *text = fd < 0 ? NULL : malloc(MOST_TEXT);
    size_t len = 0;
    ssize_t n = 1;

    while (text && len < MOST_TEXT - 1 && n > 0) {
        n = read(fd, text + len, MOST_TEXT - 1 - len);
        len += n > 0 ? (size_t)n : 0;
    }
    if (text)
        text[len] = '\0';
    if (fd >= 0)
        close(fd);
    return text;
}

bool tracefs_write(const char *directory, const char *name, const char *text)
{
    int fd = open_below(directory, name, O_WRONLY), error;
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return ok;
}

/* An instance in use can't be removed: its owner holds its pipe open. */
static void remove_stale(const char *tracefs)
{
    char path[2 * TRACEFS_PATH];
    struct dirent *entry;
    DIR *directory;
    int pid;

    snprintf(path, sizeof(path), "%s/instances", tracefs);
    directory = opendir(path);
    if (!directory)
        return;
    while ((entry = readdir(directory)))
        if (sscanf(entry->d_name, INSTANCE "%d", &pid) == 1 &&
            (pid == getpid() || (kill(pid, 0) != 0 && errno == ESRCH))) {
            snprintf(path, sizeof(path), "%s/instances/%.128s", tracefs, entry->d_name);
            rmdir(path);
        }
    closedir(directory);
}

bool tracefs_make_instance(const char *tracefs, char instance[TRACEFS_PATH])
{
    remove_stale(tracefs);
    snprintf(instance, TRACEFS_PATH, "%s/instances/" INSTANCE "%d", tracefs, (int)getpid());
    return mkdir(instance, 0700) == 0;
}

void tracefs_remove_instance(const char *instance)
{
    rmdir(instance);
}
