#include "check/executable.h"
#include "common/say.h"
#include "check/script.h"
#include "common/search_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What execve would say of the file itself; 0 if it would go on. */
static int judge_file(struct findings *f, const char *file, int error)
{
    if (error == ENOENT && !strchr(file, '/')) {
        findings_add(f, AGAINST, "%s is not in PATH", file);
        if (access(file, F_OK) == 0)
            findings_add(f, DO, "for the one in this directory write ./%s", file);
    } else if (error == ENOENT || error == ENOTDIR)
        findings_add(f, AGAINST, "%s does not exist", file);
    else if (error == EISDIR)
        findings_add(f, AGAINST, "%s is a directory", file);
    else if (error == EACCES)
        findings_add(f, AGAINST, "%s can't be executed: %s", file,
                     access(file, F_OK) == 0
                         ? "it is not an executable file, or its file system is mounted noexec"
                         : strerror(EACCES));
    else if (error)
        findings_add(f, AGAINST, "%s can't be run: %s", file, strerror(error));
    return error;
}

/* By its first bytes: what the kernel takes for an executable, or for a script. */
static enum script_kind kind_of(int fd, struct script *script)
{
    char bytes[SCRIPT_BYTES];
    ssize_t n = pread(fd, bytes, sizeof(bytes), 0);

    return script_read(script, bytes, n > 0 ? (size_t)n : 0);
}

static void judge_open(struct findings *f, struct library *library, const char *file, int fd,
                       unsigned depth, struct executable *executable);

static void judge_path(struct findings *f, struct library *library, const char *file,
                       unsigned depth, struct executable *executable)
{
    char found[PATH_MAX];
    int error = search_path(file, found);
    int fd;

    if (judge_file(f, found[0] ? found : file, error))
        return;
    fd = open(found, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        findings_add(f, UNSURE, "%s can't be read: %s", found, strerror(errno));
        return;
    }
    judge_open(f, library, found, fd, depth, executable);
    close(fd);
}

/* The interpreter of a script, and what /usr/bin/env starts in its place. */
static void judge_script(struct findings *f, struct library *library, const struct script *script,
                         unsigned depth, struct executable *executable)
{
    /* The kernel follows as many. */
    if (depth == 5) {
        findings_add(f, AGAINST, "its interpreter is a script, and so on: Linux follows at most 5");
        return;
    }
    if (script->env_clears)
        findings_add(f, AGAINST, "%s clears the environment, and with it LD_PRELOAD",
                     script->interpreter);
    if (script->env_program[0])
        findings_add(f, NOTE, "it is a script: %s runs it with %s", script->interpreter,
                     script->env_program);
    else
        findings_add(f, NOTE, "it is a script: %s runs it", script->interpreter);
    judge_path(f, library, script->env_program[0] ? script->env_program : script->interpreter,
               depth + 1, executable);
}

static void judge_open(struct findings *f, struct library *library, const char *file, int fd,
                       unsigned depth, struct executable *executable)
{
    struct script script;

    switch (kind_of(fd, &script)) {
    case SCRIPT_ELF:
        if (depth)
            findings_add(f, NOTE, "the lines below are about %s", file);
        executable_judge_privileges(f, fd);
        executable_judge_elf(f, library, fd, executable);
        break;
    case SCRIPT_EMPTY:
        findings_add(f, AGAINST, "%s is an empty file", file);
        break;
    case SCRIPT_BINARY:
        findings_add(f, AGAINST, "%s is neither an ELF program nor a script", file);
        break;
    case SCRIPT_BROKEN:
        findings_add(f, AGAINST, "the #! line of %s names no interpreter", file);
        break;
    case SCRIPT_PLAIN:
        findings_add(f, NOTE, "%s has no #! line: shells, and safeclose run, start it with /bin/sh",
                     file);
        strcpy(script.interpreter, "/bin/sh");
        /* fall through */
    case SCRIPT_LINE:
        judge_script(f, library, &script, depth, executable);
    }
}

void executable_judge(struct findings *f, struct library *library, const char *file,
                      struct executable *executable)
{
    memset(executable, 0, sizeof(*executable));
    judge_path(f, library, file, 0, executable);
}
