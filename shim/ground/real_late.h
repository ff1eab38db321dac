/*
 * Those of real.h that are in a library which only a module may need: one that the program opens and closes. They are
 * looked for when they are called, and kept from then on, with their library.
 */
#ifndef SAFECLOSE_REAL_LATE_H
#define SAFECLOSE_REAL_LATE_H

#include <signal.h>
#include <sys/types.h>
#include <termios.h>

/* Finds the loader's functions. For real_resolve. */
void real_resolve_late(void);

/* Each as its manual page says; ENOSYS where nobody has it. */
pid_t real_forkpty(int *master, char *name, const struct termios *termios,
                   const struct winsize *size);
int real_mq_notify(int queue, const struct sigevent *event);

/* Of libselinux and libapparmor. All but the last ignore the second. */
int real_setcon(const char *context, unsigned long none);
int real_setcon_raw(const char *context, unsigned long none);
int real_aa_change_profile(const char *profile, unsigned long none);
int real_aa_change_hat(const char *hat, unsigned long token);

#endif
