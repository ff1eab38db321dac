/* What strerror(3) would say of the errors that opening a log or starting a thread can meet, without libc's locale. */
#ifndef SAFECLOSE_ERROR_H
#define SAFECLOSE_ERROR_H

/* A sentence without a period for a positive errno value; never NULL. */
const char *error_text(long error);

#endif
