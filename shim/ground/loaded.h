/*
 * Symbols of the objects that the loader has loaded, as dlsym(3) would find them.
 *
 * Before glibc 2.34 dlsym is in libdl.so.2, and the need for a second library costs each start of a program as much
 * time as ours. All that dlsym reads is in memory, in the layout of the System V ABI (chapter 5) and the GNU hash
 * section (DT_GNU_HASH).
 */
#ifndef SAFECLOSE_LOADED_H
#define SAFECLOSE_LOADED_H

/* Where to look. */
enum loaded_where {
    LOADED_NEXT, /* in the objects that were loaded behind the one this function is in, as RTLD_NEXT */
    LOADED_ANY, /* in every object, also one that only its opener may use (RTLD_LOCAL) */
};

/* The most names in one call. */
#define LOADED_MOST 88

/* Finds each of names, which stand one behind the other with an empty one at the end: writes the address of the first
 * that an object defines to its place in found, where that is NULL, and leaves NULL where none does. Of a name with
 * versions it is the default one. Objects that only their opener may use (RTLD_LOCAL) count. Thread-local variables and functions that are chosen at load time (STT_GNU_IFUNC)
 * count as not there. Takes the loader's lock, which the same thread may hold; errno kept. */
void loaded_find(enum loaded_where where, const char *names, void *found[]);

#endif
