/*
 * The ends of a process that run no handler. exit and quick_exit are seen by the handlers that the
 * constructor registers (start.c).
 */
#include "safeclose.h"

#include "doors/doors.h"
#include "ground/real.h"

EXPORT _Noreturn void _exit(int status)
{
    exit_begin(VIA_EXIT_NOW, CALLER);
    real__exit(status);
}

EXPORT _Noreturn void _Exit(int status)
{
    exit_begin(VIA_EXIT_C99, CALLER);
    real__Exit(status);
}
