/*
 * libc's string functions, for the library alone. What is found under their names at run time may be another
 * library's: ThreadSanitizer's keep notes in memory of the thread, which a lot's thread does not have. And
 * none of them is called often, or with much.
 *
 * Flags of the Makefile keep the compiler from replacing a loop by a call of the function that it is in.
 */
#include "safeclose.h"

void *memmove(void *to, const void *from, size_t size)
{
    unsigned char *t = to;
    const unsigned char *f = from;

    if (t <= f)
        for (size_t i = 0; i < size; i++)
            t[i] = f[i];
    else
        for (size_t i = size; i-- > 0;)
            t[i] = f[i];
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    return memmove(to, from, size);
}

void *memset(void *bytes, int value, size_t size)
{
    unsigned char *b = bytes;

    for (size_t i = 0; i < size; i++)
        b[i] = (unsigned char)value;
    return bytes;
}

int memcmp(const void *one, const void *other, size_t size)
{
    const unsigned char *a = one;
    const unsigned char *b = other;

    for (size_t i = 0; i < size; i++)
        if (a[i] != b[i])
            return a[i] - b[i];
    return 0;
}

void *memchr(const void *bytes, int value, size_t size)
{
    const unsigned char *b = bytes;

    for (size_t i = 0; i < size; i++)
        if (b[i] == (unsigned char)value)
            return (void *)(b + i);
    return NULL;
}

size_t strnlen(const char *s, size_t most)
{
    size_t len = 0;

    while (len < most && s[len])
        len++;
    return len;
}

size_t strlen(const char *s)
{
    return strnlen(s, PTRDIFF_MAX);
}

int strncmp(const char *one, const char *other, size_t most)
{
    for (size_t i = 0; i < most; i++) {
        unsigned char a = (unsigned char)one[i];
        unsigned char b = (unsigned char)other[i];

        if (a != b || !a)
            return a - b;
    }
    return 0;
}

int strcmp(const char *one, const char *other)
{
    return strncmp(one, other, PTRDIFF_MAX);
}

char *strcpy(char *restrict to, const char *restrict from)
{
    memmove(to, from, strlen(from) + 1);
    return to;
}

char *strchr(const char *s, int value)
{
    return memchr(s, value, strlen(s) + 1);
}

char *strrchr(const char *s, int value)
{
    for (size_t i = strlen(s) + 1; i-- > 0;)
        if (s[i] == (char)value)
            return (char *)(s + i);
    return NULL;
}

size_t strspn(const char *s, const char *set)
{
    size_t len = 0;

    while (s[len] && strchr(set, s[len]))
        len++;
    return len;
}

size_t strcspn(const char *s, const char *set)
{
    size_t len = 0;

    while (s[len] && !strchr(set, s[len]))
        len++;
    return len;
}

char *strstr(const char *s, const char *wanted)
{
    size_t len = strlen(wanted);

    for (; *s; s++)
        if (strncmp(s, wanted, len) == 0)
            return (char *)s;
    return len ? NULL : (char *)s;
}
