/*
 * Closes that have passed their connection to a lot and are not over: the number still stands for it, so
 * any thread may begin a call on it. The lot must know when that has ended; a signal's handler may come
 * between, and stay for long. All of it is in memory of this process alone, which a fork empties.
 */
#ifndef SAFECLOSE_HANDING_H
#define SAFECLOSE_HANDING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define HANDINGS 64

struct handings {
    struct {
        _Atomic uint64_t mark; /* 0: free */
        _Atomic uint64_t
            numbers; /* the first and the last, and 1; 0 wherever mark is not the owner's
                                     yet, or no more */
    } at[HANDINGS];
    _Atomic int under_way;
    _Atomic uint32_t given;
};

/* Where that memory is; zeroed. By the first starter of a family. */
void handing_start(struct handings *memory);

/* The calling thread is about to give up these numbers. A mark to know it by, the one before where that
 * covers them; 0 where too many are under way, or no lot was ever started. */
uint64_t handing_begin(unsigned first, unsigned last);

/* The real close of these numbers, by the calling thread, is over. */
void handing_end(unsigned first, unsigned last);

/* Whether that was said. */
bool handing_is_over(uint64_t mark);

/* It never will be: the thread was cancelled, or has jumped out of its close. Not of a range. */
void handing_forget(uint64_t mark);

#endif
