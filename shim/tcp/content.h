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

/* size of the bytes that begin a queue of unread bytes in all; NONE where there are none, and never
 * URGENT, which the bytes don't show. */
enum content content_of(const uint8_t *bytes, size_t size, uint64_t unread);

#endif
