/*
 * Any bytes as the unwind tables of a module: .eh_frame_hdr and behind it .eh_frame, as linkers put
 * them. The first 4 bytes say for which address a row is wanted, from the beginning of the tables;
 * the two behind them, how far into the module the tables begin.
 */
#define SAFECLOSE_MAY_CALL_LIBC
#include "../../shim/report/stack_cfi.c"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD 6

static void check(int holds)
{
    if (!holds)
        abort();
}

static void check_place(int32_t place, size_t size)
{
    check(place >= 0 && (size_t)place < size);
}

static void check_row(const struct cfi_row *row, size_t size)
{
    check(row->cfa_register < CFI_REGISTERS);
    if (row->cfa_expression)
        check_place(row->cfa_offset, size);
    for (unsigned i = 0; i < CFI_REGISTERS; i++) {
        check(row->registers[i].rule <= CFI_IS_EXPRESSION);
        if (row->registers[i].rule >= CFI_AT_EXPRESSION)
            check_place(row->registers[i].value, size);
    }
}

static void find(const uint8_t *module, size_t size, size_t before, int32_t offset)
{
    const uint8_t *hdr = module + before;
    struct module m = {.eh_frame_hdr = hdr, .tables = module, .tables_end = module + size};
    uintptr_t address = (uintptr_t)hdr + (uintptr_t)(intptr_t)offset;
    struct cfi_row row;
    bool signal;

    if (cfi_find(&m, address, &row, &signal))
        check_row(&row, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *module;
    int32_t offset;
    uint16_t before;

    if (size < HEAD)
        return 0;
    memcpy(&offset, data, sizeof(offset));
    memcpy(&before, data + sizeof(offset), sizeof(before));
    size -= HEAD;
    module = malloc(size ? size : 1);
    check(module != NULL);
    memcpy(module, data + HEAD, size);
    find(module, size, before <= size ? before : 0, offset);
    free(module);
    return 0;
}
