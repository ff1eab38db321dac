#include "process/process.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* A process may have mapped a million places, and is read while it can do nothing about it. */
#define MOST_BYTES (64U << 20)

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
        if (n == 0 || *len >= MOST_BYTES)
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

bool process_owner(pid_t pid, const char *name, uid_t *owner)
{
    char path[PATH_MAX];
    struct stat st;

    proc_name(path, pid, name);
    if (stat(path, &st) != 0)
        return false;
    *owner = st.st_uid;
    return true;
}

const char *process_value(const char *status, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = status; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 1 + strspn(line + len + 1, " \t");
    }
    return NULL;
}

long process_number(const char *status, const char *name)
{
    const char *value = process_value(status, name);

    return value && *value >= '0' && *value <= '9' ? strtol(value, NULL, 10) : -1;
}

bool process_shares(pid_t pid, const char *name)
{
    char own[PATH_MAX], its[PATH_MAX];

    return process_link(getpid(), name, own, sizeof(own)) &&
           process_link(pid, name, its, sizeof(its)) && strcmp(own, its) == 0;
}

bool process_capable(pid_t pid, const char *status, unsigned capability)
{
    const char *set = process_value(status, "CapEff");

    return set && process_shares(pid, "ns/user") && strtoull(set, NULL, 16) >> capability & 1;
}

/* The vector is in words of the process's own size. */
static size_t word_size(pid_t pid)
{
    unsigned char ident[EI_NIDENT] = {0};
    int fd = process_open(pid, "exe");

    if (fd >= 0) {
        if (pread(fd, ident, sizeof(ident), 0) < 0)
            ident[EI_CLASS] = ELFCLASSNONE;
        close(fd);
    }
    return ident[EI_CLASS] == ELFCLASS32 ? 4 : 8;
}

static uint64_t word_at(const char *bytes, size_t size)
{
    uint64_t wide;
    uint32_t narrow;

    if (size == sizeof(wide)) {
        memcpy(&wide, bytes, sizeof(wide));
        return wide;
    }
    memcpy(&narrow, bytes, sizeof(narrow));
    return narrow;
}

bool process_auxiliary(pid_t pid, uint64_t type, uint64_t *value)
{
    size_t len, size = word_size(pid);
    char *bytes = process_file(pid, "auxv", &len);
    bool found = false;

    for (size_t i = 0; bytes && !found && i + 2 * size <= len; i += 2 * size) {
        found = word_at(bytes + i, size) == type;
        if (found)
            *value = word_at(bytes + i + size, size);
    }
    free(bytes);
    return found;
}

bool process_memory(pid_t pid, uint64_t at, void *to, size_t size)
{
    int fd = process_open(pid, "mem");
    ssize_t n = fd < 0 ? -1 : pread(fd, to, size, (off_t)at);

    if (fd >= 0)
        close(fd);
    return n == (ssize_t)size;
}

bool process_executed_as(pid_t pid, char name[PATH_MAX])
{
    uint64_t at;
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

/* The first place in maps where name begins the last part of a path, or is all of it. */
static const char *find_mapped(const char *maps, const char *name)
{
    size_t len = strlen(name);
    const char *at = maps;

    while ((at = strstr(at, name))) {
        if (at > maps && strchr("/ ", at[-1]) && !memchr(at, '/', strcspn(at + len, "\n") + len))
            return at;
        at += len;
    }
    return NULL;
}

int process_maps(pid_t pid, const char *name, char path[PATH_MAX], uint64_t *first)
{
    size_t len;
    char *maps = process_file(pid, "maps", &len);
    const char *found = maps ? find_mapped(maps, name) : NULL;

    if (!maps)
        return -1;
    if (found) {
        const char *end = found + strcspn(found, "\n"), *start = found;

        while (start > maps && start[-1] != '\n')
            start--;
        if (first)
            *first = strtoull(start, NULL, 16);
        start += strcspn(start, "/\n");
        snprintf(path, PATH_MAX, "%.*s", start < end ? (int)(end - start) : 0, start);
    }
    free(maps);
    return found != NULL;
}
