/* Whether the library fits an ELF file: machine, linking, loader, libc. */
#include "cli.h"
#include "executable.h"

#include <elf.h>
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
    if (e->psx)
        findings_add(f, UNSURE,
                     "it uses libpsx, which carries a change of rights to threads by a signal: "
                     "the library's thread answers none; keep to the modes log and warn");
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
