/*
 * What stdio streams on a connection have yet to write. libc writes it at fclose and at the very end of exit. A
 * half-close before that would lose it, so we flush first.
 */
#ifndef SAFECLOSE_STREAMS_H
#define SAFECLOSE_STREAMS_H

#include "settings/config.h"

#include <stdbool.h>
#include <stdio.h>

/* fdopen has made a stream on fd. */
void streams_opened(FILE *stream, int fd);

/* The program has a stream with functions of its own (fopencookie), which may write to any connection; whether it ever
 * had. */
void streams_hide(void);
bool streams_hidden(void);

/* The stream on fd is about to be closed, or to become another. If fd is a connection: flushes the stream, waiting as
 * libc would, and forgets it. Returns 0, or the errno of a flush that failed; then libc has lost the data, and won't
 * report it. Keeps errno. Call it only where fclose may be called. */
int streams_closing(FILE *stream, int fd, enum mode mode);

/* The process ends: flushes every stream on a connection, as libc would. A stream that another thread has locked keeps
 * FD_STREAM, and its connection must not be half-closed. True if libc will write nothing more to a connection. Keeps
 * errno. */
bool streams_flush(enum mode mode);

#endif
