/*
 * The median and the largest of many numbers. Up to SAMPLE_MOST of them are kept, and the median is exact; of more,
 * so many are kept that were drawn at random, each with the same chance.
 */
#ifndef SAFECLOSE_SAMPLE_H
#define SAFECLOSE_SAMPLE_H

#include <stdint.h>

#define SAMPLE_MOST 1024

struct sample {
    uint32_t *values;
    uint32_t kept, cap;
    uint64_t seen;
    uint64_t largest;
};

/* All samples together keep 2 million (8 MB); then those that would need more draw from what they have. */
void sample_add(struct sample *sample, uint64_t value);
void sample_free(struct sample *sample);

/* The lower one of the middle two; 0 if there is none. */
uint64_t sample_median(struct sample *sample);

#endif
