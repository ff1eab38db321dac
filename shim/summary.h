/* What a process that used TCP says at its end. */
#ifndef SAFECLOSE_SUMMARY_H
#define SAFECLOSE_SUMMARY_H

/* Writes the summary, once a process; nothing where it closed no TCP socket. */
void summary_write(void);

/* The same before the library falls silent, with the reason. */
void summary_write_early(const char *reason);

#endif
