#include "preload/preload.h"
#include "common/say.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SEPARATORS " :"

static bool has_name(const char *entry, size_t len, const char *begin)
{
    const char *base = entry;

    for (size_t i = 0; i < len; i++)
        if (entry[i] == '/')
            base = entry + i + 1;
    return (size_t)(entry + len - base) >= strlen(begin) &&
           strncmp(base, begin, strlen(begin)) == 0;
}

static bool is_asan(const char *entry, size_t len)
{
    return has_name(entry, len, "libasan.so") || has_name(entry, len, "libclang_rt.asan");
}

bool preload_names_library(const char *value)
{
    for (size_t len; *(value += strspn(value, SEPARATORS)); value += len) {
        len = strcspn(value, SEPARATORS);
        if (has_name(value, len, LIBRARY_NAME))
            return true;
    }
    return false;
}

static void append(char *list, const char *entry, size_t len)
{
    size_t end = strlen(list);

    if (end)
        list[end++] = ':';
    memcpy(list + end, entry, len);
    list[end + len] = '\0';
}

/* Appends those entries of the old list that are AddressSanitizer's, or those that are neither that nor this library,
 * wherever it lies: two of it would both work. */
static void append_old(char *list, const char *old, bool asan)
{
    for (size_t len; *(old += strspn(old, SEPARATORS)); old += len) {
        len = strcspn(old, SEPARATORS);
        if (is_asan(old, len) == asan && !has_name(old, len, LIBRARY_NAME))
            append(list, old, len);
    }
}

bool preload_set(const struct library *library, const char *asan)
{
    const char *old = getenv("LD_PRELOAD");
    char *name = library_name(library);
    char *list = calloc(1, (old ? strlen(old) : 0) + strlen(name) + strlen(asan) + 4);
    bool ok = list != NULL;

    if (ok) {
        append_old(list, old ? old : "", true);
        if (!*list && *asan)
            append(list, asan, strlen(asan));
        append(list, name, strlen(name));
        append_old(list, old ? old : "", false);
        ok = setenv("LD_PRELOAD", list, 1) == 0;
    }
    if (!ok)
        unable("set LD_PRELOAD: %s", strerror(errno));
    free(list);
    free(name);
    return ok;
}
