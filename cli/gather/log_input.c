#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "gather/log_input.h"
#include "common/say.h"
#include "gather/gather.h"
#include "gather/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Lines of ours have 2048 bytes at most. */
#define BUFFER (256 << 10)
#define MOST_FILES 4096

struct file {
    const char *name; /* as messages show it */
    int fd;
    uint64_t lines, events;
    bool looks_binary, looks_compressed;
    bool skipping; /* the rest of a line that is longer than the buffer */
};

/* ---- Lines -------------------------------------------------------------------------------------- */

/* Where the object begins in a line that has something before it; its beginning if there is none. */
static const char *object_in(const char *line, size_t len)
{
    const char *found = len && *line != '{' ? memmem(line, len, "{\"v\":", 5) : NULL;

    return found ? found : line;
}

static bool begins(const char *line, size_t len, const char *with)
{
    return len >= strlen(with) && memcmp(line, with, strlen(with)) == 0;
}

static void take_line(struct report *report, struct file *file, const char *line, size_t len)
{
    const char *object = object_in(line, len);
    struct log_event event;

    report->input.lines++;
    file->lines++;
    if (log_event_read(&event, object, len - (size_t)(object - line))) {
        report->input.events++;
        file->events++;
        gather_event(report, &event);
        return;
    }
    report->input.foreign++;
    report->input.text_log += begins(line, len, "safeclose: ");
}

/* Takes all lines that are complete; returns how many bytes they had. */
static size_t take_lines(struct report *report, struct file *file, const char *bytes, size_t len)
{
    size_t at = 0;
    const char *end;

    while ((end = memchr(bytes + at, '\n', len - at))) {
        size_t line = (size_t)(end - (bytes + at));

        if (line && !file->skipping)
            take_line(report, file, bytes + at, line);
        file->skipping = false;
        at += line + 1;
    }
    return at;
}

static void look_at_beginning(struct file *file, const char *bytes, size_t len)
{
    /* gzip, zstd, xz, bzip2 */
    static const char *const packed[] = {"\x1f\x8b", "\x28\xb5\x2f\xfd", "\xfd\x37zXZ", "BZh"};

    for (unsigned i = 0; i < sizeof(packed) / sizeof(packed[0]); i++)
        file->looks_compressed |= begins(bytes, len, packed[i]);
    file->looks_binary = memchr(bytes, '\0', len) != NULL;
}

/* No event is as long. */
static void skip_line(struct report *report, struct file *file)
{
    if (file->skipping)
        return;
    file->skipping = true;
    report->input.lines++;
    report->input.foreign++;
    file->lines++;
}

/* The last line has no newline: it is being written, or was torn; it may be whole all the same. */
static void take_last(struct report *report, struct file *file, const char *bytes, size_t len)
{
    uint64_t foreign = report->input.foreign;

    take_line(report, file, bytes, len);
    if (report->input.foreign > foreign) {
        report->input.foreign = foreign;
        report->input.torn++;
    }
}

static int read_lines(struct report *report, struct file *file, char *buffer)
{
    size_t len = 0;
    ssize_t n;

    while ((n = read(file->fd, buffer + len, BUFFER - len)) != 0) {
        size_t taken;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (!report->input.bytes || (!file->lines && !len))
            look_at_beginning(file, buffer, (size_t)n);
        report->input.bytes += (uint64_t)n;
        progress_show(file->name, report->input.bytes);
        len += (size_t)n;
        taken = take_lines(report, file, buffer, len);
        if (!taken && len == BUFFER) {
            skip_line(report, file);
            taken = len;
        }
        memmove(buffer, buffer + taken, len - taken);
        len -= taken;
    }
    if (len && !file->skipping)
        take_last(report, file, buffer, len);
    return 0;
}

/* ---- Files --------------------------------------------------------------------------------------- */

static bool complain(const struct file *file, const char *why)
{
    progress_clear();
    unable("report on \"%s\": %s", file->name, why);
    return false;
}

static bool judge(const struct report *report, const struct file *file)
{
    uint64_t torn = report->input.torn;

    if (file->events)
        return true;
    if (file->looks_compressed)
        return complain(file, "it is compressed; unpack it, for example: zcat FILE | safeclose "
                              "report -");
    if (file->looks_binary)
        return complain(file, "it is a binary file, not a log of safeclose");
    if (report->input.text_log)
        return complain(file, "it is a log in text, and report reads JSON, as \"safeclose run -o "
                              "FILE\" writes it");
    if (!file->lines && !torn)
        return complain(file, "it is empty");
    return complain(file, "none of its lines is an event of safeclose");
}

/* Named twice, it would count twice. */
static bool is_new(const struct stat *st)
{
    static struct {
        dev_t device;
        ino_t inode;
    } seen[MOST_FILES];
    static unsigned count;

    for (unsigned i = 0; i < count; i++)
        if (seen[i].device == st->st_dev && seen[i].inode == st->st_ino)
            return false;
    if (count < MOST_FILES) {
        seen[count].device = st->st_dev;
        seen[count++].inode = st->st_ino;
    }
    return true;
}

/* Less to wait for, and no seek: standard input may be a pipe. */
static int open_log(struct file *file, const char *name)
{
    file->name = strcmp(name, "-") == 0 ? "standard input" : name;
    return strcmp(name, "-") == 0 ? dup(STDIN_FILENO) : open(name, O_RDONLY | O_CLOEXEC);
}

static bool read_file(struct report *report, const char *name, char *buffer)
{
    struct file file = {.fd = -1};
    struct stat st;
    int error;

    file.fd = open_log(&file, name);
    if (file.fd < 0 || fstat(file.fd, &st) != 0)
        return complain(&file, strerror(errno));
    if (S_ISDIR(st.st_mode)) {
        close(file.fd);
        return complain(&file, "it is a directory");
    }
    if (S_ISREG(st.st_mode) && !is_new(&st)) {
        close(file.fd);
        return complain(&file, "it is named twice; counted once");
    }
    report->input.files++;
    gather_file(report);
    error = read_lines(report, &file, buffer);
    close(file.fd);
    return error ? complain(&file, strerror(error)) : judge(report, &file);
}

bool log_input_read(struct report *report, char *const *names, unsigned count)
{
    char *buffer = malloc(BUFFER);
    bool good = true;

    if (!buffer) {
        unable("read logs: out of memory");
        exit(STATUS_FAILED);
    }
    progress_begin(names, count);
    for (unsigned i = 0; i < count; i++)
        good &= read_file(report, names[i], buffer);
    progress_clear();
    free(buffer);
    return good;
}
