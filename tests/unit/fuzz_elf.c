/* Fuzzes what reads ELF files for safeclose check and report: the bytes are the file. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../../cli/elf/reader.c"
#include "../../cli/elf/facts.c"
#include "../../cli/elf/symbols.c"
#include "../../cli/check/script.c"
#include "../../cli/symbols/symbol_table.c"

#include <stdlib.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(bool is_true)
{
    if (!is_true)
        abort();
}

/* What the rest relies on, whatever the file holds. */
static void check_facts(const struct elf_facts *facts, const char *wrong)
{
    check(memchr(facts->interpreter, '\0', sizeof(facts->interpreter)) != NULL);
    check(memchr(facts->asan, '\0', sizeof(facts->asan)) != NULL);
    check(wrong ? strncmp(wrong, "it ", 3) == 0 : facts->bits == 32 || facts->bits == 64);
    check(libc_name(facts->libc) && libc_name(facts->loader));
    check(facts->glibc_major < 1000 && facts->glibc_minor < 1000);
}

/* A function that is found contains the address, and its name ends. */
static void check_symbols(const struct elf *elf, uint32_t type)
{
    struct symbol_table table;
    char name[64], id[33];

    elf_build_id(elf, id, sizeof(id));
    check(memchr(id, '\0', sizeof(id)) != NULL);
    check(symbol_table_read(&table, elf, type, 100) == (table.count > 0));
    for (size_t i = 0; i < table.count; i++) {
        const struct function *f = &table.functions[i];

        if (symbol_table_find(&table, f->address + f->size - 1) &&
            symbol_table_name(&table, elf, f, name, sizeof(name)))
            check(*name && memchr(name, '\0', sizeof(name)));
        check(!i || f->address >= f[-1].address);
    }
    symbol_table_free(&table);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct elf_facts facts;
    static int fd = -1;
    struct script script;
    struct elf elf;
    uint64_t address;
    size_t head = size < SCRIPT_BYTES ? size : SCRIPT_BYTES;

    if (fd < 0)
        fd = memfd_create("fuzz_elf", MFD_CLOEXEC);
    check(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, size, 0) == (ssize_t)size);
    check_facts(&facts, elf_facts_read(&facts, fd));
    if (!elf_open(&elf, fd)) {
        elf_object(&elf, "config", 8, &address);
        check_symbols(&elf, SHT_SYMTAB);
        check_symbols(&elf, SHT_DYNSYM);
    }
    script_read(&script, (const char *)bytes, head);
    check(memchr(script.interpreter, '\0', sizeof(script.interpreter)) &&
          memchr(script.env_program, '\0', sizeof(script.env_program)));
    return 0;
}
