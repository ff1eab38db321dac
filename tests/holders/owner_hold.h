/*
 * What most scenes of owner_hidden and owner_processes are made of: the program closes its number with bytes unread,
 * then somebody who holds the connection reads them.
 */
#ifndef SAFECLOSE_TESTS_OWNER_HOLD_H
#define SAFECLOSE_TESTS_OWNER_HOLD_H

#include "owner.h"

/* The gates' numbers are the same in every program that a scene starts. */
static const struct owner_gate closed = {
    {OWNER_NUMBER + 10, OWNER_NUMBER + 11}}; /* its number is closed */
static const struct owner_gate served = {
    {OWNER_NUMBER + 12, OWNER_NUMBER + 13}}; /* the holder has done its part */

/* Before any other gate. */
static inline void owner_makes_gates(void)
{
    owner_gate();
    owner_gate();
}

/* The holder's whole life from here on. */
static _Noreturn void hold(int in, int out)
{
    owner_waits(closed);
    owner_serves("holder", in, out);
    owner_opens(served);
    _exit(0);
}

static void close_unread(int fd)
{
    owner_sends(OWNER_BYTES);
    must(close(fd), "close");
    owner_opens(closed);
}

/* The holder may be an orphan, which can't be waited for. */
static void end(void)
{
    owner_waits(served);
    owner_peer_reads();
}

static const char *number_text(int number)
{
    static char text[16];

    snprintf(text, sizeof text, "%d", number);
    return text;
}

/* A child closes, its parent has it still. */
static void child_closes_after(void (*confine)(void))
{
    int fd = owner_takes_one();

    owner_sends(OWNER_BYTES);
    pid_t pid = must(fork(), "fork");
    if (pid == 0) {
        confine();
        close(fd);
        _exit(0);
    }
    owner_reaps(pid);
    owner_serves("holder", fd, fd);
    owner_peer_reads();
}

#endif
