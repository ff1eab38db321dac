/* What is remembered of a descriptor's number: every number, its borders, and many threads. */
#define _GNU_SOURCE
#include "ground/fdtable.h"
#include "test.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BEYOND = 1048576 }; /* the first number that the table does not cover */

static void assert_note(int fd, struct fd_info wanted)
{
    struct fd_info note = fdtable_get(fd);

    if (note.peer != wanted.peer || note.serial != wanted.serial || note.flags != wanted.flags ||
        note.origin != wanted.origin || note.epolls != wanted.epolls || note.rings != wanted.rings)
        fail_msg(
            "number %d: peer %llx serial %llu flags %x origin %u, not peer %llx serial %llu flags %x "
            "origin %u",
            fd, (unsigned long long)note.peer, (unsigned long long)note.serial, note.flags,
            note.origin, (unsigned long long)wanted.peer, (unsigned long long)wanted.serial,
            wanted.flags, wanted.origin);
}

static const struct fd_info nothing = {0, 0, 0, 0, 0, 0};

/* Not by taking, which is among what is tested. */
static int clear(void **state)
{
    (void)state;
    for (int fd = 0; fd < BEYOND; fd++) {
        struct fd_info note = fdtable_get(fd);
        if (note.peer || note.serial || note.flags || note.origin)
            fdtable_set(fd, nothing);
    }
    return 0;
}

enum { THREADS = 8, PAGE = 4096, PAGES = BEYOND / PAGE };

struct worker {
    pthread_t thread;
    unsigned index;
    pthread_barrier_t *barrier;
};

static void in_threads(void *(*work)(void *))
{
    struct worker workers[THREADS];
    pthread_barrier_t barrier;

    pthread_barrier_init(&barrier, NULL, THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.index = i, .barrier = &barrier};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    pthread_barrier_destroy(&barrier);
}

/* The first note of a page maps it: of all threads that try at once one wins, and no other's note
 * may be lost with the page that it had mapped. */
static void *set_first_of_every_page(void *arg)
{
    const struct worker *w = arg;

    for (int page = 0; page < PAGES; page++) {
        if (page % 64 == 0)
            pthread_barrier_wait(w->barrier);
        fdtable_set(page * PAGE + (int)w->index, (struct fd_info){w->index, 1, FD_TCP, 0, 0, 0});
    }
    return NULL;
}

TEST(no_note_is_lost_when_threads_map_one_page_at_once)
{
    int status = 0;
    pid_t child = fork(); /* the other tests will map pages: this one is the first */

    if (child == 0) {
        in_threads(set_first_of_every_page);
        for (int page = 0; page < PAGES; page++)
            for (unsigned i = 0; i < THREADS; i++) {
                struct fd_info note = fdtable_get(page * PAGE + (int)i);
                if (note.peer != i || note.flags != FD_TCP)
                    _exit(1);
            }
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

TEST(nothing_is_known_of_a_number_that_was_never_noted)
{
    const int numbers[] = {0, 1, 255, 256, 511, 512, 1000000, BEYOND - 1};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        assert_note(numbers[i], nothing);
}

TEST_THEN(a_note_comes_back_as_it_was_set, clear)
{
    const struct fd_info whole = {UINT64_MAX, UINT64_MAX >> 16, 0xffff, UINT32_MAX, 0, UINT64_MAX};
    const struct fd_info other = {1, 2, FD_TCP | FD_CREATED, 3, 0, 0};
    const int numbers[] = {0, 1, 255, 256, 511, 512, 513, 1023, 1024, 524287, BEYOND - 1};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        assert_true(fdtable_set(numbers[i], whole));
        assert_note(numbers[i], whole);
        fdtable_set(numbers[i], other);
        assert_note(numbers[i], other);
    }
}

/* 511 and 512 stand on different pages, 512 and 513 on one. */
TEST(neighbours_are_left_alone)
{
    const struct fd_info note = {7, 8, FD_TCP, 9, 0, 0};

    for (int fd = 250; fd <= 520; fd++) {
        fdtable_set(fd, note);
        assert_note(fd - 1, nothing);
        assert_note(fd + 1, nothing);
        fdtable_set(fd, nothing);
    }
}

TEST_THEN(every_number_has_a_place_of_its_own, clear)
{
    for (int fd = 0; fd < BEYOND; fd++)
        fdtable_set(
            fd, (struct fd_info){(uint64_t)fd << 20, (uint32_t)fd, FD_TCP, ~(uint32_t)fd, 0, 0});
    for (int fd = 0; fd < BEYOND; fd++)
        assert_note(
            fd, (struct fd_info){(uint64_t)fd << 20, (uint32_t)fd, FD_TCP, ~(uint32_t)fd, 0, 0});
}

TEST(a_number_outside_the_table_is_not_remembered)
{
    const int numbers[] = {-1, -2, -256, INT_MIN, BEYOND, BEYOND + 1, INT_MAX - 1, INT_MAX};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        assert_false(fdtable_set(numbers[i], (struct fd_info){1, 1, FD_TCP, 1, 0, 0}));
        assert_note(numbers[i], nothing);
        fdtable_add(numbers[i], FD_UNTRACKED);
        assert_note(numbers[i], nothing);
        fdtable_connected(numbers[i], 1);
        assert_note(numbers[i], nothing);
        assert_int_equal(fdtable_take(numbers[i]).flags, 0);
        assert_note(numbers[i], nothing);
    }
}

TEST_THEN(flags_are_added_to_what_is_known, clear)
{
    fdtable_set(9, (struct fd_info){3, 4, FD_TCP | FD_CREATED, 5, 0, 0});
    fdtable_add(9, FD_UNTRACKED);
    fdtable_add(9, FD_UNTRACKED | FD_ASK_LINGER);
    assert_note(
        9, (struct fd_info){3, 4, FD_TCP | FD_CREATED | FD_UNTRACKED | FD_ASK_LINGER, 5, 0, 0});
}

TEST_THEN(flags_can_be_the_first_thing_known, clear)
{
    fdtable_add(77777, FD_OTHER);
    assert_note(77777, (struct fd_info){0, 0, FD_OTHER, 0, 0, 0});
}

static void assert_taken(int fd, struct fd_info wanted)
{
    struct fd_info taken = fdtable_take(fd);

    assert_int_equal(taken.peer, wanted.peer);
    assert_int_equal(taken.serial, wanted.serial);
    assert_int_equal(taken.flags, wanted.flags);
    assert_int_equal(taken.origin, wanted.origin);
}

TEST_THEN(what_was_known_is_taken_once, clear)
{
    const struct fd_info note = {5, 6, FD_TCP | FD_PEER, 7, 0, 0};

    fdtable_set(12, note);
    assert_taken(12, note);
    assert_taken(12, nothing);
}

TEST_THEN(nothing_is_known_of_a_number_that_was_taken, clear)
{
    fdtable_set(12, (struct fd_info){5, 6, FD_TCP | FD_PEER, 7, 0, 0});
    fdtable_take(12);
    assert_note(12, nothing);
}

TEST_THEN(a_number_that_was_taken_starts_afresh, clear)
{
    fdtable_set(13, (struct fd_info){5, 6, FD_TCP | FD_PEER | FD_UNTRACKED, 7, 0, 0});
    fdtable_take(13);
    fdtable_set(13, (struct fd_info){7, 8, FD_TCP, 0, 0, 0});
    assert_note(13, (struct fd_info){7, 8, FD_TCP, 0, 0, 0});
}

/* What comes to stand on the number unseen must not get the reference count of what stood there. */
TEST_THEN(flags_added_to_a_number_that_was_taken_find_nothing_of_its_former_life, clear)
{
    fdtable_set(13, (struct fd_info){5, 6, FD_TCP | FD_PEER | FD_UNTRACKED, 7, 0, 0});
    fdtable_take(13);
    fdtable_add(13, FD_TCP);
    assert_note(13, (struct fd_info){0, 0, FD_TCP, 0, 0, 0});
}

TEST_THEN(connecting_adds_a_peer_and_leaves_the_rest, clear)
{
    fdtable_set(17, (struct fd_info){0, 6, FD_TCP | FD_CREATED, 7, 0, 0});
    fdtable_connected(17, 99);
    assert_note(17, (struct fd_info){99, 6, FD_TCP | FD_CREATED | FD_CONNECTED | FD_PEER, 7, 0, 0});
}

TEST_THEN(connecting_to_nobody_takes_the_peer_away, clear)
{
    fdtable_set(18, (struct fd_info){99, 6, FD_TCP | FD_CREATED | FD_PEER, 7, 0, 0});
    fdtable_connected(18, 0);
    assert_note(18, (struct fd_info){0, 6, FD_TCP | FD_CREATED | FD_CONNECTED, 7, 0, 0});
}

TEST_THEN(a_fork_child_has_a_copy, clear)
{
    const struct fd_info before = {1, 2, FD_TCP, 3, 0, 0};
    int status = 0;
    pid_t child;

    fdtable_set(14, before);
    child = fork();
    if (child == 0) {
        bool inherited = fdtable_get(14).flags == FD_TCP;
        fdtable_set(14, (struct fd_info){3, 4, FD_OTHER, 5, 0, 0});
        _exit(inherited && fdtable_get(14).flags == FD_OTHER ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_note(14, before);
}

/* Two epoll sets are remembered, by their numbers plus one. */
TEST_THEN(the_epoll_sets_of_a_number_are_known, clear)
{
    fdtable_set(30, (struct fd_info){1, 1, FD_TCP, 0, 0, 0});
    assert_true(fdtable_enter_epoll(30, 4));
    assert_int_equal(fdtable_get(30).epolls, 5);
    assert_false(fdtable_enter_epoll(30, 4));
    assert_int_equal(fdtable_get(30).epolls, 5);
    fdtable_enter_epoll(30, 6);
    assert_int_equal(fdtable_get(30).epolls, 7 << 16 | 5);
    fdtable_leave_epoll(30, 4, 99);
    assert_int_equal(fdtable_get(30).epolls, 7 << 16);
    assert_int_equal(fdtable_get(30).rings, 99);
    fdtable_enter_epoll(30, 8);
    assert_int_equal(fdtable_get(30).epolls, 7 << 16 | 9);
    assert_false(fdtable_get(30).flags & FD_EPOLL_STUCK);
    assert_int_equal(fdtable_take(30).epolls, 7 << 16 | 9);
    assert_int_equal(fdtable_get(30).epolls, 0);
}

TEST_THEN(an_epoll_set_too_many_sticks, clear)
{
    fdtable_set(31, (struct fd_info){1, 1, FD_TCP, 0, 0, 0});
    fdtable_enter_epoll(31, 4);
    fdtable_enter_epoll(31, 5);
    fdtable_enter_epoll(31, 6);
    assert_true(fdtable_get(31).flags & FD_EPOLL_STUCK);
    fdtable_set(31, (struct fd_info){1, 1, FD_TCP, 0, 0, 0});
    fdtable_enter_epoll(31, 0xffff);
    assert_true(fdtable_get(31).flags & FD_EPOLL_STUCK);
    assert_int_equal(fdtable_take(31).epolls, 0);
}

TEST(an_epoll_set_of_an_unknown_number_is_not_remembered)
{
    fdtable_take(32);
    fdtable_enter_epoll(32, 4);
    fdtable_leave_epoll(32, 4, 0);
    assert_int_equal(fdtable_get(32).epolls, 0);
    assert_int_equal(fdtable_get(32).flags, 0);
}

TEST_THEN(flags_can_be_taken_away, clear)
{
    fdtable_set(33, (struct fd_info){1, 2, FD_TCP | FD_STREAM, 3, 0, 0});
    fdtable_drop(33, FD_STREAM);
    assert_note(33, (struct fd_info){1, 2, FD_TCP, 3, 0, 0});
    fdtable_drop(-1, FD_STREAM);
}

TEST_THEN(the_numbers_with_a_flag_are_found_in_order, clear)
{
    const int numbers[] = {0, 1, 511, 512, 70000, BEYOND - 1};
    const int count = sizeof(numbers) / sizeof(numbers[0]);
    int fd = -1;

    for (int i = 0; i < count; i++)
        fdtable_set(numbers[i], (struct fd_info){1, 1, FD_TCP | FD_PEER, 0, 0, 0});
    fdtable_set(513, (struct fd_info){1, 1, FD_OTHER, 0, 0, 0});
    for (int i = 0; i < count; i++) {
        fd = fdtable_next(fd, FD_TCP | FD_LISTENING);
        assert_int_equal(fd, numbers[i]);
    }
    assert_int_equal(fdtable_next(fd, FD_TCP), -1);
    assert_int_equal(fdtable_next(-1, FD_OTHER), 513);
    assert_int_equal(fdtable_next(513, FD_OTHER), -1);
    assert_int_equal(fdtable_next(-1, FD_LISTENING), -1);
}

TEST_THEN(a_number_that_was_taken_is_not_found, clear)
{
    fdtable_set(16, (struct fd_info){1, 1, FD_TCP, 0, 0, 0});
    fdtable_take(16);
    assert_int_equal(fdtable_next(-1, ~0U), -1);
}

static void *add_own_flag(void *arg)
{
    const struct worker *w = arg;

    pthread_barrier_wait(w->barrier);
    for (int fd = 0; fd < 10000; fd++)
        fdtable_add(fd, 1U << w->index);
    return NULL;
}

TEST_THEN(no_flag_is_lost_when_threads_add_to_one_number, clear)
{
    in_threads(add_own_flag);
    for (int fd = 0; fd < 10000; fd++)
        assert_int_equal(fdtable_get(fd).flags, (1U << THREADS) - 1);
}

static _Atomic int takers;

static void *take(void *arg)
{
    const struct worker *w = arg;

    pthread_barrier_wait(w->barrier);
    for (int fd = 0; fd < 10000; fd++)
        if (fdtable_take(fd).flags)
            atomic_fetch_add(&takers, 1);
    return NULL;
}

TEST_THEN(one_thread_of_many_takes_what_was_known, clear)
{
    for (int fd = 0; fd < 10000; fd++)
        fdtable_set(fd, (struct fd_info){1, 1, FD_TCP, 0, 0, 0});
    in_threads(take);
    assert_int_equal(takers, 10000);
}

static _Atomic bool mixed;

/* Even threads write two notes in turn, odd ones read. */
static void *write_or_read(void *arg)
{
    const struct worker *w = arg;

    pthread_barrier_wait(w->barrier);
    for (uint32_t i = 0; i < 200000; i++) {
        if (w->index % 2 == 0) {
            uint32_t life = 1 + (i & 1);
            fdtable_set(20, (struct fd_info){life, life, life, life, 0, 0});
        } else {
            struct fd_info note = fdtable_get(20);
            if (note.serial != note.flags)
                atomic_store(&mixed, true);
        }
    }
    return NULL;
}

TEST_THEN(the_flags_of_one_life_never_meet_the_serial_of_another, clear)
{
    in_threads(write_or_read);
    assert_false(mixed);
}

TEST_MAIN()
