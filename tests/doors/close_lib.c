/*
 * A library that closes a connection before the program's main begins, and after it has ended: from
 * its constructor the number in CLOSE_IN_CONSTRUCTOR, from its destructor that in
 * CLOSE_IN_DESTRUCTOR. Behind the library under test in LD_PRELOAD it stands where a library stands
 * that the program was linked with: the loader initialises it first.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void close_number_in(const char *variable)
{
    const char *number = getenv(variable);

    if (!number)
        return;
    errno = EBADFD;
    /* Nobody else can tell how that went. */
    if (close(atoi(number)) != 0 || errno != EBADFD)
        perror(variable);
}

__attribute__((constructor)) static void begin(void)
{
    close_number_in("CLOSE_IN_CONSTRUCTOR");
}

__attribute__((destructor)) static void end(void)
{
    close_number_in("CLOSE_IN_DESTRUCTOR");
}
