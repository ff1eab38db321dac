#include "safeclose.h"

#include "ground/pid.h"
#include "ground/real.h"
#include "ground/sys.h"

#include <poll.h>
#include <sys/wait.h>

/* Another process's child that nobody has waited for yet. Not with threads: another one might close, or replace, the
 * number that this takes for a moment. */
bool pid_has_ended(int pid)
{
    struct pollfd end = {.events = POLLIN};
    struct timespec now = {0, 0};
    long ended;

    if (!real_single_threaded())
        return false;
    end.fd = (int)sys2(SYS_pidfd_open, pid, 0);
    if (end.fd < 0)
        return false;
    ended = sys6(SYS_ppoll, SYS_ARG(&end), 1, SYS_ARG(&now), 0, 0, 0);
    sys1(SYS_close, end.fd);
    return ended == 1 && end.revents & POLLIN;
}

bool pid_can_be_waited_for(int pid)
{
    siginfo_t info;

    info.si_pid = 0;
    return sys6(SYS_waitid, P_PID, pid, SYS_ARG(&info), WEXITED | WNOHANG | WNOWAIT, 0, 0) == 0 &&
           info.si_pid == pid;
}

bool pid_is_gone(int pid)
{
    return sys2(SYS_kill, pid, 0) == -ESRCH || pid_can_be_waited_for(pid) || pid_has_ended(pid);
}
