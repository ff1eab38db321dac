/* syslog(3)'s socket, /dev/log, spoken to without libc's lock. */
#ifndef SAFECLOSE_SINK_SYSLOG_H
#define SAFECLOSE_SINK_SYSLOG_H

#include <stdbool.h>
#include <stddef.h>

/* Connects. False, and a problem noted, if no syslog listens. For sink_open. */
bool sink_syslog_start(void);

/* One message for each line of these bytes. False if one was not taken at once. */
bool sink_syslog_write(const char *bytes, size_t len);

/* True if fd is this socket. */
bool sink_syslog_owns(int fd);

/* The number in the program's table, -1 if there is none; and in the lot's, for its thread. */
int sink_syslog_descriptor(void);
void sink_syslog_in_lot(int number);

#endif
