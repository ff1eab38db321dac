/*
 * The unwinder against libc's own backtrace(3), which uses another one: in the same place the same
 * return addresses, by either way of finding the module that an address is in.
 */
#define _GNU_SOURCE
#include "settings/config.h"
#include "test.h"
#include "ground/real.h"
#include "report/stack.h"
#include "report/stack_unwind.h"

#include <execinfo.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEEPEST 64
#define OWN static __attribute__((noinline))
#define STAY() __asm__ volatile("" : : : "memory")

/* ---- What the unwinder needs of the rest of the library -------------------------------------------- */

/* libc has it from 2.35 on. */
extern int find_object(void *address, struct real_object *object) __asm__("_dl_find_object")
    __attribute__((weak));

struct config config;
static bool by_libc; /* or by /proc/self/maps */

bool real_can_find_object(void)
{
    return by_libc;
}

/* What the library leaves out of a stack is its whole module. Here the test is in that too: so when
 * it asks for itself it is told that the module ends behind its own code, where the test's begins.
 */
bool real_find_object(uintptr_t address, struct real_object *object)
{
    if (find_object((void *)address, object) != 0)
        return false;
    if (address == (uintptr_t)&stack_capture)
        object->end = (char *)address + 1024;
    return true;
}

/* ---- Both of them, in one place ---------------------------------------------------------------------- */

/* The addresses of the callers of who calls this. */
OWN unsigned walk(uintptr_t frames[DEEPEST])
{
    struct unwind u;
    unsigned count = 0;

    for (bool more = unwind_begin(&u) && unwind_up(&u) && unwind_up(&u); more && count < DEEPEST;
         more = unwind_up(&u))
        frames[count++] = u.pc;
    return count;
}

static volatile unsigned compared; /* stacks; by handlers too */
static unsigned deepest;

OWN void compare(void)
{
    void *theirs[DEEPEST + 1];
    uintptr_t ours[DEEPEST];
    struct stack captured;
    int expected = backtrace(theirs, DEEPEST + 1) - 1; /* without this place itself */
    unsigned count = walk(ours);

    for (unsigned i = 0; i < count && (int)i < expected; i++)
        assert_ptr_equal((void *)ours[i], theirs[i + 1]);
    assert_int_equal(count, expected);
    compared++;
    deepest = count > deepest ? count : deepest;
    if (!by_libc)
        return;
    stack_capture(&captured, STACK_MAX, NULL);
    assert_int_equal(captured.count, count + 1 < STACK_MAX ? count + 1 : STACK_MAX);
    /* Of what a signal interrupted the address is one higher: see stack.h. */
    for (unsigned i = 1; i < captured.count; i++)
        assert_in_range(captured.frames[i] - ours[i - 1], 0, 1);
}

static void compares(unsigned stacks, void (*function)(void))
{
    compared = 0;
    function();
    assert_int_equal(compared, stacks);
}

/* ---- Where stacks differ ------------------------------------------------------------------------------ */

OWN void level(int levels)
{
    size_t size = (size_t)levels * 64 + 1;
    char *frame = __builtin_alloca(size); /* such a function has a frame pointer */

    memset(frame, 0, size);
    __asm__ volatile("" : : "r"(frame) : "memory");
    if (levels == 0)
        compare();
    else
        level(levels - 1);
    STAY();
}

static void ten_levels(void)
{
    level(10);
}

static void all_that_fits(void)
{
    deepest = 0;
    level(40);
    assert_true(deepest > STACK_MAX);
}

static void (*volatile pointer)(void) = compare;

OWN void by_a_pointer(void)
{
    pointer();
    STAY();
}

static int by_size(const void *a, const void *b)
{
    compare();
    return *(const int *)a - *(const int *)b;
}

static void sort_three(void)
{
    int numbers[] = {3, 1, 2};

    qsort(numbers, 3, sizeof(numbers[0]), by_size);
    assert_int_equal(numbers[0], 1);
}

static void handler(int number)
{
    (void)number;
    compare();
}

static void raise_one(void)
{
    struct sigaction action = {.sa_handler = handler};

    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    STAY();
}

static void raise_on_another_stack(void)
{
    static char bytes[64 << 10];
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    stack_t stack = {.ss_sp = bytes, .ss_size = sizeof(bytes)};
    stack_t before;

    sigaltstack(&stack, &before);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    sigaltstack(&before, NULL);
}

static void *thread(void *unused)
{
    level(3);
    return unused;
}

static void in_a_thread(void)
{
    pthread_t id;

    assert_int_equal(pthread_create(&id, NULL, thread, NULL), 0);
    assert_int_equal(pthread_join(id, NULL), 0);
}

static void everywhere(void)
{
    compares(1, ten_levels);
    compares(1, all_that_fits);
    compares(1, by_a_pointer);
    compares(3, sort_three);
    compares(1, raise_one);
    compares(1, raise_on_another_stack);
    compares(1, in_a_thread);
}

/* ---- The tests ------------------------------------------------------------------------------------------ */

TEST(same_as_backtrace_when_libc_knows_the_module)
{
    if (!find_object)
        skip();
    by_libc = true;
    everywhere();
}

TEST(same_as_backtrace_when_proc_knows_the_module)
{
    by_libc = false;
    everywhere();
}

static void check_module(const void *place)
{
    struct module a = {.end = 0};
    struct module b = {.end = 0};

    by_libc = true;
    assert_true(stack_module((uintptr_t)place, &a));
    by_libc = false;
    assert_true(stack_module((uintptr_t)place, &b));
    assert_int_equal(a.start, b.start);
    assert_int_equal(a.bias, b.bias);
    assert_ptr_equal(a.eh_frame_hdr, b.eh_frame_hdr);
    assert_int_equal(a.is_executable, b.is_executable);
    assert_true((uintptr_t)place < a.end && (uintptr_t)place < b.end);
}

TEST(both_ways_find_the_same_module)
{
    if (!find_object)
        skip();
    check_module((const void *)(uintptr_t)&check_module);
    check_module((const void *)(uintptr_t)&qsort);
    check_module((const void *)(uintptr_t)&_assert_true);
    check_module(&config);
}

TEST(code_of_no_module_is_in_none)
{
    char on_stack = 0;
    struct module m = {.end = 0};

    for (int i = 0; i < (find_object ? 2 : 1); i++) {
        by_libc = i;
        assert_false(stack_module((uintptr_t)&on_stack, &m));
        assert_false(stack_module(0, &m));
        assert_false(stack_module(UINTPTR_MAX, &m));
    }
}

TEST(no_more_frames_than_asked_for)
{
    struct stack stack;

    if (!find_object)
        skip();
    by_libc = true;
    for (unsigned most = 0; most < 4; most++) {
        stack_capture(&stack, most, NULL);
        assert_int_equal(stack.count, most);
    }
    stack_capture(&stack, 4, &stack); /* nobody's call site is there */
    assert_int_equal(stack.count, 1);
    assert_ptr_equal((void *)stack.frames[0], &stack);
}

int main(void)
{
    void *first[1];

    backtrace(first, 1); /* loads what it needs, before a handler does */
    if (readlink("/proc/self/exe", config.executable, sizeof(config.executable) - 1) < 0)
        return 1;
    return cmocka_run_group_tests(test_list, NULL, NULL);
}
