/* For the reader itself: the structures of ELF, which have two forms. */
#ifndef SAFECLOSE_ELF_MEMBER_H
#define SAFECLOSE_ELF_MEMBER_H

#include "elf/reader.h"

#include <elf.h>

/* A member of a structure of the file. */
#define MEMBER(elf, bytes, type, member)                                                           \
    ((elf)->is64 ? elf_number(elf, (bytes) + offsetof(Elf64_##type, member),                       \
                              sizeof(((Elf64_##type *)0)->member))                                 \
                 : elf_number(elf, (bytes) + offsetof(Elf32_##type, member),                       \
                              sizeof(((Elf32_##type *)0)->member)))

#endif
