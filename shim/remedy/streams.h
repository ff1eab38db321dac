/*
 * What a stream on a connection has yet to flush. libc writes it out at fclose and at the very end
 * of exit; a half-close before that would lose it, so who lingers flushes first.
 */
#ifndef SAFECLOSE_STREAMS_H
#define SAFECLOSE_STREAMS_H

#include "settings/config.h"

#include <stdbool.h>
#include <stdio.h>

/* fdopen made stream on fd. */
void streams_opened(FILE *stream, int fd);

/* The program has a stream whose functions may write to a connection: nobody knows which. */
void streams_hide(void);
bool streams_hidden(void);

/* stream is about to be closed, or to become another, on fd: flushes it where fd is a connection,
 * waiting as libc is about to, and forgets it. 0, or the errno of a flush that failed: libc has
 * then lost what there was to write, and finds nothing wrong any more. errno kept. Only where
 * fclose may be called. */
int streams_closing(FILE *stream, int fd, enum mode mode);

/* The process ends: flushes every stream on a connection, as libc is about to. One that another
 * thread has locked keeps FD_STREAM, and its connection is not to be half-closed. True where libc will write
 * nothing more to a connection. errno kept. */
bool streams_flush(enum mode mode);

#endif
