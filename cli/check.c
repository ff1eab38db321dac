/* safeclose check: would this program be covered, is that process, and why. */
#include "cli.h"
#include "check/executable.h"
#include "check/findings.h"
#include "preload/library.h"
#include "check/loaded.h"
#include "process/process.h"
#include "common/search_path.h"

#include <elf.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void check_help(FILE *to)
{
    fputs(
        "usage: safeclose check PROGRAM | PID\n"
        "Says whether the library can be preloaded into PROGRAM (a path, or a name in PATH), or\n"
        "whether it is loaded in the process PID, in which mode, and which modes can work there. It\n"
        "gives every reason. It starts nothing and changes nothing. If the name of a program is a\n"
        "number, write its path: ./4242\n\n"
        "  -h, --help   print this help\n\n"
        "Exit status: 0 covered, 1 not covered, 2 unknown, 125 if safeclose itself fails. A process\n"
        "is covered if its mode works there.\n",
        to);
}

/* ---- a program ---------------------------------------------------------------------------------- */

/* It runs programs on a virtual CPU, which refuses unusual threads. */
static void judge_valgrind(struct findings *f)
{
    findings_add(
        f, LIMIT,
        "under valgrind the library can't start its thread: linger only drains, and in a program with "
        "threads drain and linger leave every connection alone");
}

static int check_program(struct library *library, const char *name)
{
    static struct executable executable;
    struct findings f = {0};
    char found[PATH_MAX], *about;
    enum verdict verdict;

    search_path(name, found);
    executable_judge(&f, library, name, &executable);
    if (strcmp(basename(found[0] ? found : name), "valgrind") == 0)
        judge_valgrind(&f);
    verdict = findings_verdict(&f);
    if (verdict == COVERED)
        findings_add(&f, DO, "safeclose run %s", name);
    about = found[0] && strcmp(found, name) != 0 ? text_of("%s (%s)", name, found)
                                                 : text_of("%s", name);
    findings_print(&f, about);
    findings_free(&f);
    free(about);
    return (int)verdict;
}

/* ---- a process ---------------------------------------------------------------------------------- */

/* In a container the library would have to be, too. */
static void note_namespace(struct findings *f, pid_t pid)
{
    char link[PATH_MAX];

    if (process_link(pid, "ns/mnt", link, sizeof(link)) && !process_shares(pid, "ns/mnt"))
        findings_add(f, NOTE,
                     "it runs in a container, or in another mount namespace: the library must be "
                     "installed there, too");
}

static void judge_unloaded(struct findings *f, struct library *library, pid_t pid)
{
    static struct executable executable;
    struct findings could = {0};
    uint64_t secure;
    char path[PATH_MAX] = "its executable";
    int fd = process_open(pid, "exe");

    findings_add(f, AGAINST, "the library is not loaded");
    if (fd < 0) {
        findings_add(f, UNSURE, "can't find out whether it could be: can't open its executable: %s",
                     strerror(errno));
        return;
    }
    process_link(pid, "exe", path, sizeof(path));
    executable.running = true;
    if (process_auxiliary(pid, AT_SECURE, &secure) && secure)
        findings_add(&could, AGAINST,
                     "it was started with raised privileges (setuid, setgid or file capabilities): "
                     "the loader ignored LD_PRELOAD");
    executable_judge_elf(&could, library, fd, &executable);
    close(fd);
    for (unsigned i = 0; i < could.count; i++)
        findings_add(f, could.list[i].leaning, "%s: %s", path, could.list[i].text);
    note_namespace(f, pid);
    if (findings_verdict(&could) == COVERED)
        findings_add(f, DO, "restart the program with safeclose run");
    findings_free(&could);
}

/* All kernel threads but the first are children of process 2. */
static void judge_memoryless(struct findings *f, pid_t pid, const char *status)
{
    bool kernel = pid == 2 || process_number(status, "PPid") == 2;

    findings_add(f, AGAINST, kernel ? "it is a kernel thread" : "it is about to end");
}

static void judge_process(struct findings *f, struct library *library, pid_t pid,
                          const char *status)
{
    char path[PATH_MAX], exe[PATH_MAX];
    const char *state = strstr(status, "\nState:\t");
    uint64_t start = 0;
    int loaded = process_maps(pid, LIBRARY_NAME, path, &start);

    if (state && state[8] == 'Z' && process_number(status, "Threads") > 1) {
        findings_add(f, UNSURE,
                     "its main thread has ended: /proc no longer shows which libraries it has "
                     "loaded");
    } else if (state && state[8] == 'Z') {
        findings_add(f, AGAINST, "it has ended (a zombie: its parent has not waited for it yet)");
    } else if (!process_link(pid, "exe", exe, sizeof(exe)) && errno == ENOENT) {
        judge_memoryless(f, pid, status);
    } else if (loaded < 0) {
        findings_add(f, UNSURE, "can't find out whether the library is loaded: %s",
                     strerror(errno));
        findings_add(f, DO, "run this command as root, or as the user of that process");
    } else if (loaded) {
        loaded_judge(f, pid, &(struct library_place){library->file, path, start}, status);
    } else
        judge_unloaded(f, library, pid);
}

static void judge_unseen(struct findings *f, long pid)
{
    if (pid <= 0 || pid > INT_MAX)
        findings_add(f, AGAINST, "this is not a process id");
    else if (kill((pid_t)pid, 0) != 0 && errno == ESRCH)
        findings_add(f, AGAINST, "there is no such process");
    else
        findings_add(f, UNSURE, "/proc doesn't show it");
}

/* /proc/PID/status begins with the name. */
static char *name_process(const char *number, const char *status)
{
    if (!status || strncmp(status, "Name:\t", 6) != 0)
        return text_of("process %s", number);
    return text_of("process %s (%.*s)", number, (int)strcspn(status + 6, "\n"), status + 6);
}

static int check_process(struct library *library, const char *number)
{
    struct findings f = {0};
    long pid = strtol(number, NULL, 10);
    size_t len;
    char *status = pid > 0 && pid <= INT_MAX ? process_file((pid_t)pid, "status", &len) : NULL;
    char *about = name_process(number, status);
    enum verdict verdict;

    if (status)
        judge_process(&f, library, (pid_t)pid, status);
    else
        judge_unseen(&f, pid);
    verdict = findings_verdict(&f);
    findings_print(&f, about);
    findings_free(&f);
    free(status);
    free(about);
    return (int)verdict;
}

/* ---- the command -------------------------------------------------------------------------------- */

static int check(const char *what)
{
    static struct library library;
    int verdict;

    if (!library_find(&library))
        return STATUS_FAILED;
    if (*what && what[strspn(what, "0123456789")] == '\0')
        verdict = check_process(&library, what);
    else
        verdict = check_program(&library, what);
    return printed() ? verdict : STATUS_FAILED;
}

int check_command(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
        if (option != 'h') {
            unable("understand %s: no such option; try: safeclose check --help", argv[optind - 1]);
            return STATUS_FAILED;
        }
        check_help(stdout);
        return printed() ? 0 : STATUS_FAILED;
    }
    if (argc - optind != 1) {
        unable("check: %s; try: safeclose check --help",
               argc == optind ? "no program and no process given"
                              : "give one program or process at a time");
        return STATUS_FAILED;
    }
    return check(argv[optind]);
}
