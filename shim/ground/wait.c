#include "safeclose.h"

#include "ground/clock.h"
#include "ground/sys.h"
#include "ground/wait.h"

#define MOMENT_NS 20000
#define MOMENTS 500

int64_t wait_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

bool wait_is_over(int64_t deadline)
{
    int64_t now = wait_now_ns();

    return now == 0 || now > deadline;
}

void wait_ns(long ns)
{
    const struct timespec time = {0, ns};

    sys2(SYS_nanosleep, SYS_ARG(&time), 0);
}

void wait_for(_Atomic int *who, int pid)
{
    for (int i = 0; i < MOMENTS && atomic_load(who) == pid; i++)
        wait_ns(MOMENT_NS);
}
