#include "trace/page.h"

#include <string.h>

#define HEAD 16 /* the time, and how many bytes follow; its upper bits are flags */
#define LENGTH 0xfffff

/* The lower 5 bits of a record's first word; less than PADDING it is a length in words, or 0. The upper 27 are the
 * time since the record before. */
enum { PADDING = 29, TIME_EXTEND = 30, TIME_STAMP = 31 };

static uint64_t word(const uint8_t *at, size_t size)
{
    uint64_t value = 0;

    memcpy(&value, at, size);
    return value;
}

void trace_page_begin(struct trace_page *page, const uint8_t *bytes, size_t size)
{
    uint64_t length = size >= HEAD ? word(bytes + 8, 8) & LENGTH : 0;

    page->time = size >= HEAD ? (int64_t)word(bytes, 8) : 0;
    page->at = bytes + (size >= HEAD ? HEAD : size);
    page->end = page->at + (length < size - HEAD ? length : size - HEAD);
    if (size < HEAD)
        page->end = page->at;
}

/* Takes size bytes; NULL if there are not so many. */
static const uint8_t *take(struct trace_page *page, uint64_t size)
{
    const uint8_t *at = page->at;

    if (size > (uint64_t)(page->end - at)) {
        page->at = page->end;
        return NULL;
    }
    page->at += size;
    return at;
}

/* What is no record of an event: time that passed, or room that was not used. */
static bool skip(struct trace_page *page, unsigned type, uint64_t delta)
{
    const uint8_t *at = take(page, 4);
    uint64_t value = at ? word(at, 4) : 0;

    if (type == TIME_EXTEND)
        page->time += (int64_t)(delta | value << 27);
    else if (type == TIME_STAMP)
        page->time = (int64_t)(delta | value << 27);
    else
        return delta && value >= 4 && take(page, value - 4);
    return at != NULL;
}

bool trace_page_next(struct trace_page *page, const uint8_t **record, size_t *size)
{
    const uint8_t *at;

    while ((at = take(page, 4))) {
        unsigned type = (unsigned)word(at, 4) & 31;
        uint64_t delta = word(at, 4) >> 5, length = type * 4U;

        if (type >= PADDING) {
            if (!skip(page, type, delta))
                return false;
            continue;
        }
        if (type == 0) {
            at = take(page, 4);
            length = at ? word(at, 4) : 0;
            length = length >= 4 ? length - 4 : 0;
        }
        *record = take(page, (length + 3) & ~3ULL);
        *size = length;
        page->time += (int64_t)delta;
        return *record != NULL;
    }
    return false;
}
