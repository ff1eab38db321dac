#include "gather/progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME_SHOWN 40

static struct {
    bool terminal, shown;
    uint64_t whole; /* bytes; 0: unknown */
    long begun, last;
} progress;

static long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void progress_begin(char *const *names, unsigned count)
{
    struct stat st;

    progress.terminal = isatty(STDERR_FILENO);
    progress.begun = progress.last = now_ms();
    for (unsigned i = 0; i < count; i++)
        if (stat(names[i], &st) == 0 && S_ISREG(st.st_mode))
            progress.whole += (uint64_t)st.st_size;
}

void progress_show(const char *name, uint64_t bytes)
{
    long now = progress.terminal ? now_ms() : 0;
    size_t len = strlen(name);

    if (!progress.terminal || now - progress.begun < 1000 || now - progress.last < 250)
        return;
    progress.last = now;
    progress.shown = true;
    fputs("\rreading ", stderr);
    for (const char *p = len > NAME_SHOWN ? name + len - NAME_SHOWN : name; *p; p++)
        putc(*p < ' ' || *p == 0x7f ? '?' : *p, stderr);
    fprintf(stderr, ": %llu MB", (unsigned long long)bytes / 1000000);
    if (progress.whole >= bytes)
        fprintf(stderr, " of %llu MB (%u %%)", (unsigned long long)progress.whole / 1000000,
                (unsigned)(bytes * 100 / progress.whole));
    fputs("\033[K", stderr);
}

void progress_clear(void)
{
    if (progress.shown)
        fputs("\r\033[K", stderr);
    progress.shown = false;
}
