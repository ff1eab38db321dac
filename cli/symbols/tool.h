/*
 * A program that answers lines with lines: addr2line, c++filt. It is started without a shell, on a socket instead of
 * pipes, because writing to a socket whose other end is gone can be done without a signal.
 */
#ifndef SAFECLOSE_TOOL_H
#define SAFECLOSE_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tool {
    int fd; /* -1: it does not run */
    pid_t pid;
    size_t at, len; /* what was read and not given out yet */
    char bytes[4096];
};

/* Starts a program that PATH finds; arguments as for execv. kept: a descriptor that it gets, too, or -1. Its stderr
 * is /dev/null, its memory 4 GB and its CPU time 60 s at most. If root starts it, it runs as nobody, unless nobody
 * can't read kept. False if it can't be started. */
bool tool_start(struct tool *tool, char *const *arguments, int kept);
void tool_stop(struct tool *tool);

/* Sends text. False, and the tool is stopped, where it is gone. */
bool tool_say(struct tool *tool, const char *text);

/* Reads one line without its newline, of which what doesn't fit is left out. left: the time that it may
 * take, in ms, from which what it took is subtracted. False, and the tool is stopped, at the end of the
 * tool or the time. */
bool tool_hear(struct tool *tool, char *line, size_t cap, int *left);

#endif
