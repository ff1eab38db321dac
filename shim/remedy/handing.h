/*
 * Closes that have passed their connection to a lot, but are not over yet. Until then the number still stands for the
 * connection, and any thread may begin a call on it. So the lot must know when the close is over; a signal handler may
 * interrupt it for long. All of this is in memory of this process alone; a fork empties it.
 */
#ifndef SAFECLOSE_HANDING_H
#define SAFECLOSE_HANDING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define HANDINGS 64

struct handings {
    struct {
        _Atomic uint64_t mark;    /* 0: free */
        _Atomic uint64_t numbers; /* (first << 32 | last) + 1; 0: not stored yet, or released */
    } at[HANDINGS];
    _Atomic int under_way;
    _Atomic uint32_t given;
};

/* Says where that memory is; it is zeroed. Called by the thread that starts a family's first lot. */
void handing_start(struct handings *memory);

/* The calling thread is about to close these numbers. Returns a mark for that close, or the mark of the close that it
 * is part of; 0 if too many are under way, or no lot was ever started. */
uint64_t handing_begin(unsigned first, unsigned last);

/* The calling thread's real close of these numbers is over. */
void handing_end(unsigned first, unsigned last);

/* Whether the close with this mark is over. */
bool handing_is_over(uint64_t mark);

/* The close with this mark will never be over: its thread was cancelled, or has jumped out of it. Does nothing for a
 * range. */
void handing_forget(uint64_t mark);

#endif
