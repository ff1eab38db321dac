#include "process.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void proc_name(char path[PATH_MAX], pid_t pid, const char *name)
{
    snprintf(path, PATH_MAX, "/proc/%ld/%s", (long)pid, name);
}

int process_open(pid_t pid, const char *name)
{
    char path[PATH_MAX];

    proc_name(path, pid, name);
    return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

/* Files in /proc have no size to ask for. */
static char *read_all(int fd, size_t *len)
{
    size_t cap = 4096;
    char *bytes = malloc(cap);

    for (*len = 0; bytes;) {
        ssize_t n = read(fd, bytes + *len, cap - *len - 1);
        char *more;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        *len += (size_t)n;
        bytes[*len] = '\0';
        if (n == 0)
            return bytes;
        if (cap - *len > 1)
            continue;
        more = realloc(bytes, cap *= 2);
        if (!more)
            break;
        bytes = more;
    }
    free(bytes);
    return NULL;
}

char *process_file(pid_t pid, const char *name, size_t *len)
{
    int fd = process_open(pid, name), error;
    char *bytes;

    if (fd < 0)
        return NULL;
    bytes = read_all(fd, len);
    error = errno;
    close(fd);
    errno = error;
    return bytes;
}

bool process_link(pid_t pid, const char *name, char *target, size_t size)
{
    char path[PATH_MAX];
    ssize_t n;

    proc_name(path, pid, name);
    n = readlink(path, target, size - 1);
    if (n >= 0)
        target[n] = '\0';
    return n >= 0;
}

long process_number(const char *status, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = status; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            return strtol(line + len + 1, NULL, 10);
    }
    return -1;
}

bool process_auxiliary(pid_t pid, unsigned long type, unsigned long *value)
{
    size_t len;
    char *bytes = process_file(pid, "auxv", &len);
    unsigned long pair[2];
    bool found = false;

    for (size_t i = 0; bytes && !found && i + sizeof(pair) <= len; i += sizeof(pair)) {
        memcpy(pair, bytes + i, sizeof(pair));
        found = pair[0] == type;
        if (pair[0] == AT_NULL)
            break;
    }
    if (found)
        *value = pair[1];
    free(bytes);
    return found;
}

bool process_executed_as(pid_t pid, char name[PATH_MAX])
{
    unsigned long at;
    int fd;
    ssize_t n;

    if (!process_auxiliary(pid, AT_EXECFN, &at))
        return false;
    fd = process_open(pid, "mem");
    if (fd < 0)
        return false;
    n = pread(fd, name, PATH_MAX, (off_t)at);
    close(fd);
    return n > 0 && memchr(name, '\0', (size_t)n);
}

int process_maps(pid_t pid, const char *name, char path[PATH_MAX])
{
    size_t len;
    char *maps = process_file(pid, "maps", &len), *found;

    if (!maps)
        return -1;
    found = strstr(maps, name);
    if (found) {
        char *start = found, *end = found + strcspn(found, "\n");

        while (start > maps && start[-1] != ' ' && start[-1] != '\n')
            start--;
        snprintf(path, PATH_MAX, "%.*s", (int)(end - start), start);
    }
    free(maps);
    return found != NULL;
}

int process_holds(pid_t pid, const char *target)
{
    char path[PATH_MAX], link[PATH_MAX];
    struct dirent *entry;
    DIR *dir;
    int found = 0;

    proc_name(path, pid, "fd");
    dir = opendir(path);
    if (!dir)
        return -1;
    while (!found && (entry = readdir(dir))) {
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

        if (n >= 0) {
            link[n] = '\0';
            found = strcmp(link, target) == 0;
        }
    }
    closedir(dir);
    return found;
}
