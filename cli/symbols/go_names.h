/*
 * Names of Go functions from .gopclntab, the table that Go's own runtime prints its stacks from. No tool strips
 * it, so it has the names when .symtab is gone.
 */
#ifndef SAFECLOSE_GO_NAMES_H
#define SAFECLOSE_GO_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The function of the ELF file that contains the address, as nm counts, and how far into it. False if the file is
 * no Go program, or the address is outside its functions. */
bool go_name(int fd, uint64_t address, char *name, size_t cap, uint64_t *offset);

#endif
