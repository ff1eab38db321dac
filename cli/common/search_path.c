#include "common/search_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int executable(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return errno;
    if (S_ISDIR(st.st_mode))
        return EISDIR;
    if (!S_ISREG(st.st_mode))
        return EACCES;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : EACCES;
}

/* Entry of PATH and name; an empty entry is the current directory. */
static bool join(const char *entry, size_t len, const char *name, char path[PATH_MAX])
{
    int n = snprintf(path, PATH_MAX, "%.*s%s%s", (int)len, entry, len ? "/" : "", name);

    return len < PATH_MAX && n < PATH_MAX;
}

int search_path(const char *name, char found[PATH_MAX])
{
    const char *entry = getenv("PATH");
    char path[PATH_MAX], standard[PATH_MAX];
    int result = ENOENT;

    found[0] = '\0';
    if (!*name)
        return ENOENT;
    if (strlen(name) >= PATH_MAX)
        return ENAMETOOLONG;
    if (strchr(name, '/')) {
        strcpy(found, name);
        return executable(name);
    }
    if (!entry)
        entry = confstr(_CS_PATH, standard, sizeof(standard)) ? standard : "/bin:/usr/bin";
    for (;; entry++) {
        size_t len = strcspn(entry, ":");

        if (join(entry, len, name, path)) {
            int error = executable(path);

            if (error == 0 || (error != ENOENT && error != ENOTDIR && result == ENOENT))
                strcpy(found, path);
            if (error == 0)
                return 0;
            if (error == EACCES || error == EISDIR)
                result = EACCES;
        }
        entry += len;
        if (!*entry)
            return result;
    }
}
