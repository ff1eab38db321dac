#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "symbols/source_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool source_lines_allowed(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && !(st.st_mode & (S_IWGRP | S_IWOTH)) &&
           (st.st_uid == 0 || st.st_uid == geteuid());
}

bool source_lines_open(struct tool *tool, int fd)
{
    static char name[] = "addr2line", options[] = "-aifCe";
    char path[64];
    char *arguments[] = {name, options, path, NULL};

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return tool_start(tool, arguments, fd);
}

/* "/src/server.c:42 (discriminator 3)"; "??:0" and "server.c:?" are no lines. */
static void read_line(char *text, struct place *place)
{
    char *end = strstr(text, " (discriminator");
    char *colon;

    if (end)
        *end = '\0';
    colon = strrchr(text, ':');
    if (!colon || strtoul(colon + 1, NULL, 10) == 0)
        return;
    place->line = (unsigned)strtoul(colon + 1, NULL, 10);
    *colon = '\0';
    strcpy(place->file, text);
}

/*
 * An answer is the address, then function and line of each function that was inlined there, the innermost first.
 * Nothing marks its end, so the address 0 is asked for behind it, whose own echo does.
 */
void source_lines_find(struct tool *tool, uint64_t address, struct place *place, int *left)
{
    char function[SYMBOL_BYTES], line[SYMBOL_BYTES];
    unsigned frames = 0;

    snprintf(line, sizeof(line), "0x%llx\n0\n", (unsigned long long)address);
    if (!tool_say(tool, line) || !tool_hear(tool, line, sizeof(line), left))
        return;
    while (tool_hear(tool, function, sizeof(function), left) &&
           tool_hear(tool, line, sizeof(line), left)) {
        if (strncmp(function, "0x0000", 6) == 0)
            break; /* and `line` is its function */
        if (frames++ == 0) {
            read_line(line, place);
            strcpy(place->inlined, function);
        }
    }
    tool_hear(tool, line, sizeof(line), left); /* the line of address 0 */
    if (frames < 2 || !place->line)
        place->inlined[0] = '\0';
}
