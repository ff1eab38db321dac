/* What of an executable or library decides whether the one can be preloaded into the other. */
#ifndef SAFECLOSE_ELF_FACTS_H
#define SAFECLOSE_ELF_FACTS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

enum libc_kind { LIBC_NONE, LIBC_GLIBC, LIBC_MUSL, LIBC_UCLIBC, LIBC_BIONIC, LIBC_OTHER };

struct elf_facts {
    unsigned bits;
    bool big_endian;
    uint16_t type; /* ET_... */
    uint16_t machine;
    char interpreter[PATH_MAX]; /* the loader; "" if it has none */
    enum libc_kind loader;      /* whose that is */
    bool dynamic;
    bool has_soname;
    unsigned needed;      /* how many libraries it names */
    enum libc_kind libc;  /* the one among them */
    char asan[NAME_MAX];  /* AddressSanitizer's runtime among them, or "" */
    bool psx;             /* libpsx is among them */
    unsigned glibc_major; /* the newest version of glibc that it asks for, 0.0 where none */
    unsigned glibc_minor;
    bool go;
};

/* NULL; or why the file can't be judged, as a sentence that begins with "it". */
const char *elf_facts_read(struct elf_facts *facts, int fd);

/* "x86-64"; NULL if it has no name here. */
const char *elf_machine_name(uint16_t machine);

/* "glibc" and so on. */
const char *libc_name(enum libc_kind kind);

#endif
