#include "executable.h"
#include "cli.h"
#include "script.h"
#include "search_path.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#define STATIC_ADVICE                                                                              \
    "link it dynamically; the kernel counts its resets meanwhile: nstat -az TcpExtTCPAbortOnClose"

static const char *machine_text(const struct elf_facts *e)
{
    static char text[2][64];
    static unsigned next;
    char *t = text[next++ % 2];
    const char *name = elf_machine_name(e->machine);

    if (name)
        snprintf(t, sizeof(text[0]), "%u-bit %s%s", e->bits, name,
                 e->big_endian ? " (big-endian)" : "");
    else
        snprintf(t, sizeof(text[0]), "%u-bit, machine %u%s", e->bits, e->machine,
                 e->big_endian ? " (big-endian)" : "");
    return t;
}

static bool same_machine(const struct elf_facts *a, const struct elf_facts *b)
{
    return a->bits == b->bits && a->machine == b->machine && a->big_endian == b->big_endian;
}

/* The other word size is no obstacle where the loader finds a library of its own by $LIB. */
static bool other_size_fits(const struct library *library, const struct elf_facts *e)
{
    struct elf_facts other;
    char file[PATH_MAX];
    int fd;
    bool fits;

    if (!library->for_each_size || !library_for_loader(library, e->interpreter, file))
        return false;
    fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    fits = !elf_facts_read(&other, fd) && same_machine(&other, e);
    close(fd);
    return fits;
}

static void judge_machine(struct findings *f, const struct library *library,
                          const struct elf_facts *e)
{
    if (same_machine(e, &library->facts))
        findings_add(f, FOR, "it is %s, as the library is", machine_text(e));
    else if (other_size_fits(library, e))
        findings_add(f, FOR, "it is %s, and there is a library for that", machine_text(e));
    else {
        findings_add(f, AGAINST, "it is %s, the library %s", machine_text(e),
                     machine_text(&library->facts));
        findings_add(f, DO, "build the library for %s, and preload that one", machine_text(e));
    }
}

/* Whether it is linked to be loaded by itself, by a loader, or not at all. */
static bool judge_linking(struct findings *f, const struct elf_facts *e)
{
    if (e->type != ET_EXEC && e->type != ET_DYN)
        findings_add(f, AGAINST, "it is an ELF file, but no program: %s",
                     e->type == ET_REL    ? "an object file, to be linked first"
                     : e->type == ET_CORE ? "a core dump"
                                          : "of an unknown type");
    else if (e->interpreter[0])
        return true;
    else if (e->has_soname)
        findings_add(f, AGAINST, "it is a library or the loader itself: ask about a program");
    else {
        findings_add(f, AGAINST,
                     e->dynamic ? "it is linked statically (static-pie): no library can "
                                  "be preloaded"
                                : "it is linked statically: no library can be preloaded");
        if (!e->go)
            findings_add(f, DO, STATIC_ADVICE);
    }
    return false;
}

/* The glibc of this machine, which is the one that the command itself runs with. */
static bool newer_than_here(const struct elf_facts *e)
{
#ifdef __GLIBC__
    unsigned major, minor;

    return sscanf(gnu_get_libc_version(), "%u.%u", &major, &minor) == 2 &&
           (e->glibc_major > major || (e->glibc_major == major && e->glibc_minor > minor));
#else
    return e->glibc_major > 0;
#endif
}

static void judge_glibc(struct findings *f, const struct library *library,
                        const struct elf_facts *e)
{
    char place[PATH_MAX];
    bool usual = realpath(e->interpreter, place) &&
                 (strncmp(place, "/lib", 4) == 0 || strncmp(place, "/usr/lib", 8) == 0);

    if (usual && newer_than_here(e))
        findings_add(f, AGAINST,
                     "it needs glibc %u.%u, which is newer than this machine's: it does not start",
                     e->glibc_major, e->glibc_minor);
    else if (!usual)
        findings_add(f, UNSURE,
                     "it brings a glibc of its own (%s); the library needs glibc %u.%u or newer",
                     e->interpreter, library->facts.glibc_major, library->facts.glibc_minor);
}

/* Whose loader it is; and whether it is here, for a program that is yet to be started. */
static void judge_loader(struct findings *f, const struct library *library,
                         const struct elf_facts *e, bool running)
{
    enum libc_kind wanted = library->facts.libc;
    bool here = running || access(e->interpreter, F_OK) == 0;

    if (!here)
        findings_add(f, AGAINST, "its loader %s is not here: it does not start", e->interpreter);
    if (e->loader == LIBC_OTHER)
        findings_add(f, UNSURE, "its loader %s is none that is known", e->interpreter);
    else if (e->loader != wanted && wanted != LIBC_NONE && wanted != LIBC_OTHER) {
        findings_add(f, AGAINST, "it is a program for %s (%s), the library is for %s",
                     libc_name(e->loader), e->interpreter, libc_name(wanted));
        findings_add(f, DO, "build the library with %s, and preload that one",
                     libc_name(e->loader));
    } else if (here) {
        findings_add(f, FOR, "it is linked dynamically; its loader %s reads LD_PRELOAD",
                     e->interpreter);
        if (e->loader == LIBC_GLIBC && !running)
            judge_glibc(f, library, e);
    }
}

static void judge_libc(struct findings *f, const struct elf_facts *e)
{
    if (e->go)
        findings_add(f, AGAINST, "it is a Go program: it calls the kernel itself, past libc");
    else if (!e->dynamic || !e->needed)
        findings_add(f, AGAINST, "it does not use libc: its closes go straight to the kernel");
    else if (e->libc == LIBC_NONE)
        findings_add(f, UNSURE, "it does not name libc among the libraries that it needs");
    if (e->asan[0])
        findings_add(f, FOR,
                     "it uses AddressSanitizer, whose runtime %s must come first: "
                     "safeclose run sees to that",
                     e->asan);
}

void executable_judge_elf(struct findings *f, const struct library *library, int fd,
                          struct executable *executable)
{
    struct elf_facts *e = calloc(1, sizeof(*e));
    const char *wrong = e ? elf_facts_read(e, fd) : "it needs more memory than there is";

    if (wrong) {
        findings_add(f, AGAINST, "%s", wrong);
        free(e);
        return;
    }
    judge_machine(f, library, e);
    if (judge_linking(f, e)) {
        judge_loader(f, library, e, executable->running);
        judge_libc(f, e);
        strcpy(executable->asan, e->asan);
    } else if (e->go)
        findings_add(f, AGAINST, "it is a Go program: it calls the kernel itself, past libc");
    free(e);
}

/* What execve would say of the file itself; 0 where it would go on. */
static int judge_file(struct findings *f, const char *file, int error)
{
    if (error == ENOENT && !strchr(file, '/')) {
        findings_add(f, AGAINST, "%s is not in PATH", file);
        if (access(file, F_OK) == 0)
            findings_add(f, DO, "write ./%s for the one in this directory", file);
    } else if (error == ENOENT || error == ENOTDIR)
        findings_add(f, AGAINST, "%s does not exist", file);
    else if (error == EISDIR)
        findings_add(f, AGAINST, "%s is a directory", file);
    else if (error == EACCES)
        findings_add(f, AGAINST, "%s is not executable: %s", file,
                     access(file, F_OK) == 0 ? "no permission, or a file system mounted noexec"
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

static void judge_open(struct findings *f, const struct library *library, const char *file, int fd,
                       unsigned depth, struct executable *executable);

static void judge_path(struct findings *f, const struct library *library, const char *file,
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
static void judge_script(struct findings *f, const struct library *library,
                         const struct script *script, unsigned depth, struct executable *executable)
{
    /* The kernel follows as many. */
    if (depth == 5) {
        findings_add(f, AGAINST, "too many scripts start each other: Linux gives up at 5");
        return;
    }
    if (script->env_clears)
        findings_add(f, AGAINST, "%s empties the environment, LD_PRELOAD with it",
                     script->interpreter);
    if (script->env_program[0])
        findings_add(f, NOTE, "it is a script, which %s starts with %s", script->interpreter,
                     script->env_program);
    else
        findings_add(f, NOTE, "it is a script, which %s runs", script->interpreter);
    judge_path(f, library, script->env_program[0] ? script->env_program : script->interpreter,
               depth + 1, executable);
}

static void judge_open(struct findings *f, const struct library *library, const char *file, int fd,
                       unsigned depth, struct executable *executable)
{
    struct script script;

    switch (kind_of(fd, &script)) {
    case SCRIPT_ELF:
        if (depth)
            findings_add(f, NOTE, "what follows is said of %s", file);
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
        findings_add(f, AGAINST,
                     "%s begins with #!, but names no interpreter that Linux could start", file);
        break;
    case SCRIPT_PLAIN:
        findings_add(f, NOTE, "%s has no #! line: shells and safeclose run give it to /bin/sh",
                     file);
        strcpy(script.interpreter, "/bin/sh");
        /* fall through */
    case SCRIPT_LINE:
        judge_script(f, library, &script, depth, executable);
    }
}

void executable_judge(struct findings *f, const struct library *library, const char *file,
                      struct executable *executable)
{
    memset(executable, 0, sizeof(*executable));
    judge_path(f, library, file, 0, executable);
}
