#include "mode_of.h"
#include "options.h"
#include "preload.h"
#include "process.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void say_mode(struct findings *f, const struct config *its)
{
    if (its->mode == MODE_OFF)
        findings_add(f, AGAINST, "its mode is off: the library does nothing in it");
    else if (!its->in_programs)
        findings_add(f, AGAINST,
                     "SAFECLOSE_PROGRAMS doesn't list %s: the library does nothing in it",
                     its->comm);
    else
        findings_add(f, FOR, "its mode is %s", options_mode_name(its->mode));
}

const struct config *mode_of_process(struct findings *f, pid_t pid)
{
    static struct config its;
    uint64_t secure;
    size_t len;
    char *bytes;
    bool known;

    its = (struct config){.mode = MODE_WARN, .in_programs = true};
    if (process_auxiliary(pid, AT_SECURE, &secure) && secure) {
        findings_add(f, AGAINST,
                     "it was started with raised privileges (setuid, setgid or file capabilities): "
                     "the library stays off in it");
        return NULL;
    }
    bytes = process_file(pid, "environ", &len);
    if (!bytes) {
        findings_add(f, UNSURE, "its mode is unknown: can't read its environment: %s",
                     strerror(errno));
        return NULL;
    }
    read_names(&its, pid);
    known = read_environment(&its, bytes, len);
    free(bytes);
    if (known)
        say_mode(f, &its);
    else
        findings_add(f, UNSURE,
                     "its mode is unknown: its environment no longer shows LD_PRELOAD (the program "
                     "has overwritten it, or /etc/ld.so.preload names the library); the first line "
                     "of its log tells the mode");
    return known ? &its : NULL;
}
