/*
 * Which of the kernel's functions were in progress: the few that say why a reset was sent, found by name in
 * /proc/kallsyms. Without it (kptr_restrict, or not root) every answer is "none".
 */
#ifndef SAFECLOSE_KERNEL_NAMES_H
#define SAFECLOSE_KERNEL_NAMES_H

#include <stdbool.h>
#include <stdint.h>

/* What a function says by being in progress, and its names over the years. */
#define KERNEL_FUNCTIONS(F)                                                                        \
    F(CLOSE, "__tcp_close", "mptcp_close_ssk")                                                     \
    F(SHUTDOWN, "tcp_shutdown", "inet_shutdown")                                                   \
    F(LISTEN_STOP, "inet_csk_listen_stop", "")                                                     \
    F(DISCONNECT, "tcp_disconnect", "")                                                            \
    F(ABORT, "tcp_abort", "")                                                                      \
    F(KEEPALIVE, "tcp_keepalive_timer", "")                                                        \
    F(WRITE_TIMER, "tcp_write_timer", "tcp_write_timer_handler")                                   \
    F(ANSWER, "tcp_v4_send_reset", "tcp_v6_send_reset")                                            \
    F(TIME_WAIT, "tcp_timewait_state_process", "")                                                 \
    F(PROCESS_END, "do_exit", "")

enum kernel_function {
#define FUNCTION(id, name, other) KERNEL_##id,
    KERNEL_FUNCTIONS(FUNCTION)
#undef FUNCTION
        KERNEL_FUNCTIONS_COUNT
};

/* Reads the names. False if the kernel doesn't show addresses to us. */
bool kernel_names_read(void);

/* A bit, 1 << KERNEL_..., for each of them among these addresses. */
unsigned kernel_names_in(const uint64_t *addresses, unsigned count);

#endif
