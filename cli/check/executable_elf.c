/* Whether the library fits an ELF file: machine, linking, loader, libc. */
#include "common/say.h"
#include "check/executable.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#define COUNT_ADVICE "count the resets of all programs together: nstat -az TcpExtTCPAbortOnClose"
#define GO_REASON                                                                                  \
    "it is a Go program: it makes its system calls without libc, so the library sees none of them"

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

/* What makes the build for such programs; NULL if there is none: shim/ground/sys.h has system calls for no others, and
 * the names that handle times on 32-bit machines (shim/hooks/time64.c) are those of glibc. */
static const char *make_for(const struct elf_facts *e)
{
    bool musl = e->loader == LIBC_MUSL;

    if (e->big_endian || (e->loader != LIBC_GLIBC && !musl))
        return NULL;
    if (e->bits == 64 && e->machine == EM_X86_64)
        return musl ? "make CC=musl-gcc" : "make";
    if (e->bits == 64 && e->machine == EM_AARCH64)
        return musl ? "make CC=aarch64-linux-musl-gcc" : "make ARCH=aarch64";
    if (e->bits == 32 && e->machine == EM_386 && !musl)
        return "make ARCH=i386";
    return NULL;
}

static void advise_build(struct findings *f, const struct elf_facts *e, const char *place)
{
    const char *make = make_for(e);

    if (make && *place)
        findings_add(f, DO, "build the library for it (%s), and install that as %s", make, place);
    else if (make)
        findings_add(f, DO, "build the library for it (%s), and preload that one", make);
    else {
        findings_add(f, NOTE,
                     "safeclose can be built for x86-64, i386 and arm64 with glibc, and for x86-64 "
                     "and arm64 with musl");
        findings_add(f, DO, COUNT_ADVICE);
    }
}

/* The build for its machine and libc. False if there is none; place is where it would be. */
static bool judge_build(struct findings *f, struct library *library, const struct elf_facts *e,
                        char place[PATH_MAX])
{
    struct elf_facts usual = library->facts;
    bool found = library_choose(library, e, place);

    if (found && same_machine(e, &usual) && usual.libc == library->facts.libc)
        findings_add(f, FOR, "it is %s, like the library", machine_text(e));
    else if (found)
        findings_add(f, FOR, "it is %s with %s, and a library for that is installed: %s",
                     machine_text(e), libc_name(library->facts.libc), library->file);
    else if (!same_machine(e, &usual))
        findings_add(f, AGAINST, "it is %s, but the library is %s", machine_text(e),
                     machine_text(&usual));
    return found;
}

/* Whether it is linked to be loaded by itself, by a loader, or not at all. */
static bool judge_linking(struct findings *f, const struct elf_facts *e)
{
    if (e->type != ET_EXEC && e->type != ET_DYN)
        findings_add(f, AGAINST, "it is an ELF file, but not a program: %s",
                     e->type == ET_REL    ? "an object file, not linked yet"
                     : e->type == ET_CORE ? "a core dump"
                                          : "of an unknown type");
    else if (e->interpreter[0])
        return true;
    else if (e->has_soname)
        findings_add(f, AGAINST, "it is a library, or the loader itself, not a program");
    else {
        findings_add(f, AGAINST,
                     e->dynamic ? "it is linked statically (static-pie): no library can "
                                  "be preloaded"
                                : "it is linked statically: no library can be preloaded");
        if (!e->go)
            findings_add(f, DO, "link it dynamically, if you can build it");
        findings_add(f, DO, COUNT_ADVICE);
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
                     "it needs glibc %u.%u, which is newer than this machine's: it can't start",
                     e->glibc_major, e->glibc_minor);
    else if (!usual)
        findings_add(
            f, UNSURE,
            "it has its own glibc (%s): unknown whether that is glibc %u.%u or newer, which the "
            "library needs",
            e->interpreter, library->facts.glibc_major, library->facts.glibc_minor);
}

/* Whose loader it is; and whether it is here, for a program that is yet to be started. */
static void judge_loader(struct findings *f, const struct library *library,
                         const struct elf_facts *e, bool running)
{
    enum libc_kind wanted = library->facts.libc;
    bool here = running || access(e->interpreter, F_OK) == 0;

    if (!here)
        findings_add(f, AGAINST, "its loader %s doesn't exist here: it can't start",
                     e->interpreter);
    if (e->loader == LIBC_OTHER)
        findings_add(f, UNSURE, "its loader %s is not a known one", e->interpreter);
    else if (e->loader != wanted && wanted != LIBC_NONE && wanted != LIBC_OTHER) {
        findings_add(f, AGAINST,
                     "it is a %s program (its loader is %s), but the library is built for %s: "
                     "with the library the program does not start",
                     libc_name(e->loader), e->interpreter, libc_name(wanted));
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
        findings_add(f, AGAINST, GO_REASON);
    else if (!e->dynamic || !e->needed)
        findings_add(f, AGAINST,
                     "it doesn't use libc, so the library doesn't see its system calls");
    else if (e->libc == LIBC_NONE)
        findings_add(f, UNSURE, "it doesn't list libc among the libraries that it needs");
    if (e->psx)
        findings_add(f, UNSURE,
                     "it uses libpsx, which sends every thread a signal when the program changes "
                     "its rights, and waits for an answer. The library's thread doesn't answer: "
                     "use only log and warn");
    if (e->asan[0])
        findings_add(f, FOR,
                     "it uses AddressSanitizer, whose runtime %s must be preloaded before the "
                     "library: safeclose run does that",
                     e->asan);
}

void executable_judge_elf(struct findings *f, struct library *library, int fd,
                          struct executable *executable)
{
    struct elf_facts *e = calloc(1, sizeof(*e));
    char place[PATH_MAX] = "";
    bool found;
    const char *wrong = e ? elf_facts_read(e, fd) : "there is not enough memory to read it";

    if (wrong) {
        findings_add(f, AGAINST, "%s", wrong);
        free(e);
        return;
    }
    found = judge_build(f, library, e, place);
    if (judge_linking(f, e)) {
        judge_loader(f, library, e, executable->running);
        judge_libc(f, e);
        if (!found)
            advise_build(f, e, place);
        strcpy(executable->asan, e->asan);
    } else if (e->go)
        findings_add(f, AGAINST, GO_REASON);
    free(e);
}
