/* An attacker: how it becomes another user, and how its time goes. See attack.h. */
#define _GNU_SOURCE
#include "attack.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/time.h>

enum { LIFE_S = 30, TICK_US = 300000, LOOK_US = 300000, ROUND = 16 };

enum work { SEND, WRITE, BOTH, WORKS };

uint64_t attack_state;

static _Noreturn void give_up(const char *what, long result)
{
    fprintf(stderr, "attacker: unable to %s: %s\n", what, strerror((int)-result));
    RAW1(exit_group, 97);
    abort();
}

static void raw_must(long result, const char *what)
{
    if (result < 0)
        give_up(what, result);
}

/* Of all capabilities these alone are left, and with 0 none. */
static void keep_only(uint32_t wanted)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{.effective = wanted, .permitted = wanted}, {0}};

    raw_must(RAW2(capset, &header, data), "change its capabilities");
}

/* The library sees this change of user; capabilities that outlive it allow the next one. */
static void become_by_libc(void)
{
    must(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "keep its capabilities");
    must(setgroups(0, NULL), "drop groups");
    must(setgid(ATTACK_USER_BEFORE), "change its group");
    must(setuid(ATTACK_USER_BEFORE), "change its user");
    keep_only(1 << CAP_SETUID | 1 << CAP_SETGID);
}

static void become_another(enum attack_variant variant)
{
    if (variant == ATTACK_LATE)
        become_by_libc();
    raw_must(RAW2(setgroups, 0, 0), "drop groups");
    raw_must(RAW3(setresgid, ATTACK_USER, ATTACK_USER, ATTACK_USER), "change its group");
    raw_must(RAW3(setresuid, ATTACK_USER, ATTACK_USER, ATTACK_USER), "change its user");
    keep_only(0);
    /* Else some of its own /proc is not its to read. */
    raw_must(RAW2(prctl, PR_SET_DUMPABLE, 1), "read its own /proc");
}

/* What is the server's alone, and no way to get at it that matters here. */
static void let_go(int listener)
{
    RAW1(close, STDIN_FILENO);
    RAW1(close, STDOUT_FILENO);
    RAW1(close, listener);
}

static void sleep_us(uint64_t us)
{
    struct timespec time = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};

    RAW2(nanosleep, &time, 0);
}

static void add(_Atomic uint64_t *count, uint64_t more)
{
    atomic_fetch_add_explicit(count, more, memory_order_relaxed);
}

/* Writes, sends, or both. */
static void round_of(const struct attack_order *order, enum work work)
{
    enum attack_variant v = order->variant;
    unsigned descriptors = 0;

    for (int i = 0; i < ROUND; i++) {
        if (work != SEND)
            add(&attack_tally->words[v], attack_write());
        if (work != WRITE && attack_send(order->manner == ATTACK_ROUGH, &descriptors)) {
            add(&attack_tally->messages[v], 1);
            add(&attack_tally->descriptors[v], descriptors);
        }
        if (order->speed == ATTACK_SLOW)
            sleep_us(500 + attack_below(8000));
    }
}

/* Whatever becomes of the harness, it ends. Besides, the signal ends a close that waits for a
 * minute (SO_LINGER), where that was the last one after all. */
static void tick(int signal)
{
    static int ticks;

    (void)signal;
    if (++ticks > LIFE_S * 1000000LL / TICK_US)
        RAW1(exit_group, 0);
}

static void begin_to_tick(void)
{
    const struct itimerval every = {{0, TICK_US}, {0, TICK_US}};
    struct sigaction action = {.sa_handler = tick};

    sigaction(SIGALRM, &action, NULL);
    RAW3(setitimer, ITIMER_REAL, &every, 0);
}

/* Until it is killed. */
static _Noreturn void attack(const struct attack_order *order)
{
    enum attack_variant v = order->variant;
    bool honest = attack_one_in(3);
    enum work work = SEND;
    int64_t look = 0;

    add(&attack_tally->attackers[v], 1);
    add(&attack_tally->sockets[v], (uint64_t)attack_find_sockets());
    add(&attack_tally->mappings[v], (uint64_t)attack_find_memory());
    for (;;) {
        if (attack_now_us() > look) {
            look = attack_now_us() + LOOK_US;
            work = order->manner == ATTACK_SENDS ? SEND : (enum work)attack_below(WORKS);
            attack_change_mood();
            if (honest)
                attack_honest_closes();
        }
        round_of(order, work);
    }
}

static int raw_fork(void)
{
    return (int)sys6(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
}

int attack_fork(const struct attack_order *order, int listener)
{
    int pid = order->variant == ATTACK_RAW ? raw_fork() : fork();

    if (pid)
        return pid;
    attack_state = order->seed | 1;
    become_another(order->variant);
    begin_to_tick();
    let_go(listener);
    attack(order);
}
