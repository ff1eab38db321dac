/* Opens a file that somebody else has named. */
#ifndef SAFECLOSE_OPEN_BELOW_H
#define SAFECLOSE_OPEN_BELOW_H

/* A descriptor for reading, or -1: then *why is the reason, or NULL, and errno. root: NULL, or the directory
 * below which path is looked for; links don't lead out of it.
 *
 * A log or a process can name a device, and to open one may do something: /dev/watchdog reboots the machine. So
 * the file is looked at before it is opened, and must be a regular one. */
int open_below(const char *root, const char *path, const char **why);

/* The same for a place that was opened with O_PATH, or -1; closes that. */
int open_regular(int place, const char **why);

#endif
