/*
 * The executables and libraries that processes have mapped: where a mapped byte is in the file, and the
 * tables for unwinding (.eh_frame). A file is known by its device and inode, as the kernel says them of a mapping,
 * so that one library is read once, whichever process, container or chroot has it.
 *
 * Bounds: 512 files are kept, each open, with tables of at most 64 MB; what was not used for longest goes first.
 */
#ifndef SAFECLOSE_IMAGE_H
#define SAFECLOSE_IMAGE_H

#include "process/mappings.h"
#include "elf/reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_SEGMENTS 16

struct image {
    uint64_t device;
    uint64_t inode;
    int fd;      /* -1: it can't be read */
    pid_t tried; /* the last process that it was looked for in */
    bool is_read;
    bool foreign;   /* opened below another root than ours */
    char path[512]; /* as the process names it; cut where longer */
    unsigned segments;
    struct elf_segment segment[IMAGE_SEGMENTS]; /* that are loaded */
    uint8_t *tables;                            /* a copy, from tables_at on; NULL: none */
    size_t tables_size;
    uint64_t tables_at; /* address in the file, as nm counts */
    uint64_t header_at; /* the same of .eh_frame_hdr */
    unsigned long used;
};

/* The file of a mapping of a process, opened if it can be; NULL if it has none, as code that was made at run time.
 * Good until the next call. */
struct image *image_of(pid_t pid, pid_t parent, const struct mapping *mapping);

/* Reads its segments and tables, at the first call. False if there are none: it is no ELF file of 64 bits. */
bool image_read(struct image *image);

/* One that was found before; NULL if it is not kept any more. */
struct image *image_known(uint64_t device, uint64_t inode);

/* Where the byte at this offset of the file is loaded, as nm counts; false if it isn't. */
bool image_address(const struct image *image, uint64_t offset, uint64_t *address);

#endif
