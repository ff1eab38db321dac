/* What a text of /proc/PID/cgroup says of the place of a process. */
#ifndef SAFECLOSE_CGROUP_H
#define SAFECLOSE_CGROUP_H

#include <stddef.h>

/* The systemd unit ("nginx.service") and the first 12 digits of the container's id, each "" if there is none. */
void cgroup_place(const char *text, char *unit, size_t unit_size, char *container,
                  size_t container_size);

#endif
