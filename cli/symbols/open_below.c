#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "symbols/open_below.h"
#include "shim/ground/newer.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* A place in the file system, not opened yet. */
static int find_below(const char *root, const char *path)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    int directory, fd;

    if (!root)
        return open(path, O_PATH | O_CLOEXEC);
    directory = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return -1;
    fd = (int)syscall(SYS_openat2, directory, path, &how, sizeof(how));
    close(directory);
    return fd;
}

/* Not waiting for whoever has a lease on the file. */
int open_regular(int place, const char **why)
{
    char name[64];
    struct stat st;
    int fd = -1;

    *why = NULL;
    if (place < 0)
        return -1;
    snprintf(name, sizeof(name), "/proc/self/fd/%d", place);
    if (fstat(place, &st) == 0) {
        if (S_ISREG(st.st_mode))
            fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        else
            *why = "it is not a regular file";
    }
    close(place);
    return fd;
}

int open_below(const char *root, const char *path, const char **why)
{
    return open_regular(find_below(root, path), why);
}
