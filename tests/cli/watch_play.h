/* The stage of watch_play: a program and its peer, which is a child. */
#ifndef SAFECLOSE_WATCH_PLAY_H
#define SAFECLOSE_WATCH_PLAY_H

#include "play.h"

extern struct net_options options;
extern struct net_pair pair; /* its listener is there from the beginning */

/* Makes the pair, whose peer is this process's still. */
void connect_pair(void);

/* Gives the peer's end to a child, and prints "program PID" and "peer PID". */
void begin_peer(void);

/* Both. */
void begin(void);

/* 's': the peer sends late data; 'r': reads to the end, and prints what it read; 'z': resets. */
void peer_does(char letter);

/* The peer sends 4 bytes, which wait to be read. */
void receive_unread(void);

/* Reads to the end: "read ECONNRESET"; after an end, what is pending says whether a reset followed: "read EOF EPIPE". */
void tell_read(int fd);

/* Until the FIN from this port of ours is acknowledged. */
void wait_for_fin(int port);

/* A scene: it waits for a second line on standard input before the late data comes. */
void play_late_asked(void);

#endif
