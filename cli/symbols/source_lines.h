/* What addr2line knows of one ELF file with debug information. */
#ifndef SAFECLOSE_SOURCE_LINES_H
#define SAFECLOSE_SOURCE_LINES_H

#include "symbols/symbols.h"
#include "symbols/tool.h"

/* Starts an addr2line on an open file. False if there is none. */
bool source_lines_open(struct tool *tool, int fd);

/* Whether addr2line may read this file: it belongs to root or to this user, and nobody else can write to it. */
bool source_lines_allowed(int fd);

/* Fills file, line and inlined, where they are known. left: ms that it may take, from which what
 * it took is subtracted; afterwards the tool is stopped if it took longer. */
void source_lines_find(struct tool *tool, uint64_t address, struct place *place, int *left);

#endif
