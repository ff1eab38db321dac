/* Whether the library, in a process, can ask the kernel what became of a connection (sock_diag(7)). */
#ifndef SAFECLOSE_NETLINK_H
#define SAFECLOSE_NETLINK_H

#include "check/findings.h"
#include "process/process.h"

void netlink_judge(struct findings *f, pid_t pid);

#endif
