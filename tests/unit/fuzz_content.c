/*
 * A guess at any bytes: no read outside of them, and a word for each.
 */
#include "../../shim/tcp/content.c"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

/* Of exactly that size, so that a sanitizer sees the first byte too many. */
static enum content guess(const uint8_t *data, size_t size, uint64_t unread)
{
    uint8_t *bytes = malloc(size ? size : 1);
    enum content content;

    check(bytes != NULL);
    if (size)
        memcpy(bytes, data, size);
    content = content_of(size ? bytes : bytes + 1, size, unread);
    free(bytes);
    return content;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum content content = guess(data, size, size);

    check(content < CONTENT_COUNT && content != CONTENT_URGENT);
    check((content == CONTENT_NONE) == (size == 0));
    check(guess(data, size, size) == content);
    /* A queue of which this is the beginning, and every beginning of it. */
    guess(data, size, UINT64_MAX);
    for (size_t n = 0; n < size; n++)
        guess(data, n, size);
    return 0;
}
