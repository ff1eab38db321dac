#include "preload/library.h"
#include "common/say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

/* The directory of this command, links resolved. */
static bool own_directory(char dir[PATH_MAX])
{
    const char *invoked = (const char *)getauxval(AT_EXECFN);

    if (!realpath("/proc/self/exe", dir) && !(invoked && realpath(invoked, dir)))
        return false;
    *strrchr(dir, '/') = '\0';
    return true;
}

static bool own_loader(char loader[PATH_MAX])
{
    struct elf_facts facts;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && !elf_facts_read(&facts, fd) && facts.interpreter[0];

    if (fd >= 0)
        close(fd);
    if (ok)
        strcpy(loader, facts.interpreter);
    return ok;
}

/* What a loader takes for $LIB is the directory that it lies in itself, once links are resolved:
 * "lib/x86_64-linux-gnu", "lib64", "lib32". */
static bool lib_of_loader(const char *loader, char lib[PATH_MAX])
{
    char path[PATH_MAX], *from = path, *slash;

    if (!realpath(loader, path))
        return false;
    if (strncmp(from, "/usr/", 5) == 0)
        from += 5;
    else
        from++;
    slash = strrchr(from, '/');
    if (!slash)
        return false;
    *slash = '\0';
    strcpy(lib, from);
    return true;
}

static bool there(char file[PATH_MAX], const char *dir, const char *lib)
{
    int n = snprintf(file, PATH_MAX, "%s%s%s/" LIBRARY_NAME, dir, *lib ? "/" : "", lib);

    return n < PATH_MAX && access(file, F_OK) == 0;
}

static bool for_loader(const struct library *library, const char *loader, char file[PATH_MAX])
{
    char lib[PATH_MAX];

    return library->prefix[0] && lib_of_loader(loader, lib) && there(file, library->prefix, lib);
}

/* A library of another word size, beside our own. */
static bool has_another_size(const struct library *library, const char *loader)
{
    static const char *const loaders[] = {
        "/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux.so.2",       "/libx32/ld-linux-x32.so.2",
        "/lib/ld-linux-aarch64.so.1",  "/lib/ld-linux-armhf.so.3",
    };
    char own[PATH_MAX], other[PATH_MAX];

    if (!for_loader(library, loader, own))
        return false;
    for (size_t i = 0; i < sizeof(loaders) / sizeof(loaders[0]); i++)
        if (for_loader(library, loaders[i], other) && strcmp(own, other) != 0)
            return true;
    return false;
}

static bool find_file(struct library *library, const char *loader)
{
    char dir[PATH_MAX], *name;

    if (!own_directory(dir)) {
        unable("find " LIBRARY_NAME
               ": can't find out where this command is installed; is /proc mounted?");
        return false;
    }
    if (there(library->file, dir, ""))
        return true;
    name = strrchr(dir, '/');
    if (name && strcmp(name, "/bin") == 0) {
        *name = '\0';
        strcpy(library->prefix, dir);
        library->for_each_size = *loader && has_another_size(library, loader);
        if ((library->for_each_size && for_loader(library, loader, library->file)) ||
            there(library->file, dir, "lib") ||
            (*loader && for_loader(library, loader, library->file)) ||
            there(library->file, dir, "lib64"))
            return true;
        unable("find " LIBRARY_NAME ": it is neither in %s/bin nor in %s/lib; install both with: "
               "make install",
               dir, dir);
    } else
        unable("find " LIBRARY_NAME
               ": it is not in %s, the directory of this command; to build both: make",
               dir);
    return false;
}

/* The loader splits LD_PRELOAD at spaces and colons, replaces $LIB and the like, and knows no way
 * to quote. */
static bool can_be_named(const char *file)
{
    const char *bad = strpbrk(file, " :$");

    if (bad)
        unable(
            "preload \"%s\": LD_PRELOAD can't hold a path with a \"%c\"; install it somewhere else: "
            "make install PREFIX=...",
            file, *bad);
    return !bad;
}

/* The build for musl names no libc (shim/ground/libc.h). */
static const char *read_build(struct elf_facts *facts, int fd)
{
    const char *wrong = elf_facts_read(facts, fd);

    if (!wrong && facts->libc == LIBC_NONE)
        facts->libc = LIBC_MUSL;
    return wrong;
}

bool library_find(struct library *library)
{
    char loader[PATH_MAX] = "";
    const char *wrong;
    int fd;

    memset(library, 0, sizeof(*library));
    own_loader(loader);
    if (!find_file(library, loader) || !can_be_named(library->file))
        return false;
    fd = open(library->file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        unable("read %s: %s", library->file, strerror(errno));
        return false;
    }
    wrong = read_build(&library->facts, fd);
    close(fd);
    if (wrong)
        unable("use %s: %s; to build it again: make", library->file, wrong);
    return !wrong;
}

static bool fits(const struct elf_facts *build, const struct elf_facts *program)
{
    bool named = program->loader != LIBC_NONE && program->loader != LIBC_OTHER;

    return build->bits == program->bits && build->machine == program->machine &&
           build->big_endian == program->big_endian && (!named || build->libc == program->loader);
}

/* Where the build for this program is, or would be. */
static bool place_for(const struct library *library, const struct elf_facts *program,
                      char place[PATH_MAX])
{
    static const char musl[] = "/ld-musl-";
    const char *slash = strrchr(program->interpreter, '/');
    char lib[PATH_MAX];
    int n = PATH_MAX;

    if (library->prefix[0] && slash && strncmp(slash, musl, sizeof(musl) - 1) == 0) {
        const char *machine = slash + sizeof(musl) - 1;

        n = snprintf(place, PATH_MAX, "%s/lib/%.*s-linux-musl/" LIBRARY_NAME, library->prefix,
                     (int)strcspn(machine, "."), machine);
    } else if (library->prefix[0] && slash && lib_of_loader(program->interpreter, lib))
        n = snprintf(place, PATH_MAX, "%s/%s/" LIBRARY_NAME, library->prefix, lib);
    if (n >= PATH_MAX)
        *place = '\0';
    return *place;
}

bool library_choose(struct library *library, const struct elf_facts *program, char place[PATH_MAX])
{
    struct elf_facts build = {0};
    bool ok = false;
    int fd;

    if (fits(&library->facts, program)) {
        strcpy(place, library->file);
        return true;
    }
    if (!place_for(library, program, place))
        return false;
    fd = open(place, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ok = !read_build(&build, fd) && fits(&build, program);
        close(fd);
        if (!ok) /* it is of use to other programs */
            *place = '\0';
    }
    if (ok) {
        library->for_each_size &= build.libc == LIBC_GLIBC;
        library->facts = build;
        strcpy(library->file, place);
    }
    return ok;
}

char *library_name(const struct library *library)
{
    return library->for_each_size ? text_of("%s/$LIB/" LIBRARY_NAME, library->prefix)
                                  : text_of("%s", library->file);
}
