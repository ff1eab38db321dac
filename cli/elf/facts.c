#include "elf/facts.h"
#include "elf/reader.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

/* Far more than any linker writes. It bounds the work that a file can ask for. */
#define MOST_RECORDS 4096

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static enum libc_kind loader_kind(const char *path)
{
    static const struct {
        const char *name;
        enum libc_kind kind;
    } loaders[] = {{"ld-linux", LIBC_GLIBC},   {"ld64.so", LIBC_GLIBC},
                   {"ld.so.1", LIBC_GLIBC},    {"ld-musl-", LIBC_MUSL},
                   {"ld-uClibc", LIBC_UCLIBC}, {"ld64-uClibc", LIBC_UCLIBC},
                   {"linker64", LIBC_BIONIC},  {"linker", LIBC_BIONIC}};
    const char *slash = strrchr(path, '/');

    for (size_t i = 0; i < sizeof(loaders) / sizeof(loaders[0]); i++)
        if (begins(slash ? slash + 1 : path, loaders[i].name))
            return loaders[i].kind;
    return *path ? LIBC_OTHER : LIBC_NONE;
}

static void note_needed(struct elf_facts *facts, const char *name)
{
    facts->needed++;
    if (begins(name, "libc.so.6"))
        facts->libc = LIBC_GLIBC;
    else if (begins(name, "libc.musl-"))
        facts->libc = LIBC_MUSL;
    else if (begins(name, "libc.so") && facts->libc == LIBC_NONE)
        facts->libc = LIBC_OTHER;
    if (begins(name, "libpsx.so"))
        facts->psx = true;
    if ((begins(name, "libasan.so") || begins(name, "libclang_rt.asan")) &&
        strlen(name) < sizeof(facts->asan))
        strcpy(facts->asan, name);
}

/* "GLIBC_2.34" raises what is asked for. */
static void note_version(struct elf_facts *facts, const char *name)
{
    unsigned long major, minor;
    char *end;

    if (!begins(name, "GLIBC_") || name[6] < '0' || name[6] > '9')
        return;
    major = strtoul(name + 6, &end, 10);
    minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    if (major > 999 || minor > 999 || major < facts->glibc_major ||
        (major == facts->glibc_major && minor <= facts->glibc_minor))
        return;
    facts->glibc_major = (unsigned)major;
    facts->glibc_minor = (unsigned)minor;
}

/* The records of what versions are needed have the same form in 32 and 64 bit. */
static void read_versions(struct elf_facts *facts, const struct elf *elf, uint64_t at,
                          uint64_t names)
{
    unsigned char need[sizeof(Elf64_Verneed)], aux[sizeof(Elf64_Vernaux)];
    unsigned left = MOST_RECORDS;
    char name[64];

#define NEED(member) elf_number(elf, need + offsetof(Elf64_Verneed, member), 4)
#define AUX(member) elf_number(elf, aux + offsetof(Elf64_Vernaux, member), 4)
    for (; left && elf_read(elf, at, need, sizeof(need)); left--) {
        uint64_t aux_at = at + NEED(vn_aux);

        for (; left && elf_read(elf, aux_at, aux, sizeof(aux)); left--) {
            if (elf_text(elf, names + AUX(vna_name), name, sizeof(name)))
                note_version(facts, name);
            if (!AUX(vna_next))
                break;
            aux_at += AUX(vna_next);
        }
        if (!left || !NEED(vn_next))
            break;
        at += NEED(vn_next);
    }
#undef NEED
#undef AUX
}

static void read_dynamic(struct elf_facts *facts, const struct elf *elf,
                         const struct elf_segment *segment)
{
    uint64_t names = 0, versions = 0;
    struct elf_dynamic entry;
    char name[NAME_MAX];

    for (unsigned i = 0; i < MOST_RECORDS && elf_dynamic(elf, segment, i, &entry); i++) {
        if (entry.tag == DT_STRTAB && !elf_offset_of(elf, entry.value, &names))
            names = 0;
        else if (entry.tag == DT_VERNEED && !elf_offset_of(elf, entry.value, &versions))
            versions = 0;
        else if (entry.tag == DT_SONAME)
            facts->has_soname = true;
    }
    if (!names)
        return;
    for (unsigned i = 0; i < MOST_RECORDS && elf_dynamic(elf, segment, i, &entry); i++)
        if (entry.tag == DT_NEEDED && entry.value < elf->size &&
            elf_text(elf, names + entry.value, name, sizeof(name)))
            note_needed(facts, name);
    if (versions)
        read_versions(facts, elf, versions, names);
}

/* Go's linker leaves its build's id in a note of the name "Go". */
static bool has_go_note(const struct elf *elf, const struct elf_segment *segment)
{
    uint64_t at = segment->offset, end = segment->offset + segment->size;
    unsigned char note[sizeof(Elf64_Nhdr)];
    char name[4];

    for (unsigned left = MOST_RECORDS; left && at < end && elf_read(elf, at, note, sizeof(note));
         left--) {
        uint64_t name_size = elf_number(elf, note, 4), size = elf_number(elf, note + 4, 4);

        at += sizeof(note);
        if (name_size == 4 && elf_read(elf, at, name, 4) && memcmp(name, "Go\0\0", 4) == 0)
            return true;
        at += ((name_size + 3) & ~3ULL) + ((size + 3) & ~3ULL);
    }
    return false;
}

static bool has_go_section(const struct elf *elf)
{
    struct elf_section section;
    char name[32];

    for (unsigned i = 0; i < MOST_RECORDS && elf_section(elf, i, &section); i++)
        if (elf_section_name(elf, &section, name, sizeof(name)) &&
            (begins(name, ".note.go.") || begins(name, ".gopclntab") || begins(name, ".go.build")))
            return true;
    return false;
}

static const char *read_interpreter(struct elf_facts *facts, const struct elf *elf,
                                    const struct elf_segment *segment)
{
    if (segment->size < 2 || segment->size > sizeof(facts->interpreter) ||
        !elf_read(elf, segment->offset, facts->interpreter, (size_t)segment->size) ||
        facts->interpreter[segment->size - 1] != '\0')
        return "it is damaged: can't read the name of its loader";
    facts->loader = loader_kind(facts->interpreter);
    return NULL;
}

const char *elf_facts_read(struct elf_facts *facts, int fd)
{
    struct elf_segment segment;
    struct elf elf;
    const char *wrong = elf_open(&elf, fd);

    memset(facts, 0, sizeof(*facts));
    if (wrong)
        return wrong;
    facts->bits = elf.is64 ? 64 : 32;
    facts->big_endian = elf.big_endian;
    facts->type = elf.type;
    facts->machine = elf.machine;
    facts->go = has_go_section(&elf);
    for (unsigned i = 0; !wrong && elf_segment(&elf, i, &segment); i++) {
        if (segment.type == PT_INTERP && !facts->interpreter[0])
            wrong = read_interpreter(facts, &elf, &segment);
        else if (segment.type == PT_NOTE)
            facts->go |= has_go_note(&elf, &segment);
        else if (segment.type == PT_DYNAMIC && !facts->dynamic) {
            facts->dynamic = true;
            read_dynamic(facts, &elf, &segment);
        }
    }
    return wrong;
}

/* 258 is EM_LOONGARCH, which older headers don't have. */
const char *elf_machine_name(uint16_t machine)
{
    static const struct {
        uint16_t machine;
        const char *name;
    } names[] = {{EM_X86_64, "x86-64"}, {EM_386, "i386"},       {EM_AARCH64, "arm64"},
                 {EM_ARM, "arm"},       {EM_RISCV, "risc-v"},   {EM_PPC64, "powerpc64"},
                 {EM_PPC, "powerpc"},   {EM_S390, "s390"},      {EM_MIPS, "mips"},
                 {258, "loongarch"},    {EM_SPARCV9, "sparc64"}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].machine == machine)
            return names[i].name;
    return NULL;
}

const char *libc_name(enum libc_kind kind)
{
    static const char *const names[] = {
        [LIBC_NONE] = "no libc",  [LIBC_GLIBC] = "glibc",   [LIBC_MUSL] = "musl",
        [LIBC_UCLIBC] = "uClibc", [LIBC_BIONIC] = "bionic", [LIBC_OTHER] = "another libc"};

    return names[kind];
}
