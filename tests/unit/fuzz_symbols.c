/*
 * Any bytes as the file of a module: names are looked for, and no size or place in it is believed.
 * The last 8 bytes are the address that a name is wanted for first.
 */
#define SAFECLOSE_MAY_CALL_LIBC
#include "../../shim/report/stack_symbol.c"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

/* The name of a file that holds the bytes. */
static const char *file_of(const uint8_t *data, size_t size)
{
    static char path[32];
    static int fd = -1;

    if (fd < 0) {
        fd = memfd_create("module", 0);
        check(fd >= 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    check(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    return path;
}

/* As if it were loaded: what its file begins with is in memory, and behind that what follows there.
 */
static uint8_t *load(const uint8_t *data, size_t size)
{
    const size_t most = sizeof(((struct symbols *)NULL)->bytes);
    uint8_t *memory = calloc(1, most);

    check(memory != NULL);
    memcpy(memory, data, size < most ? size : most);
    return memory;
}

static void look_for(struct symbols *s, uint64_t address)
{
    s->count = STACK_MAX;
    for (unsigned i = 0; i < s->count; i++)
        s->found[i].address = address + i * 16;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *memory = load(data, size);
    struct module module = {.start = (uintptr_t)memory, .path = file_of(data, size)};
    struct symbols *s = malloc(sizeof(*s));
    uint64_t address = 0;
    size_t len;

    check(s != NULL);
    memset(s, 0xa5, sizeof(*s));
    if (size >= sizeof(address))
        memcpy(&address, data + size - sizeof(address), sizeof(address));
    look_for(s, address);
    if (symbols_find(s, &module)) {
        for (unsigned i = 0; i < s->count; i++) {
            const char *name = symbols_name(s, i, &len);

            check(!name || (len > 0 && len <= SYMBOL_NAME && memchr(name, '\0', len) == NULL));
        }
        symbols_close(s);
    }
    free(s);
    free(memory);
    return 0;
}
