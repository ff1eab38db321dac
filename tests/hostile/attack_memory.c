/* What an attacker does to memory that it shares with others. See attack.h. */
#define _GNU_SOURCE
#include "attack.h"

#include <fcntl.h>
#include <sys/mman.h>

enum { MAPPINGS = 16, WORD = 8, AHEAD = 128 };

struct mapping {
    unsigned char *at;
    size_t size;
    unsigned char *old; /* a copy of some time ago */
};

/* What it writes for a while. One that changes all the time leaves no word as it is for long enough
 * to be believed together with another. */
enum mood { ZEROS, ONES, STALE, NOISE, MIXED };

static enum mood mood = MIXED;
static struct mapping mappings[MAPPINGS];
static int count;

static void copy(struct mapping *m)
{
    memcpy(m->old, m->at, m->size);
}

static void found(uintptr_t from, uintptr_t to)
{
    struct mapping *m = &mappings[count];
    long room;

    if (from == (uintptr_t)attack_tally || count == MAPPINGS)
        return;
    room = RAW6(mmap, 0, to - from, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room < 0)
        return;
    *m = (struct mapping){(unsigned char *)from, to - from, (unsigned char *)room};
    copy(m);
    count++;
}

/* "7f1c2000-7f1c3000 rw-s ..." */
static void take_line(const char *line)
{
    unsigned long from, to;
    char rights[5];

    if (sscanf(line, "%lx-%lx %4s", &from, &to, rights) == 3 && rights[1] == 'w' &&
        rights[3] == 's')
        found(from, to);
}

static long read_maps(char *text, size_t size)
{
    int fd = (int)RAW4(openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
    size_t length = 0;
    long n;

    while ((n = RAW3(read, fd, text + length, size - 1 - length)) > 0)
        length += (size_t)n;
    RAW1(close, fd);
    text[length] = '\0';
    return (long)length;
}

int attack_find_memory(void)
{
    static char text[1 << 18];
    char *end;

    if (read_maps(text, sizeof text) <= 0)
        return 0;
    for (char *line = text; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        take_line(line);
    }
    return count;
}

/* Without an idea of what is there: what is not zero is more likely to mean something. */
static size_t somewhere(const struct mapping *m)
{
    size_t words = m->size / WORD;
    size_t word = attack_below(words);
    static const unsigned char none[WORD];

    if (attack_one_in(2))
        for (int i = 0; i < AHEAD && memcmp(m->at + word * WORD, none, WORD) == 0; i++)
            word = (word + 1) % words;
    else if (attack_one_in(2))
        word %= 64;
    return word * WORD;
}

/* A random number that may be a count, a process, a bit, or nothing. */
static uint64_t some_word(uint64_t old)
{
    switch (attack_below(6)) {
    case 0:
        return attack_below(32);
    case 1:
        return (uint64_t)RAW0(getpid) + attack_below(16) - 8;
    case 2:
        return old ^ 1ULL << attack_below(64);
    case 3:
        return old + attack_below(5) - 2;
    case 4:
        return attack_random() & 0xffffffff;
    default:
        return attack_random();
    }
}

static enum mood mood_now(void)
{
    return mood == MIXED ? (enum mood)attack_below(MIXED) : mood;
}

static void write_word(const struct mapping *m)
{
    const size_t sizes[] = {1, 2, 4, 4, 8};
    size_t size = sizes[attack_below(5)];
    size_t at = somewhere(m) + attack_below(WORD / size) * size;
    uint64_t value = 0;

    switch (mood_now()) {
    case ZEROS:
        break;
    case ONES:
        value = ~0ULL;
        break;
    case STALE:
        memcpy(&value, m->old + at, size);
        break;
    default:
        memcpy(&value, m->at + at, size);
        value = some_word(value);
    }
    memcpy(m->at + at, &value, size);
}

static void write_all(const struct mapping *m)
{
    switch (mood_now()) {
    case ZEROS:
        memset(m->at, 0, m->size);
        break;
    case ONES:
        memset(m->at, 0xff, m->size);
        break;
    case STALE:
        memcpy(m->at, m->old, m->size);
        break;
    default:
        for (size_t at = 0; at + WORD <= m->size; at += WORD) {
            uint64_t value = attack_random();
            memcpy(m->at + at, &value, WORD);
        }
    }
}

void attack_change_mood(void)
{
    static const enum mood often[] = {ZEROS, ZEROS, ZEROS, ONES, STALE, STALE, NOISE, MIXED};

    mood = often[attack_below(sizeof often / sizeof often[0])];
}

uint64_t attack_write(void)
{
    struct mapping *m;

    if (count == 0)
        return 0;
    m = &mappings[attack_below((uint64_t)count)];
    if (attack_one_in(1024))
        copy(m);
    if (attack_one_in(mood == MIXED ? 512 : 32)) {
        write_all(m);
        return m->size / WORD;
    }
    write_word(m);
    return 1;
}
