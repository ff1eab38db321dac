#include "check/loaded.h"
#include "check/modes.h"
#include "check/netlink.h"
#include "process/process.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static long own_filters(void)
{
    size_t len;
    char *status = process_file(getpid(), "status", &len);
    long filters = status ? process_number(status, "Seccomp_filters") : -1;

    free(status);
    return filters;
}

/* A filter that the program installs makes the library stand down and end its thread
 * (shim/doors/standdown.c). One from outside does no harm. False if nothing works for certain. */
static bool judge_filter(struct findings *f, const struct loaded *p)
{
    long mode = process_number(p->status, "Seccomp"),
         filters = process_number(p->status, "Seccomp_filters");

    if (mode == 1) {
        findings_add(f, AGAINST,
                     "it is in the strict mode of seccomp: the library does nothing in it, in any "
                     "mode");
        return false;
    }
    if (mode != 2)
        return true;
    if (filters >= 0 && filters <= own_filters()) {
        findings_add(f, FOR,
                     "its seccomp filter comes from outside the program: this command has it too");
    } else if (p->threads.lot) {
        findings_add(
            f, FOR,
            "its seccomp filter comes from outside the program: the library's thread runs, and "
            "the library ends that before a program installs a filter");
    } else {
        findings_add(
            f, UNSURE,
            "it has a seccomp filter. If the program installed it, the library has done nothing "
            "since then, in any mode, and its log says so. If it comes from outside (a container, "
            "a systemd unit), the library works as the line \"modes\" says");
    }
    return true;
}

static bool judge_tables(struct findings *f, const struct loaded *p)
{
    if (p->threads.own_table)
        findings_add(
            f, AGAINST,
            "one of its threads has its own descriptor table (unshare): the library has done "
            "nothing since then, in any mode");
    return !p->threads.own_table;
}

/* valgrind runs a program on a virtual CPU, which refuses unusual threads. */
static void judge_valgrind(struct findings *f, struct loaded *p)
{
    char exe[PATH_MAX];

    if (process_link(p->pid, "exe", exe, sizeof(exe)) && strstr(exe, "/valgrind/"))
        modes_no_thread(f, p, "it runs under valgrind");
}

void loaded_judge(struct findings *f, pid_t pid, const struct library_place *place,
                  const char *status)
{
    struct loaded p = {.pid = pid, .status = status};
    bool works;

    findings_add(f, FOR, "the library is loaded: %s", place->theirs);
    if (strstr(place->theirs, " (deleted)"))
        findings_add(f, NOTE,
                     "that file has been replaced or removed; the process keeps using the old one "
                     "until it is restarted");
    p.config = mode_of_process(f, pid, place);
    process_threads(pid, &p.threads);
    works = judge_filter(f, &p);
    works &= judge_tables(f, &p);
    if (!works)
        return;
    judge_valgrind(f, &p);
    modes_judge(f, &p);
    netlink_judge(f, pid);
    modes_say(f, &p);
}
