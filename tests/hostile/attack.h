/*
 * A server under attack by its own children, for attack.py: what its parts have in common.
 *
 * attack.c is the server: it starts as root, serves, forks, drops its rights, and ends by exit. It
 * forks attackers (attack_child.c), which become another user. What an attacker finds in its
 * /proc/self/maps and among its descriptors it writes to, with no idea of what is there
 * (attack_memory.c, attack_messages.c). Descriptors to send come from a pool of its own
 * (attack_pool.c).
 *
 * The library that is preloaded hooks libc's names, syscall(2) among them. An attacker is not to be
 * helped by it, nor stopped, so all that it does goes by a raw instruction (sys6).
 */
#ifndef SAFECLOSE_TESTS_ATTACK_H
#define SAFECLOSE_TESTS_ATTACK_H

#include "ground/sys.h"
#include "owner.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

/* Users without an entry anywhere: the attackers' two, and whom the server drops its rights to. */
enum { ATTACK_USER = 60001, ATTACK_USER_BEFORE = 60002, ATTACK_SERVER_USER = 60003 };

/* The server listens on 127.0.0.1, honest clients come from 127.0.0.2, and all that an attacker
 * opens is on 127.0.0.3: a line of the log that mixes them is made up. */
#define ATTACK_ADDRESS 0x7f000003

/* How an attacker becomes another user. */
enum attack_variant {
    ATTACK_RAW,   /* forked and switched by raw system calls: no hook has run in it */
    ATTACK_EARLY, /* forked by libc's fork, switched by raw system calls */
    ATTACK_LATE,  /* libc's setuid first, where the library may take things away; then as above */
    ATTACK_VARIANTS
};

enum attack_speed { ATTACK_SLOW, ATTACK_FAST, ATTACK_SPEEDS };

/* A file that attack.py maps too. */
struct attack_tally {
    _Atomic uint64_t attackers[ATTACK_VARIANTS]; /* that became another user */
    _Atomic uint64_t mappings[ATTACK_VARIANTS];  /* writable and shared, as found by them in all */
    _Atomic uint64_t sockets[ATTACK_VARIANTS];
    _Atomic uint64_t words[ATTACK_VARIANTS];
    _Atomic uint64_t messages[ATTACK_VARIANTS];    /* that the kernel took */
    _Atomic uint64_t descriptors[ATTACK_VARIANTS]; /* sent with them */
    _Atomic uint8_t ports[65536];                  /* 1: an attacker had it */
};

enum attack_manner {
    ATTACK_SENDS,  /* and writes nothing: the library has no excuse then */
    ATTACK_WRITES, /* too */
    ATTACK_ROUGH   /* and may shut the sockets down, and make them small */
};

struct attack_order {
    enum attack_variant variant;
    enum attack_speed speed;
    enum attack_manner manner;
    uint64_t seed;
};

extern struct attack_tally *attack_tally;

#define RAW0(name) sys6(SYS_##name, 0, 0, 0, 0, 0, 0)
#define RAW1(name, a) sys6(SYS_##name, (long)(a), 0, 0, 0, 0, 0)
#define RAW2(name, a, b) sys6(SYS_##name, (long)(a), (long)(b), 0, 0, 0, 0)
#define RAW3(name, a, b, c) sys6(SYS_##name, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define RAW4(name, a, b, c, d) sys6(SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define RAW6(name, a, b, c, d, e, f)                                                               \
    sys6(SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* ---- Chance, from the seed (xorshift64*) ----------------------------------------------------- */

extern uint64_t attack_state;

static inline uint64_t attack_random(void)
{
    attack_state ^= attack_state >> 12;
    attack_state ^= attack_state << 25;
    attack_state ^= attack_state >> 27;
    return attack_state * 0x2545f4914f6cdd1dULL;
}

static inline uint64_t attack_below(uint64_t most)
{
    return (attack_random() >> 16) % most;
}

static inline bool attack_one_in(uint64_t count)
{
    return attack_below(count) == 0;
}

static inline int64_t attack_now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- The attackers' parts -------------------------------------------------------------------- */

/* Forks an attacker; its pid, in the server. listener is closed in the attacker. */
int attack_fork(const struct attack_order *order, int listener);

/* Looks for what is there at the start, which is others' too; how many mappings. What comes later
 * is of the attacker's own lot, and the library may say of itself there what it likes. */
int attack_find_memory(void);

/* Writes something somewhere; how many words. What is written, for a while: zeros, ones, what was
 * there some time ago, noise, or all of that. */
uint64_t attack_write(void);
void attack_change_mood(void);

/* The same, for UNIX sockets. */
int attack_find_sockets(void);

/* Sends one message, or does something else to a socket. True if a message was taken, with
 * *descriptors in it. */
bool attack_send(bool rough, unsigned *descriptors);

/* One of the sockets found. */
int attack_socket(void);

/* A descriptor to send, which may well be the only one of its socket; and the end of its use. */
int attack_pool_take(void);
void attack_pool_done(int fd);

/* Opens connections by libc's own names and closes them so: what the library itself sends. */
void attack_honest_closes(void);

#endif
