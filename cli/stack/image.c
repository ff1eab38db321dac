#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "stack/eh_index.h"
#include "stack/image.h"
#include "process/process.h"
#include "symbols/open_below.h"

#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define IMAGES 512
#define MOST_TABLES (64U << 20)

/* Changed by this file only. The keys stand apart, because they are looked through for each frame. */
static struct image images[IMAGES];
static struct {
    uint64_t device;
    uint64_t inode;
} keys[IMAGES];
static unsigned count;
static unsigned long uses;

/* ---- The file ------------------------------------------------------------------------------------ */

static int open_path(const char *path)
{
    const char *why;

    return open_below(NULL, path, &why);
}

/* By its place in memory: this is the very file, even if it was deleted or replaced. PROCESS is an open folder of /proc: it
 * stays that process's when the number is used again. */
static int open_mapped(int process, const struct mapping *m)
{
    char path[128];

    snprintf(path, sizeof(path), "/proc/self/fd/%d/map_files/%" PRIx64 "-%" PRIx64, process,
             m->start, m->end);
    return open_path(path);
}

/* By its name below the root of a process. On a file system that has no device of its own (overlay) a file's number
 * says nothing. */
static int open_named(int process, const struct mapping *m)
{
    char path[PATH_MAX + 64];
    struct stat st;
    int fd;

    snprintf(path, sizeof(path), "/proc/self/fd/%d/root%s", process, m->path);
    fd = open_path(path);
    if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_ino == m->inode || major(st.st_dev) == 0))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Below our own root, for a process that is gone and left no parent. */
static int open_here(const struct mapping *m)
{
    struct stat st;
    int fd = open_path(m->path);

    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == m->inode &&
        ((uint64_t)major(st.st_dev) << 32 | minor(st.st_dev)) == m->device)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool link_is(int process, const char *name, const char *expected)
{
    char path[64], target[PATH_MAX];

    snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", process, name);
    ssize_t n = readlink(path, target, sizeof(target) - 1);

    target[n > 0 ? n : 0] = '\0';
    return strcmp(target, expected) == 0;
}

static bool has_our_root(int process)
{
    char namespace[64];

    return process_link(getpid(), "ns/mnt", namespace, sizeof(namespace)) &&
           link_is(process, "ns/mnt", namespace) && link_is(process, "root", "/");
}

/* By a process that has it; false if it can't be opened there. Its root is asked for first, because it may end as soon as the
 * file is open. It had mapped the file by then, and only root returns from another root. */
static bool open_from(struct image *image, pid_t pid, const struct mapping *m)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%ld", (long)pid);
    int process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (process < 0)
        return false;
    image->foreign = !has_our_root(process);
    image->fd = open_mapped(process, m);
    if (image->fd < 0)
        image->fd = open_named(process, m);
    close(process);
    return image->fd >= 0;
}

static void open_file(struct image *image, pid_t pid, pid_t parent, const struct mapping *m)
{
    if (open_from(image, pid, m) || open_from(image, parent, m))
        return;
    image->fd = open_here(m);
    image->foreign = false;
}

/* ---- The tables ---------------------------------------------------------------------------------- */

/* .eh_frame_hdr says where .eh_frame is, by a distance from that word. The two may stand in either order. */
static uint64_t tables_begin(const struct elf *elf, const struct elf_segment *header)
{
    unsigned char bytes[8];
    uint64_t frames;

    if (!elf_read(elf, header->offset, bytes, sizeof(bytes)))
        return header->address;
    frames = header->address + 4 + (uint64_t)(int64_t)(int32_t)elf_number(elf, bytes + 4, 4);
    return bytes[1] == 0x1b && frames < header->address ? frames : header->address;
}

/* A copy of so many bytes; NULL if they can't be had. */
static uint8_t *copy(const struct elf *elf, uint64_t offset, uint64_t size)
{
    uint8_t *bytes = size && size <= MOST_TABLES ? malloc(size) : NULL;

    if (bytes && !elf_read(elf, offset, bytes, size)) {
        free(bytes);
        bytes = NULL;
    }
    return bytes;
}

static const struct elf_segment *segment_of(const struct image *image, uint64_t address)
{
    for (unsigned i = 0; i < image->segments; i++)
        if (address - image->segment[i].address < image->segment[i].size)
            return &image->segment[i];
    return NULL;
}

static void read_tables(struct image *image, const struct elf *elf,
                        const struct elf_segment *header)
{
    uint64_t begin = tables_begin(elf, header);
    const struct elf_segment *within = segment_of(image, begin);

    if (!within || within != segment_of(image, header->address))
        return;
    image->tables_at = begin;
    image->tables_size = within->size - (begin - within->address);
    image->header_at = header->address;
    image->tables = copy(elf, within->offset + (begin - within->address), image->tables_size);
}

/* A static executable has the tables, but no index of them. */
static void make_index(struct image *image, const struct elf *elf)
{
    struct elf_section s;
    char name[16];
    size_t index;

    for (unsigned i = 0; elf_section(elf, i, &s); i++)
        if (elf_section_name(elf, &s, name, sizeof(name)) && strcmp(name, ".eh_frame") == 0) {
            image->tables = copy(elf, s.offset, s.size);
            image->tables_size = s.size;
            break;
        }
    index = image->tables ? eh_index_add(&image->tables, &image->tables_size) : 0;
    if (!index) {
        free(image->tables);
        image->tables = NULL;
        return;
    }
    image->tables_at = s.address;
    image->header_at = s.address + index;
}

bool image_read(struct image *image)
{
    struct elf_segment header;
    struct elf elf;

    if (image->fd < 0 || image->is_read)
        return image->segments > 0;
    image->is_read = true;
    if (elf_open(&elf, image->fd) || !elf.is64 || elf.big_endian)
        return false;
    for (unsigned i = 0;
         image->segments < IMAGE_SEGMENTS && elf_segment(&elf, i, &image->segment[image->segments]);
         i++)
        image->segments += image->segment[image->segments].type == PT_LOAD;
    if (elf_first_segment(&elf, PT_GNU_EH_FRAME, &header))
        read_tables(image, &elf, &header);
    else
        make_index(image, &elf);
    return image->segments > 0;
}

/* ---- All of them --------------------------------------------------------------------------------- */

struct image *image_known(uint64_t device, uint64_t inode)
{
    for (unsigned i = 0; i < count; i++)
        if (keys[i].inode == inode && keys[i].device == device) {
            images[i].used = ++uses;
            return &images[i];
        }
    return NULL;
}

static unsigned free_slot(void)
{
    unsigned oldest = 0;

    if (count < IMAGES)
        return count++;
    for (unsigned i = 1; i < IMAGES; i++)
        if (images[i].used < images[oldest].used)
            oldest = i;
    free(images[oldest].tables);
    if (images[oldest].fd >= 0)
        close(images[oldest].fd);
    return oldest;
}

static struct image *new_image(const struct mapping *m)
{
    unsigned slot = free_slot();
    struct image *image = &images[slot];

    memset(image, 0, sizeof(*image));
    keys[slot].device = image->device = m->device;
    keys[slot].inode = image->inode = m->inode;
    image->used = ++uses;
    image->fd = -1;
    snprintf(image->path, sizeof(image->path), "%s", m->path);
    return image;
}

/* One that nobody could open is tried again by each process that has it. */
struct image *image_of(pid_t pid, pid_t parent, const struct mapping *m)
{
    struct image *image;

    if (m->path[0] != '/' || !m->inode)
        return NULL;
    image = image_known(m->device, m->inode);
    if (!image)
        image = new_image(m);
    if (image->fd >= 0 || image->tried == pid)
        return image;
    image->tried = pid;
    open_file(image, pid, parent, m);
    return image;
}

bool image_address(const struct image *image, uint64_t offset, uint64_t *address)
{
    for (unsigned i = 0; i < image->segments; i++) {
        const struct elf_segment *s = &image->segment[i];
        /* The kernel maps whole pages. */
        uint64_t start = s->offset & ~4095ULL;

        if (offset >= start && offset < s->offset + s->size) {
            *address = s->address + (offset - s->offset);
            return true;
        }
    }
    return false;
}
