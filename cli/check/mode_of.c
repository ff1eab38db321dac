#include "check/mode_of.h"
#include "elf/reader.h"
#include "shim/settings/options.h"
#include "preload/preload.h"
#include "process/process.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The library compares SAFECLOSE_PROGRAMS with the names that the process began with; it may have
 * given itself another one since. */
static void read_names(struct config *its, pid_t pid)
{
    char name[PATH_MAX];
    size_t len;
    char *comm;

    process_link(pid, "exe", its->executable, sizeof(its->executable));
    if (process_executed_as(pid, name)) {
        const char *slash = strrchr(name, '/');
        snprintf(its->comm, sizeof(its->comm), "%.15s", slash ? slash + 1 : name);
    } else if ((comm = process_file(pid, "comm", &len))) {
        snprintf(its->comm, sizeof(its->comm), "%.*s", (int)strcspn(comm, "\n"), comm);
        free(comm);
    }
}

/* The environment as it was at the start, unless the program has written over it, as those do that
 * show their state in ps. Then the variable is not there that the library came by. */
static bool read_environment(struct config *its, const char *bytes, size_t len)
{
    size_t prefix = strlen(OPTIONS_PREFIX);
    bool whole = false;
    struct option_rule rule;

    for (size_t i = 0; i < len; i += strlen(bytes + i) + 1) {
        const char *variable = bytes + i;
        size_t name_len = strcspn(variable, "=");

        if (strncmp(variable, "LD_PRELOAD=", 11) == 0)
            whole |= preload_names_library(variable + 11);
        else if (strncmp(variable, OPTIONS_PREFIX, prefix) == 0)
            options_take(its, variable + prefix, name_len - prefix,
                         variable[name_len] ? variable + name_len + 1 : "", &rule);
    }
    return whole;
}

/* What the library itself has made of its environment, if it is the build that this command belongs to and
 * still has its symbols. The process may have changed its environment since. */
static bool read_memory(struct config *its, pid_t pid, const struct library_place *place)
{
    char path[PATH_MAX + 64];
    struct stat ours, theirs;
    uint64_t address;
    struct elf elf;
    int mode = 0;
    bool found;
    int fd;

    snprintf(path, sizeof(path), "/proc/%ld/root%s", (long)pid, place->theirs);
    if (stat(place->ours, &ours) != 0 || stat(path, &theirs) != 0 || ours.st_dev != theirs.st_dev ||
        ours.st_ino != theirs.st_ino)
        return false;
    fd = open(place->ours, O_RDONLY | O_CLOEXEC);
    found = fd >= 0 && !elf_open(&elf, fd) && elf_object(&elf, "config", sizeof(*its), &address) &&
            process_memory(pid, place->start + address, its, sizeof(*its)) &&
            elf_object(&elf, "control_mode", sizeof(mode), &address) &&
            process_memory(pid, place->start + address, &mode, sizeof(mode));
    its->mode = (enum mode)mode;
    if (fd >= 0)
        close(fd);
    return found && mode >= MODE_OFF && mode <= MODE_LINGER &&
           memchr(its->comm, '\0', sizeof(its->comm));
}

static void say_mode(struct findings *f, const struct config *its)
{
    if (!its->in_programs)
        findings_add(f, AGAINST,
                     "SAFECLOSE_PROGRAMS doesn't list %s: the library does nothing in it",
                     its->comm);
    else if (its->controlled)
        findings_add(f, FOR,
                     "its mode is %s, and the file that SAFECLOSE_CONTROL names may change it",
                     options_mode_name(its->mode));
    else if (its->mode == MODE_OFF)
        findings_add(f, AGAINST, "its mode is off: the library does nothing in it");
    else
        findings_add(f, FOR, "its mode is %s", options_mode_name(its->mode));
}

const struct config *mode_of_process(struct findings *f, pid_t pid,
                                     const struct library_place *place)
{
    static struct config its;
    uint64_t secure;
    size_t len;
    char *bytes;
    bool known;

    if (process_auxiliary(pid, AT_SECURE, &secure) && secure) {
        findings_add(f, AGAINST,
                     "it was started with raised privileges (setuid, setgid or file capabilities): "
                     "the library stays off in it");
        return NULL;
    }
    if (read_memory(&its, pid, place)) {
        say_mode(f, &its);
        return &its;
    }
    its = (struct config){.mode = MODE_WARN, .in_programs = true};
    bytes = process_file(pid, "environ", &len);
    if (!bytes) {
        findings_add(f, UNSURE, "its mode is unknown: can't read its environment: %s",
                     strerror(errno));
        return NULL;
    }
    read_names(&its, pid);
    known = read_environment(&its, bytes, len);
    free(bytes);
    if (known && its.controlled && its.in_programs) {
        findings_add(f, FOR, "SAFECLOSE_MODE is %s in it; the file of SAFECLOSE_CONTROL may differ",
                     options_mode_name(its.mode));
        return NULL;
    }
    if (known)
        say_mode(f, &its);
    else
        findings_add(f, UNSURE,
                     "its mode is unknown: its environment no longer shows LD_PRELOAD (the program "
                     "has overwritten it, or /etc/ld.so.preload names the library); the first line "
                     "of its log tells the mode");
    return known ? &its : NULL;
}
