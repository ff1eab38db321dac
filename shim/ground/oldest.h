/*
 * Symbols of glibc, bound to versions that old systems have. A linker takes the newest version that the libc of
 * the machine it runs on has, and with that an older libc refuses to load the file. scripts/check-exports fails where a
 * symbol needs more than its limit: such a symbol gets a row here, or a way to do without.
 *
 * OLDEST(name, symbol): in this file, name means glibc's symbol of the version that this machine's port began with.
 * OLDEST_2 is for symbols whose first version on i386 was soon replaced.
 */
#ifndef SAFECLOSE_OLDEST_H
#define SAFECLOSE_OLDEST_H

#include <features.h>

#define OLDEST_BIND(name, symbol, version) __asm__(".symver " #name ", " #symbol "@GLIBC_" version)

#ifndef __GLIBC__
#define OLDEST(name, symbol) _Static_assert(1, "this libc has no versions")
#define OLDEST_2(name, symbol, i386) OLDEST(name, symbol)
#elif defined(__x86_64__)
#define OLDEST(name, symbol) OLDEST_BIND(name, symbol, "2.2.5")
#define OLDEST_2(name, symbol, i386) OLDEST(name, symbol)
#elif defined(__aarch64__)
#define OLDEST(name, symbol) OLDEST_BIND(name, symbol, "2.17")
#define OLDEST_2(name, symbol, i386) OLDEST(name, symbol)
#elif defined(__i386__)
#define OLDEST(name, symbol) OLDEST_BIND(name, symbol, "2.0")
#define OLDEST_2(name, symbol, i386) OLDEST_BIND(name, symbol, i386)
#endif

#endif
