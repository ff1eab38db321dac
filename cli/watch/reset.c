#include "trace/kernel_names.h"
#include "trace/local_address.h"
#include "watch/reset.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

/* ---- Who ran ------------------------------------------------------------------------------------- */

/* Not in an interrupt, which takes the time of any process; nor a thread of the kernel's own, which closes what
 * others left to it. Threads of a program within the kernel (io_uring) are the program's, and so is its end. */
static bool is_its_own(const struct trace_event *event, unsigned functions)
{
    return event->pid > 0 && !event->interrupt &&
           (event->has_user || functions >> KERNEL_PROCESS_END & 1 || event->tid != event->pid);
}

/* ---- Closes -------------------------------------------------------------------------------------- */

/* FIN_WAIT2 ends by a close; or by the peer's FIN or a timer, which are no doing of the program's. */
static bool is_closing(const struct trace_event *event, unsigned functions)
{
    return event->new_state != TCP_CLOSE || functions >> KERNEL_CLOSE & 1;
}

void reset_note_closing(const struct trace_event *event)
{
    unsigned functions = kernel_names_in(event->kernel, event->kernel_count);
    const struct watched *process;
    struct closing *c;

    if (!is_closing(event, functions))
        return;
    c = closings_add(event);
    c->time = event->time;
    c->half = functions >> KERNEL_SHUTDOWN & 1 && !(functions >> KERNEL_CLOSE & 1);
    c->ending = functions >> KERNEL_PROCESS_END & 1;
    c->pid = is_its_own(event, functions) ? event->pid : 0;
    c->tid = event->tid;
    c->stack = c->pid ? known_stacks_take(event) : (struct stack_ref){0, 0};
    c->comm[0] = '\0';
    c->output = (struct closing_output){.asked = 0};
    if (!c->pid)
        return;
    process = watched_identity(c->pid);
    memcpy(c->comm, process->comm, sizeof(c->comm));
    if (event->new_state == TCP_FIN_WAIT1)
        c->output = closing_output_ask(event, process);
}

/* ---- Resets that went from here to here ---------------------------------------------------------- */

#define RECENT 4096
#define NEAR 500000000 /* ns; either may be told first */

/* The last ones that were sent. Changed by reset_note_sent only. */
static struct sent {
    struct endpoint local;
    struct endpoint peer;
    int64_t time;
} recent[RECENT];
static unsigned sent;

void reset_note_sent(const struct trace_event *event)
{
    recent[sent++ % RECENT] = (struct sent){event->local, event->peer, event->time};
}

/* A listener's answer names no peer. */
static bool was_sent_here(const struct trace_event *received)
{
    for (unsigned i = 0; i < RECENT; i++)
        if (endpoint_same(&recent[i].local, &received->peer) &&
            (endpoint_same(&recent[i].peer, &received->local) || !recent[i].peer.port) &&
            llabs(recent[i].time - received->time) < NEAR)
            return true;
    return false;
}

/* ---- A reset ------------------------------------------------------------------------------------- */

static void blame(struct reset *reset, pid_t pid, pid_t tid, struct stack_ref stack)
{
    reset->pid = pid;
    reset->tid = tid;
    reset->stack = known_stacks_get(stack);
    reset->process = watched_identity(pid);
    reset->comm = reset->process->comm;
}

static void blame_close(struct reset *reset)
{
    const struct closing *c = reset->close;

    reset->late = reset->event->time - c->time;
    reset->ending = c->ending;
    if (!c->pid)
        return;
    blame(reset, c->pid, c->tid, c->stack);
    reset->comm = c->comm; /* the process may be gone, and its number another's */
}

/* A listener that answers has no peer. */
static const struct closing *close_of(const struct trace_event *event)
{
    return event->peer.port ? closings_find(&event->local, &event->peer, event->time)
                            : closings_only(&event->local, event->time);
}

void reset_fill(struct reset *reset, const struct trace_event *event, bool complete)
{
    unsigned functions = kernel_names_in(event->kernel, event->kernel_count);
    const struct closing *close = close_of(event);
    struct reset_facts facts = {.received = event->kind == TRACE_RECEIVED,
                                .reason = event->reason,
                                .state = event->state,
                                .functions = functions,
                                .closed = close && event->peer.port,
                                .closed_here = close && !event->peer.port,
                                .half_closed = close && close->half};

    *reset = (struct reset){.event = event, .comm = "", .late = -1};
    if (facts.received && complete && local_address(&event->peer))
        facts.refused_here = !was_sent_here(event);
    reset->why = reset_cause(&facts);
    if (reset->why.cause == RESET_LATE_DATA && close) {
        reset->close = close;
        blame_close(reset);
    } else if ((reset->why.by_process || reset->why.cause == RESET_LATE_DATA) &&
               is_its_own(event, functions)) {
        reset->ending = functions >> KERNEL_PROCESS_END & 1;
        blame(reset, event->pid, event->tid, known_stacks_take(event));
    }
}
