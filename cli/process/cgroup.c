#include "process/cgroup.h"

#include <stdio.h>
#include <string.h>

#define ID 64 /* digits of a container's id, in every engine */
#define SHOWN 12

/* Docker, containerd, CRI-O and podman all have it in the last part of the path: "docker-ID.scope", "ID". */
static void find_container(const char *part, size_t len, char *container, size_t size)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i + ID <= len; i++)
        if (strspn(part + i, digits) == ID && (i == 0 || !strchr(digits, part[i - 1]))) {
            snprintf(container, size, "%.*s", SHOWN, part + i);
            return;
        }
}

/* A login's scope and a slice are no unit that somebody wrote. */
static void find_unit(const char *part, size_t len, char *unit, size_t size)
{
    static const char service[] = ".service";

    if (len > sizeof(service) - 1 &&
        memcmp(part + len - (sizeof(service) - 1), service, sizeof(service) - 1) == 0)
        snprintf(unit, size, "%.*s", (int)len, part);
}

/* A line is "0::/system.slice/nginx.service"; with cgroup v1 the one that counts is "1:name=systemd:/...". */
static const char *path_of(const char *line)
{
    const char *path = strchr(line, ':');

    path = path ? strchr(path + 1, ':') : NULL;
    return path ? path + 1 : "";
}

void cgroup_place(const char *text, char *unit, size_t unit_size, char *container,
                  size_t container_size)
{
    *unit = *container = '\0';
    for (const char *line = text; line && *line;) {
        const char *part = path_of(line);
        size_t len;

        for (; *part && *part != '\n'; part += len) {
            part += *part == '/';
            len = strcspn(part, "/\n");
            find_unit(part, len, unit, unit_size);
            find_container(part, len, container, container_size);
        }
        line = strchr(line, '\n');
        line += line != NULL;
    }
}
