/*
 * A setuid or setgid program, or one with file capabilities, gets its environment from a user of fewer rights. Its
 * settings would have the library open files, and keep connections open, with rights that this user does not have. The
 * loader mostly ignores LD_PRELOAD there; but not for a library in a system folder that is setuid itself, nor one that
 * /etc/ld.so.preload names (ld.so(8)).
 */
#include "safeclose.h"

#include "settings/setuid.h"

bool setuid_program(void)
{
    return getauxval(AT_SECURE) != 0;
}
