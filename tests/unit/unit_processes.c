/* What safeclose watch reads of processes that may be hostile: their files, and what they have mapped. */
#define _GNU_SOURCE
#include "process/process.h"
#include "shim/report/stack_cfi.h"
#include "stack/eh_index.h"
#include "stack/image.h"
#include "stack/watched.h"
#include "test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- The files of processes ------------------------------------------------------------------------ */

/* A pipe stands for every file that does something if it is opened. */
TEST(a_process_can_not_have_a_device_opened)
{
    char directory[] = "/tmp/unit_processes.XXXXXX", path[64];
    struct mapping mapping = {.end = 4096, .path = path};
    int watch = inotify_init1(IN_NONBLOCK);
    struct inotify_event closed;
    struct stat st;
    ssize_t told;

    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/pipe", directory);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(stat(path, &st), 0);
    mapping.inode = st.st_ino;
    /* Not IN_OPEN, which kernels before 6.10 tell of O_PATH, too. */
    assert_true(inotify_add_watch(watch, path, IN_CLOSE) >= 0);
    assert_int_equal(image_of(getpid(), getppid(), &mapping)->fd, -1);
    told = read(watch, &closed, sizeof(closed));
    close(watch);
    unlink(path);
    rmdir(directory);
    assert_int_equal(told, -1);
}

static pid_t child_in(const char *root)
{
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (chroot(root) == 0)
            raise(SIGSTOP);
        _exit(1);
    }
    assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
    return pid;
}

static void end(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* The file that has this function, of a child in another root, or of one that is gone. */
static void expect_foreign(uintptr_t in, bool gone)
{
    struct mappings *mappings = mappings_read(getpid());
    const struct image *image;
    pid_t child = child_in("/usr");

    if (gone)
        end(child);
    image = image_of(child, getpid(), mappings_find(mappings, in));
    if (!gone)
        end(child);
    mappings_release(mappings);
    assert_true(image && image->fd >= 0);
    assert_int_equal(image->foreign, !gone);
}

TEST(what_a_process_in_another_root_has_opened_is_foreign_whatever_its_parent_is)
{
    if (geteuid() != 0)
        skip();
    expect_foreign((uintptr_t)child_in, false);
    expect_foreign((uintptr_t)fork, true);
}

/* ---- What they have mapped ------------------------------------------------------------------------- */

/* A process with the most mappings, of 4096 bytes each. */
static void map_all(pid_t pid, const char *path)
{
    struct trace_event event = {.kind = TRACE_EXECUTED, .pid = pid, .path = "full"};

    watched_follow(&event);
    event.kind = TRACE_MAPPED;
    event.path = path;
    for (uint64_t i = 0; i < 4096; i++) {
        event.start = i << 12;
        event.end = event.start + 4096;
        watched_follow(&event);
    }
}

TEST(the_mappings_of_all_processes_have_a_limit_and_the_newest_are_kept)
{
    static char path[4000] = "[";

    memset(path + 1, 'x', sizeof(path) - 2);
    for (pid_t pid = 1 << 23; pid < (1 << 23) + 20; pid++) {
        map_all(pid, path);
        assert_non_null(mappings_find(watched_mappings(pid), 4095 << 12));
        assert_true(mappings_bytes() <= 256U << 20);
    }
}

TEST(the_line_of_a_mapping_ends_where_the_next_begins)
{
    struct mappings *mappings = mappings_read(getpid());
    const struct mapping *own = mappings_find(mappings, (uintptr_t)map_all);
    char path[PATH_MAX];

    assert_true(process_link(getpid(), "exe", path, sizeof(path)));
    assert_string_equal(own->path, path);
    assert_true(mappings->count > 2);
    mappings_release(mappings);
}

/* ---- Tables for unwinding -------------------------------------------------------------------------- */

static uint8_t tables[128 << 10];

static size_t put(size_t at, const void *bytes, size_t size)
{
    memcpy(tables + at, bytes, size);
    return at + size;
}

static size_t put4(size_t at, size_t number)
{
    return put(at, &(uint32_t){(uint32_t)number}, 4);
}

/* A common part, and a description of 16 bytes of code; the size of both. Instructions may have zeros behind them. */
static size_t make_tables(const char *letters, const uint8_t *instructions, size_t count,
                          size_t zeros)
{
    size_t at, description;

    memset(tables, 0, sizeof(tables));
    at = put(put4(4, 0), "\1", 1);
    at = put(put(at, letters, strlen(letters) + 1), (uint8_t[]){1, 0x78, CFI_RETURN, 1, 0x1b}, 5);
    put4(0, at - 4);
    description = at;
    at = put4(put4(put4(at + 4, at + 4), -(at + 8)), 16) + 1;
    at = put(at, instructions, count) + zeros;
    put4(description, at - description - 4);
    return at;
}

/* The row for its code, which begins where the tables do. */
static bool find_row(size_t size, struct cfi_row *row)
{
    size_t at = put4(put(size, (uint8_t[]){1, 0x1b, 3, 0x3b}, 4), 0);
    size_t description = 4 + (size_t)tables[0];
    struct module m = {.eh_frame_hdr = tables + size, .tables = tables};
    bool is_signal;

    m.tables_end = tables + put4(put4(put4(at, 1), -size), description - size);
    return cfi_find(&m, (uintptr_t)tables, row, &is_signal);
}

TEST(a_description_longer_than_compilers_write_is_not_run)
{
    static const uint8_t cfa[] = {0x0c, 1, 8};
    struct cfi_row row;

    assert_true(find_row(make_tables("zR", cfa, sizeof(cfa), 0), &row));
    assert_int_equal(row.cfa_register, 1);
    assert_int_equal(row.cfa_offset, 8);
    assert_true(find_row(make_tables("zR", cfa, sizeof(cfa), 60000), &row));
    assert_false(find_row(make_tables("zR", cfa, sizeof(cfa), 70000), &row));
}

TEST(an_offset_after_an_expression_is_no_place_of_an_expression)
{
    static const uint8_t both[] = {0x0f, 1, 0x30, 0x0e, 0xff, 0xff, 0xff, 0xff, 7};
    static const uint8_t aligned[] = {0x0f, 1, 0x30, 0x13, 0xff, 0xff, 0xff, 0};
    struct cfi_row row;

    assert_true(find_row(make_tables("zR", both, 3, 0), &row));
    assert_true(row.cfa_expression);
    assert_true(find_row(make_tables("zR", both, sizeof(both), 0), &row));
    assert_false(row.cfa_expression);
    assert_true(find_row(make_tables("zR", aligned, sizeof(aligned), 0), &row));
    assert_false(row.cfa_expression);
}

static bool can_index(const char *letters)
{
    size_t size = make_tables(letters, (const uint8_t *)"", 0, 0);
    uint8_t *frames = malloc(size);
    bool can;

    assert_non_null(frames);
    memcpy(frames, tables, size);
    can = eh_index_add(&frames, &size);
    free(frames);
    return can;
}

TEST(more_letters_than_compilers_write_are_not_read_for_each_description)
{
    assert_true(can_index("zR"));
    assert_true(can_index("zSR"));
    assert_false(can_index("zSSSSSSSSSSSSSSSSSSSR"));
}

TEST_MAIN()
