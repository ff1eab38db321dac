/*
 * What the hooks that only watch tell the table of descriptors. All of it after boundary_enter;
 * keeps errno; asks the kernel only where the table can't answer.
 */
#ifndef SAFECLOSE_TRACK_H
#define SAFECLOSE_TRACK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* socket returned fd; epoch as it was before the call, here as in what follows, since a fork may
 * have come between the call and now. */
void track_socket(int fd, int domain, int type, int protocol, uint32_t epoch);

/* fd is a new number for something that is not TCP. */
void track_other(int fd);

/* listen succeeded. */
void track_listening(int fd);

/* Whether listener is TCP, so that the peer's address is worth asking accept for. */
bool track_listens_tcp(int listener);

/* listener, which is TCP, gave fd. address is what accept filled in, or NULL. */
void track_accepted(int listener, int fd, const void *address, socklen_t len, uint32_t epoch);

/* connect to address succeeded, or is under way. */
void track_connected(int fd, const struct sockaddr *address, socklen_t len, bool under_way);

/* What a program that was just started has inherited. For the constructor. */
void track_inherited(void);

/* fd came from somewhere that is not followed. */
void track_arrived(int fd);

/* fd was taken from some process, this one included, by pidfd_getfd. */
void track_grabbed(int fd);

/* setsockopt is about to set this option. */
void track_option(int fd, int level, int name);

/* epoll_ctl succeeded. */
void track_epoll(int epoll, int operation, int fd);

/* shutdown of fd succeeded. */
void track_shutdown(int fd, int how);

/* copy is a new number for what fd stands for; the target of a dup2 has been through its door
 * already. In a vfork child the copy is likely to survive an exec, out of our sight. */
void track_copied(int fd, int copy, uint32_t epoch);

/* The message was sent, or received, perhaps with descriptors in it. */
void track_sent(const struct msghdr *message);
void track_received(const struct msghdr *message);

#endif
