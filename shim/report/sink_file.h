/*
 * The log file: opened by sink_open, kept through a chroot or setuid, reopened when its name comes to
 * mean another file (rotation), when the program closed it, and in a fork child where its name
 * holds the pid.
 */
#ifndef SAFECLOSE_SINK_FILE_H
#define SAFECLOSE_SINK_FILE_H

#include "ground/format.h"

#include <stdbool.h>
#include <stddef.h>

/* Opens config.log_path. False, and a problem noted, if that fails. For sink_open. */
bool sink_file_start(void);

/* False if the line can't be written without waiting. */
bool sink_file_write(const char *bytes, size_t len);

/* The log's name means another file by now, which can't be opened or is not to be trusted; the log
 * goes on in the old one, and nobody has been told. put_trouble appends why, once; false where
 * another thread was faster. */
bool sink_file_has_trouble(void);
bool sink_file_put_trouble(struct text *t, bool json);

/* True if fd is the log's. */
bool sink_file_owns(int fd);

/* The number in the program's table, -1 if there is none; and in the lot's, for its thread. */
int sink_file_descriptor(void);
void sink_file_in_lot(int number);

#endif
