/*
 * A test written with cmocka stands in one place: TEST(function) begins it and puts it on the list, which TEST_MAIN()
 * runs in the order of the source.
 */
#ifndef SAFECLOSE_TESTS_TEST_H
#define SAFECLOSE_TESTS_TEST_H

#include "listed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Written before main() only. cmocka passes over what is empty. */
static struct CMUnitTest test_list[64];

/* The head of a test; behind the name may stand what is called before and after it. */
#define TEST_NAMED(sentence, function, ...)                                                        \
    static void function(void **state);                                                            \
    LISTED(struct CMUnitTest, test_list, sentence, function, __VA_ARGS__)                          \
    static void function(__attribute__((unused)) void **state)

#define TEST(function) TEST_NAMED(#function, function, NULL, NULL, NULL)
#define TEST_THEN(function, teardown) TEST_NAMED(#function, function, NULL, teardown, NULL)

/* Of a table, a test for each row, with a member `name`: FORMAT is the test's, with a %s for the row's. */
#define TEST_MAIN_ROWS(rows, format, function)                                                     \
    int main(void)                                                                                 \
    {                                                                                              \
        enum { COUNT = sizeof(rows) / sizeof((rows)[0]) };                                         \
        static char names[COUNT][64];                                                              \
        struct CMUnitTest *test = test_list;                                                       \
                                                                                                   \
        while (test->name)                                                                         \
            test++;                                                                                \
        for (int i = 0; i < COUNT; i++) {                                                          \
            snprintf(names[i], sizeof(names[i]), format, (rows)[i].name);                          \
            *test++ = (struct CMUnitTest){names[i], function, NULL, NULL, (void *)&(rows)[i]};     \
        }                                                                                          \
        return cmocka_run_group_tests(test_list, NULL, NULL);                                      \
    }

#define TEST_MAIN()                                                                                \
    int main(void)                                                                                 \
    {                                                                                              \
        return cmocka_run_group_tests(test_list, NULL, NULL);                                      \
    }

#endif
