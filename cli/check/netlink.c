#include "check/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNCONFIRMED                                                                                \
    "outcomes are predicted, not confirmed, and the log says \"probably\"; all modes work"

struct inode {
    const char *netlink; /* /proc/PID/net/netlink */
};

/* A line has the protocol as its second word and the inode as its last. A socket is listed once it was used. */
static bool is_diag(const char *path, const char *target, void *context)
{
    const struct inode *in = context;
    unsigned long inode, listed;
    unsigned protocol;

    (void)path;
    if (sscanf(target, "socket:[%lu]", &inode) != 1)
        return false;
    for (const char *line = strchr(in->netlink, '\n'); line; line = strchr(line + 1, '\n'))
        if (sscanf(line, "%*s %u %*s %*s %*s %*s %*s %*s %*s %lu", &protocol, &listed) == 2 &&
            protocol == NETLINK_SOCK_DIAG && listed == inode)
            return true;
    return false;
}

static bool holds_diag(pid_t pid)
{
    size_t len;
    char *netlink = process_file(pid, "net/netlink", &len);
    struct inode in = {netlink};
    bool holds = netlink && process_holds(pid, is_diag, &in) == 1;

    free(netlink);
    return holds;
}

static bool selinux_enforces(void)
{
    FILE *file = fopen("/sys/fs/selinux/enforce", "re");
    int c = file ? getc(file) : EOF;

    if (file)
        fclose(file);
    return c == '1';
}

/* "user:role:type:level" of SELinux, or "profile (enforce)" of AppArmor. */
static bool is_confined(const char *context)
{
    const char *type = strchr(context, ':');

    if (strstr(context, " (enforce)"))
        return true;
    type = type ? strchr(type + 1, ':') : NULL;
    return type && strncmp(type, ":unconfined_", 12) != 0 && selinux_enforces();
}

/* What refuses netlink to a process with the same filters refuses it here, too. */
static const char *refused_here(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (fd < 0)
        return strerror(errno);
    close(fd);
    return NULL;
}

void netlink_judge(struct findings *f, pid_t pid)
{
    const char *refused = refused_here();
    size_t len;
    char *context;

    if (holds_diag(pid))
        return;
    if (refused) {
        findings_add(f, LIMIT,
                     "this command can't open a netlink socket (%s), so the library probably can't "
                     "either: " UNCONFIRMED,
                     refused);
        return;
    }
    context = process_file(pid, "attr/current", &len);
    if (context)
        context[strcspn(context, "\n")] = '\0';
    if (context && is_confined(context))
        findings_add(f, LIMIT,
                     "its security policy (%s) may refuse it netlink sockets; then " UNCONFIRMED,
                     context);
    free(context);
}
