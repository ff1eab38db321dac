/*
 * What a program can play stands in one place, its name beside its function, and not a second time in a list.
 */
#ifndef SAFECLOSE_TESTS_LISTED_H
#define SAFECLOSE_TESTS_LISTED_H

#include <stdlib.h>

#define LISTED_JOIN_NOW(a, b) a##b
#define LISTED_JOIN(a, b) LISTED_JOIN_NOW(a, b)

/* Adds a row to LIST, an array of TYPE whose rows begin with a name; the first without one is its end. Done before
 * main(), in the order of the source, which the priority keeps. */
#define LISTED(type, list, ...)                                                                    \
    __attribute__((constructor(1000 + __COUNTER__))) static void LISTED_JOIN(list_,                \
                                                                             __COUNTER__)(void)    \
    {                                                                                              \
        type *listed = (list);                                                                     \
        while (*(const char **)listed)                                                             \
            listed++;                                                                              \
        if (listed + 1 == (list) + sizeof(list) / sizeof *(list))                                  \
            abort(); /* it has no room for one more and the end */                                 \
        *listed = (type){__VA_ARGS__};                                                             \
    }

#endif
