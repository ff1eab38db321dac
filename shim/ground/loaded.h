/*
 * Symbols of the objects that the loader has loaded, nearly as dlsym(3) would find them.
 *
 * Before glibc 2.34 dlsym is in libdl.so.2, and the need for a second library costs each start of a program as much
 * time as ours. All that dlsym reads is in memory, in the layout of the System V ABI (chapter 5) and the GNU hash
 * section (DT_GNU_HASH).
 */
#ifndef SAFECLOSE_LOADED_H
#define SAFECLOSE_LOADED_H

/* Where to look; never in the object that this function is in. */
enum loaded_where {
    LOADED_NEXT, /* in the objects that were loaded behind it */
    LOADED_ANY,  /* in every object */
};

/* The most names in one call. */
#define LOADED_MOST 88

/* Finds each of names, which stand one behind the other with an empty one at the end: writes the address of the first
 * that an object defines to its place in found, where that is NULL, and leaves NULL if none does.
 *
 * Unlike dlsym(RTLD_NEXT) it also looks in modules that were loaded for their opener alone (RTLD_LOCAL). Of a name's
 * versions it takes only the default one; dlsym before glibc 2.36 takes the oldest (an outdated posix_spawn).
 * Thread-local variables and functions that are chosen at load time (STT_GNU_IFUNC) count as not there.
 *
 * Takes the loader's lock (dl_iterate_phdr); the calling thread may hold it already. Not in a fork child whose parent
 * had threads: one may have held the lock at the fork, and glibc does not release it in the child. errno kept. */
void loaded_find(enum loaded_where where, const char *names, void *found[]);

#endif
