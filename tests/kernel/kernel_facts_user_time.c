/* By which a thread that runs is known to be in no call: its user time, unscaled, grows nowhere else. */
#define _GNU_SOURCE
#include "kernel_facts.h"

#include <sys/syscall.h>
#include <time.h>

enum { MUCH = 32 << 20 }; /* nearly as much as getrandom(2) fills in one call */

/* The clocks of a thread (linux/posix-timers.h): 1 is its user time, 2 all that it has run for. */
static long clock_of(int tid, int which)
{
    struct timespec used = {0, 0};

    must(syscall(SYS_clock_gettime, (int)(~(unsigned)tid << 3 | 4 | which), &used) == 0);
    return (long)used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

static long user_us(void)
{
    return clock_of(gettid(), 1);
}

static long run_us(void)
{
    return clock_of(gettid(), 2);
}

/* A tick may come just before a call or just after it: in one of ten at most. */
FACT(a_long_call_adds_no_user_time, "a call adds no user time, however long it takes")
{
    design_says("its user time has grown: it was in its own code");
    static char room[MUCH];
    int grown = 0;

    memset(room, 1, MUCH);
    for (int i = 0; i < 10; i++) {
        long user = user_us(), run = run_us();

        must(syscall(SYS_getrandom, room, MUCH - 4096, 0) == MUCH - 4096);
        must(run_us() - run > 10000); /* a tick is that at most */
        grown += user_us() != user;
    }
    fact(grown <= 1);
}

FACT(a_thread_that_computes_gets_user_time,
     "a thread that computes gets user time, within 100 ms of running")
{
    design_says("its user time has grown: it was in its own code");
    int slow = 0;

    for (int i = 0; i < 10; i++) {
        long user = user_us(), run = run_us();

        while (user_us() == user && run_us() - run < 1000000)
            for (volatile int turn = 0; turn < 100000; turn++)
                ;
        slow += run_us() - run > 100000;
    }
    fact(slow <= 1);
}

facts_main()
