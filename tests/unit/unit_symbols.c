/*
 * Names for addresses: of functions of this very program, whose addresses the linker gave us, and whose lines the
 * compiler did.
 */
#define _GNU_SOURCE
#include "process/process.h"
#include "symbols/jit_names.h"
#include "symbols/symbols.h"
#include "symbols/tool.h"
#include "test.h"

#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile unsigned long called_from;
static unsigned called_from_line;

__attribute__((noinline)) static void note_caller(void)
{
    called_from = (unsigned long)__builtin_return_address(0);
}

__attribute__((noinline)) static void calls_note_caller(void)
{
    called_from_line = __LINE__ + 1;
    note_caller();
    __asm__ volatile(""); /* no tail call */
}

static int first_bias(struct dl_phdr_info *info, size_t size, void *bias)
{
    (void)size;
    *(unsigned long *)bias = info->dlpi_addr;
    return 1; /* the first is the program */
}

static unsigned long in_file(unsigned long address)
{
    unsigned long bias = 0;

    dl_iterate_phdr(first_bias, &bias);
    return address - bias;
}

/* Runs a command on this program's file, with its output in `said`. */
static void shell(const char *command, char *said, size_t cap)
{
    FILE *pipe = popen(command, "r");
    size_t n;

    assert_non_null(pipe);
    n = fread(said, 1, cap - 1, pipe);
    said[n] = '\0';
    assert_int_equal(pclose(pipe), 0);
}

TEST(the_caller_has_its_name_and_line)
{
    struct symbols *symbols = symbols_new(SYMBOLS_LINES);
    const struct module *module = symbols_module(symbols, NULL, "/proc/self/exe");
    struct place place;

    calls_note_caller();
    assert_null(module->wrong);
    assert_null(module->no_names);
    assert_true(symbols_find(symbols, module, in_file(called_from) - 1, &place));
    assert_string_equal(place.function, "calls_note_caller");
    assert_int_equal(place.offset,
                     in_file(called_from) - 1 - in_file((unsigned long)calls_note_caller));
    assert_int_equal(place.line, called_from_line);
    assert_non_null(strstr(place.file, "unit_symbols.c"));
    symbols_free(symbols);
}

TEST(an_address_outside_of_all_functions_has_no_name)
{
    struct symbols *symbols = symbols_new(SYMBOLS_NAMES);
    const struct module *module = symbols_module(symbols, NULL, "/proc/self/exe");
    struct place place;

    assert_false(symbols_find(symbols, module, 1, &place));
    assert_false(symbols_find(symbols, module, UINT64_MAX, &place));
    assert_false(symbols_find(symbols, module, in_file((unsigned long)&called_from_line), &place));
    symbols_free(symbols);
}

TEST(the_build_id_is_the_one_that_readelf_shows)
{
    struct symbols *symbols = symbols_new(SYMBOLS_NAMES);
    char command[256], said[BUILD_ID_BYTES + 1];

    snprintf(command, sizeof(command),
             "readelf -n /proc/%d/exe | sed -n 's/.*Build ID: //p' | tr -d '\\n'", getpid());
    shell(command, said, sizeof(said));
    assert_true(strlen(said) >= 32);
    assert_string_equal(symbols_module(symbols, NULL, "/proc/self/exe")->build_id, said);
    symbols_free(symbols);
}

TEST(a_cpp_name_is_demangled_with_and_without_room)
{
    struct symbols *symbols = symbols_new(SYMBOLS_LINES);
    char name[64] = "_ZN4http6server5closeEi", small[24] = "_ZN4http6server5closeEi";

    symbols_demangle(symbols, name, sizeof(name));
    assert_string_equal(name, "http::server::close");
    symbols_demangle(symbols, small, 8);
    assert_string_equal(small, "_ZN4http6server5closeEi");
    symbols_free(symbols);
}

TEST(what_is_no_elf_file_says_so)
{
    struct symbols *symbols = symbols_new(SYMBOLS_NAMES);

    assert_string_equal(symbols_module(symbols, NULL, "/etc/passwd")->wrong,
                        "it is not an ELF file");
    assert_string_equal(symbols_module(symbols, NULL, "/nowhere")->wrong,
                        "No such file or directory");
    assert_string_equal(symbols_module(symbols, NULL, "/dev/zero")->wrong,
                        "it is not a regular file");
    symbols_free(symbols);
}

TEST(a_link_can_not_lead_out_of_the_root)
{
    struct symbols *symbols = symbols_new(SYMBOLS_NAMES);
    char root[] = "/tmp/unit_symbols.XXXXXX", link_name[64];

    assert_non_null(mkdtemp(root));
    snprintf(link_name, sizeof(link_name), "%s/link", root);
    assert_int_equal(symlink("/bin/sh", link_name), 0);
    assert_null(symbols_module(symbols, NULL, link_name)->wrong);
    assert_non_null(symbols_module(symbols, root, "/link")->wrong);
    unlink(link_name);
    rmdir(root);
    symbols_free(symbols);
}

TEST(a_file_that_others_can_write_is_not_given_to_addr2line)
{
    struct symbols *symbols = symbols_new(SYMBOLS_LINES);
    char copy[] = "/tmp/unit_symbols.XXXXXX", command[128], said[8];
    struct place place;
    int fd = mkstemp(copy);

    assert_true(fd >= 0);
    snprintf(command, sizeof(command), "cat /proc/%d/exe >%s", getpid(), copy);
    shell(command, said, sizeof(said));
    calls_note_caller();
    assert_true(symbols_find(symbols, symbols_module(symbols, NULL, copy), in_file(called_from) - 1,
                             &place));
    assert_int_equal(place.line, called_from_line);
    assert_int_equal(fchmod(fd, 0666), 0);
    assert_true(symbols_find(symbols, symbols_module(symbols, NULL, copy), in_file(called_from) - 1,
                             &place));
    assert_string_equal(place.function, "calls_note_caller");
    assert_int_equal(place.line, 0);
    close(fd);
    unlink(copy);
    symbols_free(symbols);
}

TEST(a_demangler_has_no_rights_of_root)
{
    static char program[] = "c++filt";
    char *arguments[] = {program, NULL}, line[64];
    uid_t owner = 0;
    struct tool tool;
    int left = 10000;

    assert_true(tool_start(&tool, arguments, -1));
    assert_true(tool_say(&tool, "_Z1fv\n") && tool_hear(&tool, line, sizeof(line), &left));
    assert_string_equal(line, "f()");
    assert_true(process_owner(tool.pid, "", &owner));
    assert_int_equal(owner, geteuid() == 0 ? 65534 : geteuid());
    tool_stop(&tool);
}

/* A tool that ends without an answer. */
static void find_useless_tool(const char *tool, char *directory)
{
    char path[64];

    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/%s", directory, tool);
    assert_int_equal(symlink("/bin/true", path), 0);
    setenv("PATH", directory, 1);
}

TEST(a_demangler_that_ended_is_started_again_and_it_is_said_once)
{
    char directory[] = "/tmp/unit_symbols.XXXXXX", name[64] = "_Z1fv", said[256] = "";
    struct symbols *symbols = symbols_new(SYMBOLS_LIVE);
    char *path = strdup(getenv("PATH"));
    int own = dup(2), file = memfd_create("said", 0);

    find_useless_tool("c++filt", directory);
    dup2(file, 2);
    for (int i = 0; i < 3; i++)
        symbols_demangle(symbols, name, sizeof(name));
    dup2(own, 2);
    setenv("PATH", path, 1);
    assert_string_equal(name, "_Z1fv");
    symbols_demangle(symbols, name, sizeof(name));
    assert_string_equal(name, "f");
    assert_true(pread(file, said, sizeof(said) - 1, 0) > 0);
    assert_non_null(strstr(said, "safeclose: unable to get all answers"));
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
    symbols_free(symbols);
    free(path);
    close(file);
    close(own);
    snprintf(name, sizeof(name), "%s/c++filt", directory);
    unlink(name);
    rmdir(directory);
}

/* ---- Code that was made at run time ---------------------------------------------------------------- */

static char map_name[64];

static int name_map(void **state)
{
    (void)state;
    snprintf(map_name, sizeof(map_name), "/tmp/perf-%d.map", getpid());
    return 0;
}

static int remove_map(void **state)
{
    (void)state;
    return unlink(map_name);
}

TEST_NAMED("a map that is a device is not opened", map_is_device, name_map, remove_map, NULL)
{
    int watch = inotify_init1(IN_NONBLOCK);
    struct inotify_event closed;
    uint64_t offset;
    char name[64];

    assert_int_equal(mkfifo(map_name, 0600), 0);
    /* Not IN_OPEN, which kernels before 6.10 tell of O_PATH, too. */
    assert_true(inotify_add_watch(watch, map_name, IN_CLOSE) >= 0);
    assert_false(jit_name(getpid(), 0x1000, name, sizeof(name), &offset));
    assert_int_equal(read(watch, &closed, sizeof(closed)), -1);
    close(watch);
}

static void write_map(const char *how, const char *text)
{
    FILE *map = fopen(map_name, how);

    assert_non_null(map);
    assert_true(fputs(text, map) >= 0);
    assert_int_equal(fclose(map), 0);
}

static void expect_jit(uint64_t address, const char *expected, uint64_t into)
{
    uint64_t offset = 0;
    char name[64] = "";

    assert_int_equal(jit_name(getpid(), address, name, sizeof(name), &offset), *expected != '\0');
    assert_string_equal(name, expected);
    assert_int_equal(offset, into);
}

TEST_NAMED("a map is read on where it grows, and anew where it was replaced", map_grows, name_map,
           remove_map, NULL)
{
    write_map("w", "1000 10 first\nno line\n2000 20 sec");
    expect_jit(0x1004, "first", 4);
    expect_jit(0x2004, "", 0);
    write_map("a", "ond one\n1000 8 newer\n");
    expect_jit(0x1004, "newer", 4);
    expect_jit(0x1008, "first", 8);
    expect_jit(0x2004, "second one", 4);
    write_map("w", "3000 10 other\n");
    expect_jit(0x3000, "other", 0);
    expect_jit(0x1004, "", 0);
}

TEST_MAIN()
