#include "trace/ring.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* In a sample the time follows the pid; in every other record the time and the CPU are its last words. */
#define TIME_IN_SAMPLE 16
#define TIME_BEFORE_END 16

bool ring_map(struct ring *ring, int fd, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *memory = mmap(NULL, page + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED)
        return false;
    *ring = (struct ring){
        .control = (struct perf_event_mmap_page *)memory, .data = memory + page, .size = size};
    return true;
}

void ring_unmap(struct ring *ring)
{
    if (ring->control)
        munmap(ring->control, (size_t)sysconf(_SC_PAGESIZE) + ring->size);
    ring->control = NULL;
}

/* A word of 8 bytes, which in the kernel's page stands at a multiple of 8 on i386, too. */
typedef __u64 __attribute__((aligned(8))) aligned_word;
static aligned_word *aligned(__u64 *word)
{
    return (aligned_word *)word;
}

void ring_look(struct ring *ring)
{
    ring->head = __atomic_load_n(aligned(&ring->control->data_head), __ATOMIC_ACQUIRE);
}

/* Records begin at multiples of 8, so a word is never cut by the end of the ring. */
static uint64_t word_at(const struct ring *ring, uint64_t place)
{
    uint64_t word;

    memcpy(&word, ring->data + (place & (ring->size - 1)), sizeof(word));
    return word;
}

bool ring_first(const struct ring *ring, struct perf_event_header *header, int64_t *time)
{
    uint64_t word;

    if (ring->head == ring->tail)
        return false;
    word = word_at(ring, ring->tail);
    memcpy(header, &word, sizeof(*header));
    *time = (int64_t)word_at(ring, ring->tail + (header->type == PERF_RECORD_SAMPLE
                                                     ? TIME_IN_SAMPLE
                                                     : header->size - TIME_BEFORE_END));
    return true;
}

void ring_take(struct ring *ring, uint8_t record[RING_RECORD])
{
    uint64_t at = ring->tail & (ring->size - 1);
    uint64_t word = word_at(ring, ring->tail);
    struct perf_event_header header;
    uint64_t first;

    memcpy(&header, &word, sizeof(header));
    first = ring->size - at < header.size ? ring->size - at : header.size;
    memcpy(record, ring->data + at, first);
    memcpy(record + first, ring->data, header.size - first);
    ring->tail += header.size;
    __atomic_store_n(aligned(&ring->control->data_tail), ring->tail, __ATOMIC_RELEASE);
}
