/*
 * A malloc that closes a connection (the number is SCENE_GIVEN's) when it is first called, as
 * jemalloc opens, reads and closes a file then. The loader may be the first to call, while it looks
 * up a symbol; the constructor here makes sure that somebody does before the program's main. What
 * it closes with must not need memory: it is not there yet.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { GIVEN = 30 };

/* glibc's own, which stay when a program brings another malloc. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

enum { NEW, STARTING, READY };

static int state;

/* malloc within malloc's start-up would never end: it ends here. */
static void start(void)
{
    if (state == STARTING)
        abort();
    if (state == READY)
        return;
    state = STARTING;
    close(GIVEN);
    state = READY;
}

__attribute__((constructor)) static void begin(void)
{
    start();
}

void *malloc(size_t size)
{
    start();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    start();
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    start();
    return __libc_realloc(old, size);
}
