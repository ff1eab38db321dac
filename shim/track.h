/*
 * What the hooks that only watch tell the table of descriptors. All of it after boundary_enter;
 * keeps errno; asks the kernel only where the table can't answer.
 */
#ifndef SAFECLOSE_TRACK_H
#define SAFECLOSE_TRACK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* socket returned fd. */
void track_socket(int fd, int domain, int type, int protocol);

/* listen succeeded. */
void track_listening(int fd);

/*
 * listener gave fd. address and len as the program passed them to accept, room being *len before
 * the call; epoch as it was before the call, since a fork may have come between the accept and now.
 */
void track_accepted(int listener, int fd, const struct sockaddr *address, const socklen_t *len,
                    socklen_t room, uint32_t epoch);

/* connect to address succeeded, or is under way. */
void track_connected(int fd, const struct sockaddr *address, socklen_t len, bool under_way);

/* copy is a new number for what fd stands for. */
void track_copied(int fd, int copy);

/* The message was sent, perhaps with descriptors in it. */
void track_sent(const struct msghdr *message);

#endif
