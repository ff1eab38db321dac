/*
 * Descriptors that travel in messages. A message is the program's memory, and looked at only when
 * the kernel has found it readable.
 */
#include "safeclose.h"

#include "doors/doors.h"
#include "doors/track.h"
#include "ground/boundary.h"
#include "ground/fdtable.h"
#include "ground/sys.h"
#include "holders/holders.h"
#include "remedy/linger.h"
#include "report/event.h"
#include "tcp/first_use.h"

#include <linux/sockios.h>
#include <linux/nbd.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#define CONTROL_MOST 65536 /* more than the kernel takes (net.core.optmem_max) */

static void each_descriptor(const struct msghdr *message, void (*visit)(int fd))
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c;
         c = CMSG_NXTHDR((struct msghdr *)message, c)) {
        size_t room = (size_t)((const char *)message->msg_control + message->msg_controllen -
                               (const char *)CMSG_DATA(c));
        size_t size = c->cmsg_len - CMSG_LEN(0);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(0))
            continue;
        /* Only UNIX sockets look at the length; others take a message with any. */
        for (size_t at = 0; at + sizeof(int) <= size && at + sizeof(int) <= room;
             at += sizeof(int)) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
            visit(fd);
        }
    }
}

/* One call for each page. */
static bool is_readable(const void *bytes, size_t size)
{
    const uintptr_t begin = (uintptr_t)bytes;

    for (uintptr_t at = begin; at - begin < size; at = (at | 4095) + 1)
        if (!sys_readable((const void *)at))
            return false;
    return true;
}

/* Noted before the call. While a connection is on its way, no process holds it, and a relative that looks for holders
 * must know of it. The call may last longer than the receiver needs to use the connection, and another thread, or a
 * handler of a signal, may close it here meanwhile. */
long message_send_begin(const struct msghdr *message, long unused)
{
    if (boundary_watches() && is_readable(message, sizeof(*message)) &&
        message->msg_controllen <= CONTROL_MOST &&
        is_readable(message->msg_control, message->msg_controllen))
        each_descriptor(message, holders_lose);
    return unused;
}

static void sent(int fd)
{
    holders_lose(fd);
    if (fdtable_get(fd).flags & FD_PEER)
        holders_note_passing();
}

long message_sent(const struct msghdr *message, long ret)
{
    if (ret >= 0 && message->msg_controllen && boundary_watches())
        each_descriptor(message, sent);
    return ret;
}

/* This process uses a connection that is handed to it. Its sender may still hold it. */
static void arrived(int fd)
{
    track_arrived(fd);
    if (!(fdtable_get(fd).flags & FD_TCP))
        return;
    if (fdtable_get(fd).flags & FD_PEER) {
        fdtable_add(fd, FD_UNTRACKED);
        holders_note_passing();
    }
    first_use_opening();
}

long message_received(const struct msghdr *message, long ret)
{
    if (ret >= 0 && message->msg_controllen && boundary_enter())
        each_descriptor(message, arrived);
    return ret;
}

long message_many(message_door *door, const struct mmsghdr *messages, long count)
{
    for (long i = 0; i < count && i < UIO_MAXIOV; i++) /* the kernel takes no more */
        door(&messages[i].msg_hdr, 0);
    return count;
}

/* A network block device takes a connection by its number, and holds it unseen. FIOSETOWN and SIOCSPGRP set an owner,
 * who is sent signals. */
void message_ioctl_begin(unsigned long request, const void *argument)
{
    if (request == NBD_SET_SOCK && boundary_watches())
        holders_lose((int)(intptr_t)argument);
    if (request == FIOSETOWN || request == SIOCSPGRP)
        linger_note_owner();
}

/* pidfd_getfd takes a descriptor of any process, this one included, without a message. */
long message_pidfd_taken(long fd)
{
    if (fd >= 0 && boundary_watches()) {
        holders_taken();
        if (boundary_enter())
            arrived((int)fd);
    }
    return fd;
}
