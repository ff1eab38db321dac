/* backtrace(3), which musl lacks, by the same unwinder as glibc's. */
#ifndef SAFECLOSE_TESTS_MUSL_EXECINFO_H
#define SAFECLOSE_TESTS_MUSL_EXECINFO_H

#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <unwind.h>

/* gcc's unwinder can't do without this one where it was built for glibc (dlfcn.h). */
struct found_object {
    unsigned long long flags;
    void *start;
    void *end;
    struct link_map *map;
    void *eh_frame_hdr;
};

struct sought_object {
    uintptr_t address;
    struct found_object *found;
};

static inline int seek_object(struct dl_phdr_info *info, size_t size, void *argument)
{
    static struct link_map map;
    struct sought_object *sought = argument;
    struct found_object found = {0, (void *)UINTPTR_MAX, NULL, &map, NULL};

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        char *at = (char *)(uintptr_t)(info->dlpi_addr + p->p_vaddr);

        if (p->p_type == PT_GNU_EH_FRAME)
            found.eh_frame_hdr = at;
        if (p->p_type == PT_LOAD && at < (char *)found.start)
            found.start = (char *)((uintptr_t)at & ~(uintptr_t)4095);
        if (p->p_type == PT_LOAD && at + p->p_memsz > (char *)found.end)
            found.end = at + p->p_memsz;
    }
    if (sought->address < (uintptr_t)found.start || sought->address >= (uintptr_t)found.end)
        return 0;
    map.l_name = (char *)(uintptr_t)info->dlpi_name;
    *sought->found = found;
    return 1;
}

int _dl_find_object(void *address, struct found_object *found);
__attribute__((weak)) int _dl_find_object(void *address, struct found_object *found)
{
    struct sought_object sought = {(uintptr_t)address, found};

    return dl_iterate_phdr(seek_object, &sought) ? 0 : -1;
}

struct backtrace_frames {
    void **frames;
    int count;
    int room;
};

static inline _Unwind_Reason_Code backtrace_frame(struct _Unwind_Context *context, void *argument)
{
    struct backtrace_frames *b = argument;

    if (b->count == b->room)
        return _URC_END_OF_STACK;
    if (b->count >= 0)
        b->frames[b->count] = (void *)(uintptr_t)_Unwind_GetIP(context);
    b->count++;
    return _URC_NO_REASON;
}

/* Its caller's frame is the first. */
static __attribute__((noinline, unused)) int backtrace(void **frames, int room)
{
    struct backtrace_frames b = {frames, -1, room};

    _Unwind_Backtrace(backtrace_frame, &b);
    return b.count < 0 ? 0 : b.count;
}

#endif
