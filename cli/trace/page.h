/*
 * A page of the kernel's trace, as trace_pipe_raw gives it: a time, a length, and records one after the other
 * (Documentation/trace/ring-buffer-design.rst).
 */
#ifndef SAFECLOSE_TRACE_PAGE_H
#define SAFECLOSE_TRACE_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace_page {
    const uint8_t *at;
    const uint8_t *end;
    int64_t time; /* of the record that was read last, ns */
};

/* The records of the size bytes that were read. */
void trace_page_begin(struct trace_page *page, const uint8_t *bytes, size_t size);

/* The next one; false at the end, and where the page makes no sense. */
bool trace_page_next(struct trace_page *page, const uint8_t **record, size_t *size);

#endif
