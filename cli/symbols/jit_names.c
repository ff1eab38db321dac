#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "symbols/jit_names.h"
#include "process/process.h"
#include "symbols/open_below.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_BYTES (64L << 20)
#define LINE 1024

/* The number that the process has in its own pid namespace: the last of "NSpid:\t4242\t7". */
static long own_number(pid_t pid)
{
    size_t len;
    char *status = process_file(pid, "status", &len);
    const char *value = status ? process_value(status, "NSpid") : NULL;
    long number = pid;
    char *end;

    while (value && *value >= '0' && *value <= '9') {
        number = strtol(value, &end, 10);
        value = end + strspn(end, "\t ");
    }
    free(status);
    return number;
}

/* Anybody can make a file in /tmp: it must be that of the process's user, or root's. */
static FILE *open_map(pid_t pid)
{
    char path[PATH_MAX];
    const char *why;
    struct stat st;
    uid_t owner;
    FILE *file;
    int fd;

    snprintf(path, sizeof(path), "/proc/%ld/root/tmp/perf-%ld.map", (long)pid, own_number(pid));
    fd = open_regular(open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW), &why);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) != 0 || st.st_size > MOST_BYTES ||
        (st.st_uid != 0 && (!process_owner(pid, "", &owner) || owner != st.st_uid)) ||
        !(file = fdopen(fd, "r"))) {
        close(fd);
        return NULL;
    }
    return file;
}

/* A line: "START SIZE NAME", in hexadecimal. The newest entry for an address is the last. */
bool jit_name(pid_t pid, uint64_t address, char *name, size_t cap, uint64_t *offset)
{
    FILE *file = open_map(pid);
    char line[LINE], *end;
    bool found = false;

    while (file && fgets(line, sizeof(line), file)) {
        uint64_t start = strtoull(line, &end, 16), size = strtoull(end, &end, 16);

        if (*end != ' ' || address - start >= size)
            continue;
        end[strcspn(end, "\n")] = '\0';
        snprintf(name, cap, "%s", end + 1);
        *offset = address - start;
        found = *name;
    }
    if (file)
        fclose(file);
    return found;
}
