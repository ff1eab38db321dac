/*
 * An index for .eh_frame. The linker writes one (.eh_frame_hdr), but not into static executables: there we make it, in the
 * same form, so that the unwinder knows no difference.
 */
#ifndef SAFECLOSE_EH_INDEX_H
#define SAFECLOSE_EH_INDEX_H

#include <stddef.h>
#include <stdint.h>

/* Appends the index to the bytes of .eh_frame, which malloc gave. Returns where it begins, and the new size in
 * *size; 0 if there is nothing to index, or no memory: then all is as it was. */
size_t eh_index_add(uint8_t **frames, size_t *size);

#endif
