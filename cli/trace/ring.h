/*
 * The ring of one CPU: memory that the kernel writes records into, and we read (perf_event_open(2)). The
 * kernel moves the head, we move the tail; what lies between them is ours to read and stays as it is.
 */
#ifndef SAFECLOSE_TRACE_RING_H
#define SAFECLOSE_TRACE_RING_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_RECORD 65536 /* no record is larger: its size is 16 bits wide */

struct ring {
    struct perf_event_mmap_page *control; /* NULL: not mapped */
    const uint8_t *data;
    uint64_t size; /* of data, a power of two */
    uint64_t tail;
    uint64_t head; /* as of the last ring_look */
};

/* Maps the ring of a perf event, of size bytes, a power of two. False with errno. */
bool ring_map(struct ring *ring, int fd, size_t size);

void ring_unmap(struct ring *ring);

/* Takes note of what the kernel has written meanwhile. */
void ring_look(struct ring *ring);

/* The first record's head, and its time; false if there is no record. */
bool ring_first(const struct ring *ring, struct perf_event_header *header, int64_t *time);

/* Copies the first record, which ring_first has found, to `record`, and removes it from the ring. */
void ring_take(struct ring *ring, uint8_t record[RING_RECORD]);

#endif
