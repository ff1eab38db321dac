/*
 * What the first bytes of a receive queue look like. A guess, good enough for a sentence to a
 * person: nothing is done by it. Pure; the bytes are a peer's, and may be anything.
 */
#ifndef SAFECLOSE_CONTENT_H
#define SAFECLOSE_CONTENT_H

#include <stddef.h>
#include <stdint.h>

enum content {
#define CONTENT(id, name, words) CONTENT_##id,
#include "tcp/content.def"
#undef CONTENT
    CONTENT_COUNT
};

/* bytes: the first "size" bytes of a queue that holds "unread" bytes in all. NONE if size is 0. Never
 * URGENT: the bytes don't show it. */
enum content content_of(const uint8_t *bytes, size_t size, uint64_t unread);

#endif
