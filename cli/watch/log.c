#include "common/say.h"
#include "log/event.h"
#include "log/strings.h"
#include "watch/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACES 16384
#define LINE 2048    /* no line of the library is longer */
#define NEAR 2000000 /* us */

/* Changed by this file only. */
static struct {
    const char *path;
    int fd;      /* -1: none */
    ino_t inode; /* of what is open */
    size_t len;  /* bytes of a line that has not ended yet */
    bool skips;  /* a line that is too long */
    char line[LINE];
} log_file = {.fd = -1};

static struct logged_close closes[PLACES];

static struct logged_close *place_of(const struct endpoint *local, const struct endpoint *peer)
{
    uint64_t hash = hash_bytes(1, local, sizeof(*local));

    return &closes[hash_bytes(hash, peer, sizeof(*peer)) % PLACES];
}

static bool parse_end(const struct json_value *value, struct endpoint *e)
{
    char text[ENDPOINT_TEXT];

    json_text(value, text, sizeof(text));
    return endpoint_parse(e, text);
}

static void take_line(void)
{
    struct logged_close c = {.time = 0};
    struct log_event event;

    if (!log_event_read(&event, log_file.line, log_file.len) || event.kind != LOG_CLOSE ||
        !parse_end(&event.local, &c.local) || !parse_end(&event.peer, &c.peer))
        return;
    c.time = event.time;
    c.unread = event.unread;
    c.unacked = event.unacked;
    c.unsent = event.unsent;
    json_text(&event.content, c.content, sizeof(c.content));
    json_text(&event.cookie, c.cookie, sizeof(c.cookie));
    *place_of(&c.local, &c.peer) = c;
}

static void take_byte(char byte)
{
    if (byte == '\n') {
        if (!log_file.skips)
            take_line();
        log_file.len = 0;
        log_file.skips = false;
    } else if (log_file.len < LINE)
        log_file.line[log_file.len++] = byte;
    else
        log_file.skips = true;
}

static int open_log(void)
{
    struct stat st;
    int fd = open(log_file.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        log_file.inode = st.st_ino;
        return fd;
    }
    if (fd >= 0) {
        close(fd);
        errno = EINVAL;
    }
    return -1;
}

bool watch_log_open(const char *path)
{
    log_file.path = path;
    log_file.fd = open_log();
    if (log_file.fd >= 0)
        return lseek(log_file.fd, 0, SEEK_END) >= 0;
    unable("read the log \"%s\": %s", path,
           errno == EINVAL ? "it is not a regular file" : strerror(errno));
    return false;
}

static void read_on(void)
{
    char bytes[8192];
    ssize_t n;

    while ((n = read(log_file.fd, bytes, sizeof(bytes))) > 0)
        for (ssize_t i = 0; i < n; i++)
            take_byte(bytes[i]);
}

void watch_log_read(void)
{
    struct stat st;
    int fd;

    if (log_file.fd < 0)
        return;
    read_on();
    if (stat(log_file.path, &st) != 0 || st.st_ino == log_file.inode || (fd = open_log()) < 0)
        return;
    close(log_file.fd);
    log_file.fd = fd;
    log_file.len = 0;
    read_on();
}

const struct logged_close *watch_log_find(const struct endpoint *local, const struct endpoint *peer,
                                          int64_t now)
{
    const struct logged_close *c = place_of(local, peer);

    return c->time && endpoint_same(&c->local, local) && endpoint_same(&c->peer, peer) &&
                   llabs(c->time - now / 1000) < NEAR
               ? c
               : NULL;
}
