/* Which relatives, of those that family.h and given.h know, may hold a connection that this process knows of. */
#ifndef SAFECLOSE_ELSEWHERE_H
#define SAFECLOSE_ELSEWHERE_H

#include "holders/holders.h"

/* Created here, and no fork since: no relative can hold it. */
bool elsewhere_excluded(const struct fd_info *info);

/* If the answer is "no", it stays true: only a holder can make another process a holder. */
bool elsewhere_may_hold(const struct fd_info *info);

/* As holders_give_up says, where no other number of this process holds it. */
enum held elsewhere_give_up(struct fd_info *info, bool ending, bool stays);

/* Writes down for the relatives that it is out of sight. */
void elsewhere_lose(const struct fd_info *info);

#endif
