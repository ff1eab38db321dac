/* What both actors of a scene need: sentences, what is said, and bytes that can be recognised. */
#define _GNU_SOURCE
#include "scene.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char said[65536];
static size_t said_length;

void scene_say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    said_length += vsnprintf(said + said_length, sizeof said - said_length, format, args);
    va_end(args);
    if (said_length + 1 >= sizeof said)
        scene_fail("say all there is to say");
    said[said_length++] = '\n';
    said[said_length] = '\0';
}

const char *scene_said(void)
{
    said[said_length] = '\0';
    said_length = 0;
    return said;
}

_Noreturn void scene_fail(const char *format, ...)
{
    const char *reason = strerror(errno);
    va_list args;

    fputs("scene: unable to ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, ": %s\n", reason);
    _exit(70);
}

const char *scene_errno(int error)
{
    return error == SCENE_KEPT ? "kept" : error == 0 ? "0" : strerrorname_np(error);
}

long scene_number(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);

    errno = EINVAL;
    if (end == text)
        scene_fail("find a number in \"%s\"", text);
    if (*end == 'K')
        number <<= 10;
    else if (*end == 'M')
        number <<= 20;
    return number;
}

/* What stands behind WORDS in STEP; NULL if it doesn't begin with them. */
static const char *behind(const char *words, const char *step)
{
    size_t length = strlen(words);

    if (strncmp(step, words, length) != 0)
        return NULL;
    if (step[length] == ' ')
        return step + length + 1;
    return step[length] == '\0' ? step + length : NULL;
}

struct verb program_verbs[128];
struct verb peer_verbs[64];

void scene_act(const struct verb *verbs, const char *step)
{
    const struct verb *best = NULL;

    for (const struct verb *verb = verbs; verb->words; verb++)
        if (behind(verb->words, step) && (!best || strlen(verb->words) > strlen(best->words)))
            best = verb;
    errno = EINVAL;
    if (!best)
        scene_fail("act \"%s\"", step);
    best->act(behind(best->words, step));
}

/* Prime, so that no buffer's size is a multiple of its period. */
unsigned char scene_byte(long at)
{
    return at % 251;
}

int scene_write(int fd, long at, long size)
{
    unsigned char block[16384];

    for (long end = at + size; at < end;) {
        long part = end - at < (long)sizeof block ? end - at : (long)sizeof block;
        for (long i = 0; i < part; i++)
            block[i] = scene_byte(at + i);
        ssize_t sent = send(fd, block, part, MSG_NOSIGNAL);
        if (sent < 0)
            return errno;
        at += sent;
    }
    return 0;
}

int scene_read(int fd, long at, long limit, long *got, bool *right)
{
    static unsigned char block[65536];

    for (*got = 0, *right = true; limit < 0 || *got < limit;) {
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        long most =
            limit < 0 || limit - *got > (long)sizeof block ? (long)sizeof block : limit - *got;
        if (poll(&waiting, 1, NET_DEADLINE_MS) == 0)
            return ETIMEDOUT;
        ssize_t part = recv(fd, block, most, MSG_DONTWAIT);
        if (part < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (part <= 0)
            return part < 0 ? errno : 0;
        for (ssize_t i = 0; i < part; i++)
            *right &= block[i] == scene_byte(at + *got + i);
        *got += part;
    }
    return 0;
}
