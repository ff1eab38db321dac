/*
 * As much of cmocka as the tests here use, for libcs and machines that have no cmocka to link with. The same tests, and
 * the same TAP; a crash ends the program, and tests/run then counts what is missing.
 */
#ifndef SAFECLOSE_TESTS_CMOCKA_H
#define SAFECLOSE_TESTS_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef void (*CMUnitTestFunction)(void **state);
typedef int (*CMFixtureFunction)(void **state);

struct CMUnitTest {
    const char *name;
    CMUnitTestFunction test_func;
    CMFixtureFunction setup_func;
    CMFixtureFunction teardown_func;
    void *initial_state;
};

enum { SMALL_PASSED, SMALL_FAILED, SMALL_SKIPPED };

static jmp_buf small_end; /* of the running test */

__attribute__((noreturn, unused, format(printf, 3, 4))) static void small_fail(const char *file,
                                                                               int line,
                                                                               const char *format,
                                                                               ...)
{
    va_list args;

    printf("# %s:%d: ", file, line);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    longjmp(small_end, SMALL_FAILED);
}

#define fail_msg(...) small_fail(__FILE__, __LINE__, __VA_ARGS__)
#define print_error(...) printf("# " __VA_ARGS__)
#define fail() fail_msg("failed")
#define skip() longjmp(small_end, SMALL_SKIPPED)

#define small_assert(true, ...) ((true) ? (void)0 : fail_msg(__VA_ARGS__))
#define assert_true(c) small_assert(c, "%s is false", #c)
#define assert_false(c) small_assert(!(c), "%s is true", #c)
#define assert_null(p) small_assert(!(p), "%s is not NULL", #p)
#define assert_non_null(p) small_assert(p, "%s is NULL", #p)
#define assert_ptr_equal(a, b)                                                                     \
    small_compare(__FILE__, __LINE__, (long long)(uintptr_t)(a), (long long)(uintptr_t)(b))
#define assert_int_equal(a, b) small_compare(__FILE__, __LINE__, (long long)(a), (long long)(b))
#define assert_in_range(n, low, high)                                                              \
    small_assert((unsigned long long)(n) - (low) <= (high) - (low), "%s is not between %s and %s", \
                 #n, #low, #high)
#define assert_memory_equal(a, b, size)                                                            \
    small_assert(memcmp(a, b, size) == 0, "%s differs from %s", #a, #b)
#define assert_string_equal(a, b) small_compare_text(__FILE__, __LINE__, a, b)

__attribute__((unused)) static void small_compare(const char *file, int line, long long a,
                                                  long long b)
{
    if (a != b)
        small_fail(file, line, "%#llx is not %#llx", (unsigned long long)a, (unsigned long long)b);
}

__attribute__((unused)) static void small_compare_text(const char *file, int line, const char *a,
                                                       const char *b)
{
    if (strcmp(a, b) != 0)
        small_fail(file, line, "\"%s\" is not \"%s\"", a, b);
}

/* A function of cmocka's library, of which a test wants the address. */
__attribute__((unused)) static void _assert_true(void)
{
}

static int small_run(const struct CMUnitTest *test)
{
    void *state = test->initial_state;
    int ended;

    if (test->setup_func && test->setup_func(&state) != 0)
        return SMALL_FAILED;
    ended = setjmp(small_end);
    if (ended == SMALL_PASSED)
        test->test_func(&state);
    if (test->teardown_func && test->teardown_func(&state) != 0)
        return SMALL_FAILED;
    return ended;
}

static int small_run_all(const struct CMUnitTest *tests, size_t room)
{
    static const char *const words[] = {
        [SMALL_PASSED] = "ok", [SMALL_FAILED] = "not ok", [SMALL_SKIPPED] = "ok"};
    int count = 0;
    int failed = 0;

    while ((size_t)count < room && tests[count].test_func)
        count++;
    printf("1..%d\n", count);
    for (int i = 0; i < count; i++) {
        int ended = small_run(&tests[i]);

        printf("%s %d - %s%s\n", words[ended], i + 1, tests[i].name,
               ended == SMALL_SKIPPED ? " # SKIP" : "");
        fflush(stdout);
        failed += ended == SMALL_FAILED;
    }
    return failed;
}

#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    small_run_all(tests, sizeof(tests) / sizeof(tests)[0])

#endif
