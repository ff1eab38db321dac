/* The directories of /proc: a process's descriptors and threads, and all processes. */
#include "process/process.h"

#include <dirent.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void proc_name(char path[PATH_MAX], pid_t pid, const char *name)
{
    snprintf(path, PATH_MAX, "/proc/%ld/%s", (long)pid, name);
}

static DIR *open_directory(pid_t pid, const char *name)
{
    char path[PATH_MAX];

    proc_name(path, pid, name);
    return opendir(path);
}

int process_holds(pid_t pid, bool (*accepts)(const char *path, const char *target, void *context),
                  void *context)
{
    char name[64], path[PATH_MAX], target[PATH_MAX];
    struct dirent *entry;
    DIR *dir = open_directory(pid, "fd");
    int found = 0;

    if (!dir)
        return -1;
    while (!found && (entry = readdir(dir))) {
        snprintf(name, sizeof(name), "fd/%.20s", entry->d_name);
        proc_name(path, pid, name);
        found = process_link(pid, name, target, sizeof(target)) && accepts(path, target, context);
    }
    closedir(dir);
    return found;
}

/* A number, or 0. */
static pid_t number_of(const struct dirent *entry)
{
    return entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? atoi(entry->d_name) : 0;
}

static bool is_lot(pid_t pid, pid_t tid)
{
    char name[64];
    size_t len;
    char *comm;
    bool is;

    snprintf(name, sizeof(name), "task/%ld/comm", (long)tid);
    comm = process_file(pid, name, &len);
    is = comm && strcmp(comm, "safeclose-lot\n") == 0;
    free(comm);
    return is;
}

/* PF_EXITING, by proc_pid_stat(5). */
static bool is_ending(pid_t pid, pid_t tid)
{
    char name[64];
    size_t len;
    char *stat;
    const char *end;
    unsigned flags;
    bool lives;

    snprintf(name, sizeof(name), "task/%ld/stat", (long)tid);
    stat = process_file(pid, name, &len);
    end = stat ? strrchr(stat, ')') : NULL;
    lives = end && sscanf(end, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && !(flags & 4);
    free(stat);
    return !lives;
}

/* A thread that ends has none. kcmp(2) needs the right to trace the process; without it this answers no. */
static bool has_own_table(pid_t pid, pid_t tid)
{
    return syscall(SYS_kcmp, pid, tid, KCMP_FILES, 0, 0) > 0 && !is_ending(pid, tid);
}

bool process_threads(pid_t pid, struct process_threads *threads)
{
    struct dirent *entry;
    DIR *dir = open_directory(pid, "task");
    pid_t tid;

    *threads = (struct process_threads){0};
    if (!dir)
        return false;
    while ((entry = readdir(dir))) {
        if (!(tid = number_of(entry)))
            continue;
        if (is_lot(pid, tid)) {
            threads->lot = tid;
        } else {
            threads->own++;
            threads->own_table |= has_own_table(pid, tid);
        }
    }
    closedir(dir);
    return true;
}

bool process_each(void (*look)(pid_t pid, void *context), void *context)
{
    struct dirent *entry;
    DIR *dir = opendir("/proc");

    if (!dir)
        return false;
    while ((entry = readdir(dir)))
        if (number_of(entry))
            look(number_of(entry), context);
    closedir(dir);
    return true;
}
