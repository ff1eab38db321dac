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

#define MAPS 8
#define MOST_BYTES (64L << 20) /* of one process, however often it begins anew */
#define MOST_CODES (512U << 10)
#define LINE 1024

struct code {
    uint64_t start;
    uint32_t size;
    uint32_t line; /* where it is in the file */
};

/* A program appends to its map as long as it runs, so what was read is kept. */
struct map {
    pid_t pid; /* 0: free */
    dev_t device;
    ino_t inode;
    long at;   /* up to here the file was read */
    long read; /* bytes, of all files that the process had in this place */
    unsigned count, room;
    struct code *codes;
    unsigned long used;
};

/* Changed by this file only. */
static struct map maps[MAPS];
static unsigned long uses;

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
static FILE *open_map(pid_t pid, struct stat *st)
{
    char path[PATH_MAX];
    const char *why;
    uid_t owner;
    FILE *file;
    int fd;

    snprintf(path, sizeof(path), "/proc/%ld/root/tmp/perf-%ld.map", (long)pid, own_number(pid));
    fd = open_regular(open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW), &why);
    if (fd < 0)
        return NULL;
    if (fstat(fd, st) != 0 ||
        (st->st_uid != 0 && (!process_owner(pid, "", &owner) || owner != st->st_uid)) ||
        !(file = fdopen(fd, "r"))) {
        close(fd);
        return NULL;
    }
    return file;
}

static struct map *map_of(pid_t pid, const struct stat *st)
{
    struct map *map = maps;

    for (unsigned i = 0; i < MAPS && map->pid != pid; i++)
        if (maps[i].pid == pid || maps[i].used < map->used)
            map = &maps[i];
    if (map->pid != pid) {
        free(map->codes);
        *map = (struct map){.pid = pid};
    }
    if (map->device != st->st_dev || map->inode != st->st_ino || st->st_size < map->at)
        map->at = map->count = 0;
    map->device = st->st_dev;
    map->inode = st->st_ino;
    map->used = ++uses;
    return map;
}

/* A line: "START SIZE NAME", in hexadecimal. Returns the name, or NULL. */
static char *parse(char *line, uint64_t *start, uint64_t *size)
{
    char *end;

    *start = strtoull(line, &end, 16);
    *size = strtoull(end, &end, 16);
    if (*end != ' ')
        return NULL;
    end[strcspn(end, "\n")] = '\0';
    return end + 1;
}

/* False if there is no room. */
static bool add(struct map *map, char *line)
{
    uint64_t start, size;

    if (!parse(line, &start, &size))
        return true;
    if (map->count == map->room) {
        unsigned room = map->room ? 2 * map->room : 1024;
        void *codes = room > MOST_CODES ? NULL : realloc(map->codes, room * sizeof(map->codes[0]));

        if (!codes)
            return false;
        map->codes = codes;
        map->room = room;
    }
    map->codes[map->count++] =
        (struct code){start, size > UINT32_MAX ? UINT32_MAX : (uint32_t)size, (uint32_t)map->at};
    return true;
}

/* Reads what the program has appended, up to the last whole line. It may append as fast as this reads. */
static void follow(struct map *map, FILE *file)
{
    char line[LINE];

    if (fseek(file, map->at, SEEK_SET) != 0)
        return;
    while (map->read < MOST_BYTES && fgets(line, sizeof(line), file)) {
        long next = ftell(file);

        if (next <= map->at || (!strchr(line, '\n') && next - map->at < LINE - 1) ||
            !add(map, line))
            return;
        map->read += next - map->at;
        map->at = next;
    }
}

/* The newest for an address is the last. */
static const struct code *code_at(const struct map *map, uint64_t address)
{
    for (unsigned i = map->count; i-- > 0;)
        if (address - map->codes[i].start < map->codes[i].size)
            return &map->codes[i];
    return NULL;
}

bool jit_name(pid_t pid, uint64_t address, char *name, size_t cap, uint64_t *offset)
{
    struct stat st;
    FILE *file = open_map(pid, &st);
    const struct code *code = NULL;
    struct map *map;
    char line[LINE], *text = NULL;
    uint64_t start = 0, size;

    if (file) {
        map = map_of(pid, &st);
        follow(map, file);
        code = code_at(map, address);
    }
    if (code && fseek(file, code->line, SEEK_SET) == 0 && fgets(line, sizeof(line), file))
        text = parse(line, &start, &size);
    if (file)
        fclose(file);
    if (!text || !*text || start != code->start)
        return false;
    snprintf(name, cap, "%s", text);
    *offset = address - start;
    return true;
}
