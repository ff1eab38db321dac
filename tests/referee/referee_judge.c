/* Compares what the library wrote with what the kernel did and what the harness knows. */
#define _GNU_SOURCE
#include "referee.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- Complaints ------------------------------------------------------------------------------ */

__attribute__((format(printf, 2, 3))) static void complain(struct complaints *c, const char *format,
                                                           ...)
{
    va_list args;
    int n;

    c->count++;
    n = snprintf(c->text + c->len, sizeof c->text - c->len, "  ");
    c->len += (size_t)n < sizeof c->text - c->len ? (size_t)n : 0;
    va_start(args, format);
    n = vsnprintf(c->text + c->len, sizeof c->text - c->len, format, args);
    va_end(args);
    c->len += (size_t)n < sizeof c->text - c->len - 1 ? (size_t)n : 0;
    c->text[c->len] = '\0';
    if (c->len < sizeof c->text - 2) {
        c->text[c->len++] = '\n';
        c->text[c->len] = '\0';
    }
}

static void expect_text(struct complaints *c, const char *what, const char *expected,
                        const char *said)
{
    if (strcmp(expected, said) != 0)
        complain(c, "%s: expected \"%s\", the event says \"%s\"", what, expected, said);
}

static void expect_number(struct complaints *c, const char *what, long expected, long said)
{
    if (expected != said)
        complain(c, "%s: expected %ld, the event says %ld", what, expected, said);
}

/* ---- What the kernel is to do ---------------------------------------------------------------- */

enum deed { NOTHING, FIN, RESET_UNREAD, RESET_LINGER, RESET_LINGER2, RESET_PENDING };

static const char *const deed_names[] = {
    [NOTHING] = "sends nothing",
    [FIN] = "sends a FIN",
    [RESET_UNREAD] = "resets because of unread data",
    [RESET_LINGER] = "resets because of SO_LINGER {1,0}",
    [RESET_LINGER2] = "resets because of TCP_LINGER2",
    [RESET_PENDING] = "resets who waits to be accepted",
};

/* __tcp_close(), told once more from the kernel's source and not from the library's. */
static enum deed foretell(const struct scene *scene, bool drained)
{
    int state = scene->ours.state;

    if (state == TCP_CLOSE || state == TCP_SYN_SENT)
        return NOTHING;
    if (scene->queue.at < scene->queue.arrived && !drained)
        return RESET_UNREAD;
    if (scene->linger == 0) {
        if (state == TCP_LAST_ACK || state == TCP_CLOSING)
            return scene->ours.unsent > 0 ? RESET_LINGER : NOTHING;
        return RESET_LINGER;
    }
    if (state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT)
        return FIN;
    return state == TCP_FIN_WAIT2 && scene->linger2 ? RESET_LINGER2 : NOTHING;
}

/* What it did, by its own reason. */
static enum deed deed_of(const struct witness *w, enum deed foretold)
{
    if (w->resets == 0) {
        if (!w->fin_known)
            return foretold == FIN ? FIN : NOTHING;
        return w->fin ? FIN : NOTHING;
    }
    if (strcmp(w->reason, "TCP_ABORT_ON_CLOSE") == 0)
        return RESET_UNREAD;
    if (strcmp(w->reason, "TCP_ABORT_ON_LINGER") == 0)
        return RESET_LINGER2;
    return RESET_LINGER;
}

static const char *outcome_of(enum deed deed)
{
    return deed == NOTHING ? "none" : deed == FIN ? "fin" : "rst";
}

static const char *cause_of(enum deed deed)
{
    switch (deed) {
    case RESET_UNREAD:
        return "unread-data";
    case RESET_LINGER:
    case RESET_LINGER2:
        return "zero-linger";
    case RESET_PENDING:
        return "pending-accepts";
    default:
        return "none";
    }
}

/* ---- Who else holds it ----------------------------------------------------------------------- */

/* Of those only the looks are a matter of luck. */
static bool is_luck(const struct scenario *s)
{
    return s->holder == HOLD_FORK || s->holder == HOLD_FORK_KILLED;
}

/* ---- One close ------------------------------------------------------------------------------- */

/* A close, and what is known about it. */
struct close_case {
    const struct run *run;
    const struct scene *scene;
    const struct witness *witness;
    const char *via;
    int pid;
    int fd;
    bool held; /* the kernel had another reference */
    bool unknown_allowed;
    bool exiting;
    bool by_another; /* it was another number that the steps went through */
    bool nameless;   /* when this one came, the connection was over and had no peer any more */
    bool threads;    /* it may be in a call of another thread */
    bool leaves;   /* the process that has the lot ends, and the lot when the peer has all output */
    bool may_stay; /* or it was another's lot */
    struct said end; /* of its time in the lot */
};

/* The kernel can be asked what became of it: not at an exit, nor of what has left its tables. */
static bool is_asked_by_lot(const struct close_case *k)
{
    return !k->exiting && k->scene->ours.state != TCP_CLOSE &&
           k->run->scenario.setting != SETTING_NO_NETLINK;
}

/* Nor once the program has closed all higher numbers, and ours with them: the lot's are its own. */
static bool is_asked(const struct close_case *k)
{
    return is_asked_by_lot(k) && strcmp(k->via, "closefrom") != 0;
}

static const char *state_name(int state)
{
    static const char *const names[] = {"",           "ESTABLISHED", "SYN_SENT",  "SYN_RECV",
                                        "FIN_WAIT1",  "FIN_WAIT2",   "TIME_WAIT", "CLOSE",
                                        "CLOSE_WAIT", "LAST_ACK",    "LISTEN",    "CLOSING"};
    return names[state];
}

static bool is_lingering(const struct said *said)
{
    return strcmp(said->action, "lingering") == 0;
}

static bool is_draining(const struct said *said)
{
    return strcmp(said->action, "draining") == 0;
}

/* The lot could not prove that no thread is in a call on it. */
static bool is_left_in_use(const struct close_case *k)
{
    return k->end.found && strcmp(k->end.ended_by, "in-use") == 0;
}

static bool is_emptied(const struct close_case *k, const struct said *said)
{
    return strcmp(said->action, "drained") == 0 ||
           ((is_lingering(said) || is_draining(said)) && !is_left_in_use(k));
}

/* A drain makes room, and a peer with more to send does so that moment: whether it comes before the
 * close or after it is a race, of which what went before is no part. */
static bool is_refilled(const struct close_case *k, const struct said *said)
{
    return k->scene->more_waits && !is_lingering(said) && is_emptied(k, said);
}

/* As the library knows; not of a number that came in a message. */
static bool is_opened(const struct close_case *k)
{
    const struct scenario *s = &k->run->scenario;

    return s->we_connect && !(k->by_another && s->holder == HOLD_DELIVERED);
}

/* Whether lingering would help, were this the last close. */
static enum lingers would_linger(const struct close_case *k)
{
    return k->run->mode == RUN_LINGER ? scene_lingers(k->run, k->scene, is_opened(k)) : LINGERS_NOT;
}

/* What the program accepted may always linger, what it opened for its output. */
static bool is_owed(const struct close_case *k)
{
    return !is_opened(k) || scene_output(k->scene) || would_linger(k) == LINGERS_PERHAPS;
}

/* Its lot has closed it when all output had arrived, whatever else the peer was about to send; which is
 * answered with a reset then. */
static bool is_cut_short(const struct close_case *k, const struct said *said)
{
    if (k->run->mode != RUN_LINGER || k->held || (said->found && !is_lingering(said)) ||
        !(k->run->late || k->scene->more_waits))
        return false;
    if (!k->end.found) /* what had nothing to discard is not told */
        return !said->found && k->leaves;
    return strcmp(k->end.ended_by, "exit") == 0 || strcmp(k->end.ended_by, "delivered") == 0;
}

static void judge_queues(const struct close_case *k, const struct said *said, struct complaints *c)
{
    const struct scene *scene = k->scene;

    expect_number(c, "unread", queue_counted(&scene->queue), said->unread);
    expect_number(c, "urgent", queue_is_urgent(&scene->queue), said->urgent);
    if (!scene->unacked_known || k->run->scenario.holder == HOLD_WRITER)
        return;
    /* In CLOSE our own FIN still counts, where it was not acknowledged, and nothing tells: the
     * library must have seen it. */
    if (scene->ours.state == TCP_CLOSE && scene->our_fin && k->by_another)
        return;
    expect_number(c, "unacked", scene->unacked, said->unacked);
    /* What is settled was acknowledged or never sent. Not so where a reset ended it in between. */
    if (scene->ours.state != TCP_CLOSE)
        expect_number(c, "unsent", scene->unacked, said->unsent);
}

static void judge_names(const struct close_case *k, const struct said *said, struct complaints *c)
{
    bool nameless = k->scene->ours.state == TCP_CLOSE; /* the kernel has forgotten the peer's */

    expect_text(c, "via", k->via, said->via);
    expect_text(c, "local", k->run->ours, said->local);
    expect_text(c, "peer", nameless ? "" : k->run->peers, said->peer);
    expect_text(c, "state", state_name(k->scene->ours.state), said->state);
    if (!k->nameless)
        expect_number(c, "fd", k->fd, said->fd);
    expect_number(c, "pid", k->pid, said->pid);
    if (k->scene->ours.cookie != said->cookie)
        complain(c, "cookie: expected 0x%llx, the event says 0x%llx",
                 (unsigned long long)k->scene->ours.cookie, (unsigned long long)said->cookie);
}

/* Both ends have ended before it was known whether a thread is in a call on it. */
static bool is_over(const struct close_case *k)
{
    return strcmp(k->end.state, "CLOSE") == 0;
}

/* Of a number that was duplicated any thread's call may be on it. Which sleeps on the connection is found out by
 * waking it, and after a half-close nothing wakes it where nothing is unread. */
static bool cant_be_waked(const struct close_case *k)
{
    return k->run->scenario.holder == HOLD_OTHER && k->run->scenario.door == DOOR_PCLOSE &&
           k->scene->our_fin && k->scene->queue.at == k->scene->queue.arrived;
}

/* An exit ends the call as well, and so resets; but until then the thread may read, and the library
 * leaves it what it could. A thread that computes has two looks to be seen at it; and so in linger, where
 * the program ends as soon as the peer has its end. */
static bool may_be_left(const struct close_case *k)
{
    enum holder holder = k->run->scenario.holder;

    return k->held || (k->threads && is_over(k)) || (k->exiting && is_in_call(&k->run->scenario)) ||
           is_blind(&k->run->scenario) || cant_be_waked(k) ||
           (holder == HOLD_BUSY && (k->exiting || k->run->mode == RUN_LINGER));
}

/* Through which number it was shut down for reading is all that the library knows. */
static bool may_not_know_read_shut(const struct close_case *k)
{
    return k->scene->read_shut && k->run->scenario.holder != HOLD_NOBODY;
}

/* The library can't know who else holds it, and leaves it alone. */
static bool is_declined(const struct close_case *k, const struct said *said)
{
    return (k->unknown_allowed || is_blind(&k->run->scenario)) &&
           strcmp(said->note, "owner-unknown") == 0;
}

static bool is_read_shut(const struct said *said)
{
    return strcmp(said->note, "read-shut") == 0;
}

static const char *action_of(const struct close_case *k, const struct said *said, enum deed whole)
{
    /* A reset that the program asked for would come all the same. */
    bool drains =
        k->run->mode >= RUN_DRAIN && whole == RESET_UNREAD && !scene_is_intended(k->scene);
    bool wants = would_linger(k) == LINGERS_PERHAPS ||
                 (k->run->mode == RUN_LINGER && may_not_know_read_shut(k) && is_owed(k));
    bool lingers = would_linger(k) == LINGERS_SURELY || (is_lingering(said) && wants);

    if (k->threads && !is_declined(k, said))
        return lingers ? "lingering" : drains ? "draining" : "none";
    if (may_seem_alive(&k->run->scenario) && strcmp(said->action, "none") == 0)
        return "none";
    if (is_declined(k, said) ||
        (may_seem_alive(&k->run->scenario) && strcmp(said->action, "passed") == 0))
        return drains || lingers || (wants && strcmp(said->action, "passed") == 0) ? "passed"
                                                                                   : "none";
    if (k->held)
        return drains ? "passed" : "none";
    if (lingers && strcmp(said->note, "owner-unknown") != 0)
        return "lingering";
    return drains ? "drained" : "none";
}

/* The action, and what it leaves for the kernel to do. */
static void judge_action(const struct close_case *k, const struct said *said, enum deed whole,
                         struct complaints *c)
{
    const char *action = action_of(k, said, whole);
    bool drained = strcmp(action, "drained") == 0;
    long discards = queue_discards(&k->scene->queue);

    expect_text(c, "action", action, said->action);
    if (!is_refilled(k, said) || is_draining(said))
        expect_number(c, "discarded", drained ? discards : 0, said->discarded);
    else if (said->discarded < discards)
        complain(c, "discarded: expected %ld or more, the event says %ld", discards,
                 said->discarded);
}

/* Something would be done if it were ours alone. */
static bool would_act(const struct close_case *k, enum deed whole)
{
    return would_linger(k) ||
           (k->run->mode >= RUN_DRAIN && whole == RESET_UNREAD && !scene_is_intended(k->scene));
}

/* The library knows of the holder without asking the kernel. */
static bool is_known_to_share(const struct close_case *k)
{
    enum holder holder = k->run->scenario.holder;

    return k->held && (holder == HOLD_DUP || holder == HOLD_FORK);
}

/* After a close. At an exit nobody is asked, so the outcome rests on who holds it. */
static bool may_be_declined(const struct close_case *k, enum deed whole)
{
    return (k->unknown_allowed || is_blind(&k->run->scenario)) &&
           (would_act(k, whole) || may_not_know_read_shut(k) || (k->exiting && whole != NOTHING));
}

static void judge_note(const struct close_case *k, const struct said *said, enum deed whole,
                       struct complaints *c)
{
    const char *expected = "";
    bool parked = is_lingering(said) || is_draining(said);

    if (is_declined(k, said) && may_be_declined(k, whole))
        return;
    if (may_seem_alive(&k->run->scenario) && strcmp(said->note, "shared") == 0)
        return;
    if (k->held && !parked && is_known_to_share(k) &&
        (whole != NOTHING || would_linger(k) == LINGERS_SURELY))
        expected = "shared";
    else if (k->scene->read_shut && !(may_not_know_read_shut(k) && !is_read_shut(said)))
        expected = "read-shut";
    else if (k->held && !parked && is_asked(k))
        expected = "held";
    if (((may_not_know_read_shut(k) && strcmp(expected, "shared") == 0) ||
         (would_linger(k) == LINGERS_PERHAPS && strcmp(said->note, "shared") == 0)) &&
        whole == NOTHING)
        expected = said->note; /* it thinks that it might linger, or not */
    expect_text(c, "note", expected, said->note);
}

/* The peer's FIN came while the program ended, and after ours it is the end: there is nothing to reset. */
static bool ends_itself(const struct close_case *k)
{
    int state = k->scene->ours.state;

    return k->run->peer_shut && (state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2);
}

/* Where TCP_LINGER2 is negative, half-closed and all acknowledged is reset by the close, of the lot as of the
 * program. */
static bool resets_at_exit(const struct close_case *k, const struct said *said)
{
    return k->exiting && is_lingering(said) && k->scene->linger2 &&
           strcmp(k->witness->reason, "TCP_ABORT_ON_LINGER") == 0;
}

/* By the counters alone, a reset of what came while the program ended looks like one that was asked for. */
static bool is_counted_late(const struct close_case *k)
{
    return !k->witness->traced && k->witness->moved && k->run->mode == RUN_LINGER &&
           strcmp(k->witness->reason, "TCP_STATE") == 0 && !scene_is_intended(k->scene);
}

/* What the kernel did, first against what it should have done: else it is not the library that is
 * wrong. */
static enum deed judge_kernel(const struct close_case *k, const struct said *said,
                              struct complaints *c)
{
    enum deed foretold = k->held ? NOTHING : foretell(k->scene, is_emptied(k, said));
    enum deed deed = deed_of(k->witness, foretold);
    bool lingers = is_lingering(said) || (!said->found && would_linger(k));
    bool polled = lingers && k->run->scenario.holder == HOLD_POLL; /* takes nothing */

    c->raced |= is_refilled(k, said);
    if (is_counted_late(k)) {
        c->raced = true;
        return foretold;
    }
    if (deed != foretold && !is_refilled(k, said) && !(polled && deed == FIN) &&
        !(is_left_in_use(k) && (k->run->late || !k->exiting || ends_itself(k))) &&
        !(is_cut_short(k, said) && deed == RESET_UNREAD) && !resets_at_exit(k, said) &&
        !(k->scene->linger2 && deed >= FIN && foretold >= FIN))
        complain(c, "the kernel %s (%d resets, %s), where by its source it %s", deed_names[deed],
                 k->witness->resets, k->witness->reason[0] ? k->witness->reason : "no reason",
                 deed_names[foretold]);
    return deed;
}

/* Somebody else may have read it, for all that the library knows, and closed it in order, which the kernel
 * does not remember after the peer's FIN. */
static bool may_be_probable(const struct close_case *k)
{
    int state = k->scene->ours.state;

    return (state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK) &&
           k->run->scenario.holder != HOLD_NOBODY;
}

/* Where it can't be asked it is told as foreseen; who holds it the library may not know. */
static void judge_word(const struct close_case *k, const struct said *said, enum deed deed,
                       struct complaints *c)
{
    enum deed last = foretell(k->scene, is_emptied(k, said));
    bool guesses = k->held && !is_known_to_share(k);

    if (may_seem_alive(&k->run->scenario) && strcmp(said->note, "shared") == 0)
        c->unproven = true;
    else if (said->confirmed)
        complain(c, "confirmed, where the kernel could not be asked");
    else if (!(guesses && strcmp(said->outcome, outcome_of(last)) == 0) && !is_refilled(k, said))
        expect_text(c, "outcome, unconfirmed", outcome_of(deed), said->outcome);
}

/* What is known of it at the close. */
static void judge_outcome(const struct close_case *k, const struct said *said, enum deed deed,
                          struct complaints *c)
{
    if (is_draining(said) || is_lingering(said)) {
        enum deed half_closed = k->threads ? NOTHING : foretell(k->scene, true);

        expect_text(c, "outcome", outcome_of(half_closed), said->outcome);
        expect_number(c, "confirmed", 1, said->confirmed);
    } else if (k->exiting && strcmp(said->outcome, "unknown") == 0 && k->unknown_allowed) {
        c->unproven |= is_luck(&k->run->scenario);
    } else if (!is_asked(k)) {
        judge_word(k, said, deed, c);
    } else {
        if (!said->confirmed && !may_be_probable(k) && !is_refilled(k, said) &&
            !k->scene->more_waits) /* which resets it at once */
            complain(c, "not confirmed, though the kernel can be asked");
        if (!is_refilled(k, said))
            expect_text(c, "outcome", outcome_of(deed), said->outcome);
    }
}

static void judge_close(const struct close_case *k, const struct said *said, struct complaints *c)
{
    enum deed whole = foretell(k->scene, false);
    enum deed deed = judge_kernel(k, said, c);
    bool expected = !k->run->scenario.resets_only || strcmp(cause_of(whole), "none") != 0;

    /* At its exit a process says nothing about what others hold on, if that makes a difference. */
    if (k->exiting && k->held && (whole != NOTHING || would_linger(k)) &&
        !(said->found && is_declined(k, said)))
        expected = false;
    if (!said->found) {
        if (k->nameless)
            return;
        if (expected && k->exiting && may_seem_alive(&k->run->scenario))
            c->unproven = true;
        else if (expected)
            complain(c, "no event: expected cause \"%s\", outcome \"%s\"", cause_of(whole),
                     outcome_of(deed));
        return;
    }
    if (!expected) {
        complain(c, "an event too many: cause \"%s\", outcome \"%s\"", said->cause, said->outcome);
        return;
    }
    judge_names(k, said, c);
    expect_text(c, "cause", cause_of(whole), said->cause);
    judge_outcome(k, said, deed, c);
    judge_queues(k, said, c);
    judge_action(k, said, whole, c);
    judge_note(k, said, whole, c);
}

/* ---- Which event is whose -------------------------------------------------------------------- */

static bool is_listener(const struct said *said)
{
    return strcmp(said->state, "LISTEN") == 0;
}

static bool is_about(const struct run *run, const struct said *said)
{
    if (run->scenario.listening)
        return is_listener(said);
    return !is_listener(said) && strcmp(said->local, run->ours) == 0 &&
           (!said->peer[0] || strcmp(said->peer, run->peers) == 0);
}

/* Nobody waits at the other listener, and the first of two numbers to go takes nothing with it. */
static void judge_bystander(const struct said *said, struct complaints *c)
{
    if (strcmp(said->outcome, "none") != 0 && strcmp(said->outcome, "unknown") != 0)
        complain(c,
                 "an event about something that was not reset or ended: %s(%d) %s->%s, %s: "
                 "cause \"%s\", outcome \"%s\"",
                 said->via, said->fd, said->local, said->peer, said->state, said->cause,
                 said->outcome);
}

/* The last event about the connection between FROM and TO; all others harmless. */
static struct said event_between(const struct run *run, long from, long to, struct complaints *c)
{
    struct said last = {0}, said;

    while (said_next(run->log, &from, to, &said)) {
        if (!is_about(run, &said)) {
            judge_bystander(&said, c);
            continue;
        }
        if (last.found)
            judge_bystander(said.mono < last.mono ? &said : &last, c);
        if (said.mono >= last.mono)
            last = said;
    }
    return last;
}

static void judge_silence(const struct run *run, long from, long to, struct complaints *c)
{
    struct said said = event_between(run, from, to, c);

    if (said.found)
        judge_bystander(&said, c);
}

/* ---- What the others found ------------------------------------------------------------------- */

static void judge_holder(const struct run *run, struct complaints *c)
{
    if (run->holder_got != -1 && run->holder_got != run->holder_expected)
        complain(c, "the other holder read %d bytes of %d", run->holder_got, run->holder_expected);
}

/* What the peer read before which end, where the connection has really ended. */
static void judge_end(const struct close_case *k, const struct said *said, bool lingers,
                      struct complaints *c)
{
    const struct run *run = k->run;
    const struct scene *scene = k->scene;
    const struct witness *w = k->witness;
    bool answered = is_cut_short(k, said); /* with a reset, perhaps, when all output had arrived */
    bool reset = w->resets > 0 && !answered;
    bool had_fin = scene->our_fin && scene->peer.received == scene->written + 1;
    int error = reset && !had_fin ? ECONNRESET : 0;
    long text = scene == &run->scene ? (long)run->text : 0;
    long bytes = (long)scene->written + text - (reset ? (long)scene->unacked : 0);

    /* What still waits to be sent to us is late data, and answered with a reset. */
    if (!run->end_known || (scene->more_waits && !lingers) || run->scenario.holder == HOLD_WRITER ||
        w->before[0] || !scene->unacked_known || scene->linger2 || scene->ours.state == TCP_CLOSE)
        return;
    if (run->end_error != error && !(answered && run->end_error == ECONNRESET))
        complain(c, "the peer read to %s, expected %s", net_end_text(run->end_error),
                 net_end_text(error));
    if ((long)run->end_bytes != bytes)
        complain(c, "the peer read %u bytes in all, expected %ld", run->end_bytes, bytes);
}

/* ---- A listener ------------------------------------------------------------------------------ */

static void judge_listener(const struct run *run, struct complaints *c)
{
    const struct scenario *s = &run->scenario;
    const struct witness *w = &run->witness;
    struct said said = event_between(run, w->events_from, w->events_to, c);
    int resets = run->held ? 0 : run->alive;
    bool expected = s->clients ? !(run->held && door_ends(s)) : !s->resets_only;
    bool unknown = strcmp(said.outcome, "unknown") == 0;
    bool asked = !door_ends(s) && s->door != DOOR_CLOSEFROM && s->setting != SETTING_NO_NETLINK;
    bool shared = s->holder == HOLD_DUP || s->holder == HOLD_FORK;

    if (w->resets != resets)
        complain(c, "the kernel reset %d clients of %d", w->resets, resets);
    if (!said.found && expected && door_ends(s) && may_seem_alive(s))
        c->unproven = true;
    else if (said.found != expected)
        complain(c, said.found ? "an event too many" : "no event");
    if (!said.found || !expected)
        return;
    expect_text(c, "via", door_name(s->door), said.via);
    expect_text(c, "state", "LISTEN", said.state);
    if (s->clients)
        expect_text(c, "local", run->ours, said.local);
    expect_text(c, "cause", s->clients ? "pending-accepts" : "none", said.cause);
    if (s->clients)
        expect_number(c, "pending", s->clients, said.pending);
    if (may_seem_alive(s) && !asked && strcmp(said.note, "shared") == 0) {
        c->unproven = true;
        return;
    }
    if (unknown && may_be_unknown(s) && s->clients && door_ends(s))
        c->unproven |= is_luck(s);
    else if (asked || !run->held || shared)
        expect_text(c, "outcome", resets ? "rst" : "none", said.outcome);
    expect_number(c, "confirmed", asked, said.confirmed);
    expect_text(c, "action", "none", said.action);
    if (unknown)
        expect_text(c, "note", "owner-unknown", said.note);
    else
        expect_text(c, "note",
                    !run->held             ? ""
                    : s->clients && shared ? "shared"
                    : asked                ? "held"
                                           : "",
                    said.note);
    expect_number(c, "pid", run->pid, said.pid);
    if (!door_takes_both(s))
        expect_number(c, "fd", run->fd, said.fd);
}

/* ---- Each reset once ------------------------------------------------------------------------- */

/* What the log says of resets of one connection. */
struct tellings {
    int at_close;
    int later;
    bool confirmed; /* of the latter */
};

static struct tellings tellings_of(const struct run *run)
{
    bool (*const next[])(const char *, long *, long, struct said *) = {said_next, said_next_end,
                                                                       said_next_late};
    struct tellings t = {0};

    for (int kind = 0; kind < 3; kind++) {
        struct said said;
        long at = 0;

        while (next[kind](run->log, &at, run->log_size, &said)) {
            if (said.cookie != run->scene.ours.cookie || strcmp(said.outcome, "rst") != 0)
                continue;
            *(kind < 2 ? &t.at_close : &t.later) += 1;
            t.confirmed |= kind == 2 && said.confirmed;
        }
    }
    return t;
}

/* The program lived on after its holder had let go, and could ask. */
static bool lives_on(const struct scenario *s)
{
    return !door_ends(s) && s->door != DOOR_CLOSEFROM && s->setting != SETTING_NO_NETLINK &&
           (s->holder == HOLD_READER || s->holder == HOLD_WRITER || s->holder == HOLD_EXEC);
}

/*
 * What was held at its close, and would have been reset, is told if it is reset later; and no reset is told
 * twice. In between others may read it, and the peer may end it: then it may be told too many, as not sure.
 */
static void judge_tellings(const struct run *run, struct complaints *c)
{
    const struct witness *w = run->holder_gave_up ? &run->holder_witness : &run->witness;
    struct tellings t = tellings_of(run);
    bool later = w->after[0] || (w->resets && run->scenario.holder == HOLD_EXEC);

    if (!run->witness.traced || run->scenario.listening || run->mode == RUN_BARE || c->raced ||
        run->scenario.holder == HOLD_SPAWNER)
        return;
    if (t.at_close + t.later > 1 && run->scenario.setting != SETTING_NO_NETLINK)
        complain(c, "a reset told %d times, %d of them later", t.at_close + t.later, t.later);
    c->gap |= t.confirmed && !later && !c->strict;
    if (t.later && t.confirmed && !later && (c->strict || !run->peer_gone))
        complain(c, "a close-end tells a reset, confirmed, that the kernel didn't send");
    if (!t.later && !t.at_close && later && lives_on(&run->scenario))
        complain(c, "no close-end, though the kernel reset it (%s) when its last holder let go",
                 w->after[0] ? w->after : w->reason);
}

/* ---- A run ----------------------------------------------------------------------------------- */

/* Where the program gives up both numbers at once it is the holder's that goes last. */
static int last_number(const struct run *run)
{
    bool both = run->scenario.holder == HOLD_DUP || run->scenario.holder == HOLD_DELIVERED;

    return both && door_takes_both(&run->scenario) && run->holder_fd > run->fd ? run->holder_fd
                                                                               : run->fd;
}

static struct close_case case_of_program(const struct run *run)
{
    const struct scenario *s = &run->scenario;

    return (struct close_case){
        .run = run,
        .scene = &run->scene,
        .witness = &run->witness,
        .via = door_name(s->door),
        .pid = run->pid,
        .fd = last_number(run),
        .held = run->held,
        .unknown_allowed = may_be_unknown(s) || s->setting == SETTING_NO_PROC,
        .exiting = door_ends(s),
        .leaves = door_ends(s) || run->left,
        .threads = has_threads(s),
        .by_another = last_number(run) != run->fd,
        .nameless = last_number(run) != run->fd && s->holder == HOLD_DELIVERED &&
                    run->scene.ours.state == TCP_CLOSE,
    };
}

/* After the program's own; only what came by a message is still not to be told. */
static struct close_case case_of_holder(const struct run *run)
{
    const struct scenario *s = &run->scenario;
    bool ends = is_process(s->holder) && s->holder_exits;
    bool lost = s->drop != DROP_NOTHING && s->drop_late; /* its parent's lot, which it feeds else */

    return (struct close_case){
        .run = run,
        .scene = &run->holder_scene,
        .witness = &run->holder_witness,
        .via = ends ? "_exit" : "close",
        .pid = run->holder_pid,
        .fd = run->holder_fd,
        .unknown_allowed = s->holder == HOLD_DELIVERED,
        .exiting = ends,
        .leaves = ends && (lost || door_ends(s)),
        .may_stay = !door_ends(s),
        .by_another = true,
        .nameless = s->holder == HOLD_DELIVERED && run->holder_scene.ours.state == TCP_CLOSE,
    };
}

/* ---- Lingering ------------------------------------------------------------------------------- */

/* All that the peer ever sent, but for what the program read. */
static long discards_in_all(const struct close_case *k)
{
    struct queue queue = k->scene->queue;

    queue_arrives(&queue, k->run->peer_sent - queue.arrived, false);
    return queue_discards(&queue);
}

/* Whose it was. */
static void judge_end_names(const struct close_case *k, const struct said *said, const char *action,
                            struct complaints *c)
{
    expect_text(c, "the end's action", action, said->action);
    expect_text(c, "the end's local", k->run->ours, said->local);
    expect_text(c, "the end's peer", k->run->peers, said->peer);
    expect_text(c, "the end's via", k->via, said->via);
    expect_number(c, "the end's fd", k->fd, said->fd);
    expect_number(c, "the end's pid", k->pid, said->pid);
    if (k->scene->ours.cookie != said->cookie)
        complain(c, "the end's cookie is 0x%llx", (unsigned long long)said->cookie);
}

/* Left as it was. */
static void judge_left(const struct close_case *k, struct complaints *c)
{
    bool asked = is_asked_by_lot(k) && !is_over(k);
    enum deed deed = k->held                ? NOTHING
                     : k->witness->after[0] ? RESET_UNREAD
                                            : deed_of(k->witness, foretell(k->scene, false));

    if (!may_be_left(k))
        complain(c, "left to a call that nobody is in");
    c->unproven |= k->run->scenario.holder == HOLD_BUSY;
    if (k->exiting)
        expect_text(c, "the end's outcome", "unknown", k->end.outcome);
    else if (asked)
        expect_text(c, "the end's outcome", outcome_of(deed), k->end.outcome);
    expect_number(c, "the end, confirmed", asked, k->end.confirmed);
    expect_number(c, "discarded by the lot", 0, k->end.discarded);
}

/* Whether what the lot was to drain is drained. */
static void judge_draining(const struct close_case *k, const struct said *said,
                           struct complaints *c)
{
    long discards = queue_discards(&k->scene->queue);
    const struct said *end = &k->end;
    struct said other;
    long at = 0;

    if (!end->found && k->held)
        return;
    if (!end->found) {
        complain(c, "no end of the draining");
        return;
    }
    said_next_end(k->run->log, &at, k->run->log_size, &other);
    if (said_next_end(k->run->log, &at, k->run->log_size, &other))
        complain(c, "a draining ended twice");
    judge_end_names(k, end, "draining", c);
    if (is_left_in_use(k)) {
        judge_left(k, c);
        return;
    }
    if (!k->held)
        expect_text(c, "ended_by", "drained", end->ended_by);
    if (!k->held && !is_refilled(k, said))
        expect_text(c, "the end's outcome", "fin", end->outcome);
    if (is_refilled(k, said) ? end->discarded < discards : !k->held && end->discarded != discards)
        complain(c, "discarded by the lot: expected %ld, the event says %ld", discards,
                 end->discarded);
}

/* How it ends where nothing else came before. */
static const char *last_end(const struct close_case *k)
{
    if (k->run->peer_reset)
        return "peer-rst";
    if (k->leaves && !k->may_stay)
        return "exit";
    return k->run->owed_nothing ? "delivered" : "peer-fin";
}

static bool may_end_so(const struct close_case *k, const struct said *said)
{
    const struct run *run = k->run;

    if (strcmp(said->ended_by, "exit") == 0)
        return k->leaves;
    if (strcmp(said->ended_by, "delivered") == 0)
        return is_opened(k);
    if (strcmp(said->ended_by, "peer-fin") == 0 && k->scene->read_shut)
        return true; /* which reads like it */
    if (strcmp(said->ended_by, "peer-fin") == 0)
        return k->leaves && !k->may_stay ? run->peer_shut : !run->owed_nothing && !run->peer_reset;
    /* A peer that can't read resets what is written to it. */
    return strcmp(said->ended_by, "peer-rst") == 0 &&
           (!k->scene->peer_open || run->scenario.count == 0);
}

static void judge_linger_end(const struct close_case *k, const struct said *said,
                             struct complaints *c)
{
    const struct run *run = k->run;
    const struct witness *w = k->witness;
    bool late_could_reset = k->scene->read_shut && k->scene->more_waits;
    long unread = queue_discards(&k->scene->queue);
    bool cut = strcmp(said->ended_by, "exit") == 0 || strcmp(said->ended_by, "delivered") == 0;
    /* Who reads may be faster; and what is over before it was seen what a thread does is left to it. */
    bool read_on = k->exiting && run->scenario.holder == HOLD_READER;
    bool unseen = run->scenario.holder == HOLD_BUSY || (k->threads && is_over(k));
    bool reset;

    if (!late_could_reset && !may_end_so(k, said))
        expect_text(c, "ended_by", last_end(k), said->ended_by);
    if (cut && !read_on && !unseen && said->discarded < unread)
        complain(c, "discarded by the lot: %ld were unread at the close, the event says %ld",
                 unread, said->discarded);
    if (said->discarded > discards_in_all(k))
        complain(c, "discarded by the lot: the peer sent %ld, the event says %ld",
                 discards_in_all(k), said->discarded);
    if (!cut && !late_could_reset && !(read_on && said->discarded < discards_in_all(k)) &&
        !(unseen && said->discarded == 0))
        expect_number(c, "discarded by the lot", discards_in_all(k), said->discarded);
    /* Of a program that goes on, or ended later, the lot can ask. */
    reset = !k->exiting && (is_cut_short(k, said) || k->scene->linger2) && w->after[0];
    if (resets_at_exit(k, said) && !c->strict)
        c->gap = true;
    else if (!(is_cut_short(k, said) && w->late[0] && strcmp(said->outcome, "rst") == 0))
        expect_text(c, "the end's outcome",
                    strcmp(said->ended_by, "peer-rst") == 0 ? "none"
                    : reset || resets_at_exit(k, said)      ? "rst"
                                                            : "fin",
                    said->outcome);
    judge_end_names(k, said, "lingering", c);
}

/* Whether the connection was parked; and that then nothing was reset, and its end told as it was.
 */
static bool judge_lingering(const struct close_case *k, const struct said *said,
                            struct complaints *c)
{
    const struct run *run = k->run;
    bool lingers = is_lingering(said), told = said->found;
    bool unsure =
        !told && (k->unknown_allowed || may_be_left(k) || k->scene->read_shut ||
                  run->scenario.holder == HOLD_BUSY || would_linger(k) == LINGERS_PERHAPS);
    struct said end, other;
    long at = 0;

    if (!told)
        lingers = would_linger(k) == LINGERS_SURELY && !unsure;
    said_next_end(run->log, &at, run->log_size, &end);
    if (unsure)
        return false;
    if (end.found && said_next_end(run->log, &at, run->log_size, &other))
        complain(c, "a lingering ended twice");
    if (end.found && lingers && is_left_in_use(k)) {
        judge_left(k, c);
        return false;
    }
    if (lingers && k->witness->late[0] && !k->scene->read_shut && !is_cut_short(k, said))
        complain(c, "the kernel reset a lingering connection: %s", k->witness->late);
    if (lingers && run->waited)
        complain(c, "a program that ends waits for a peer that has all output");
    if (lingers && !told && !end.found && k->leaves)
        return !k->scene->read_shut; /* what the peer sent came too late to be discarded */
    if (end.found != (lingers && (told || discards_in_all(k) > 0)))
        complain(c, end.found ? "an end of a lingering too many" : "no end of the lingering");
    else if (end.found)
        judge_linger_end(k, &end, c);
    return lingers && !k->scene->read_shut;
}

/* A segment that waited for the window's timer has come since it was looked at; or would have,
 * where the peer has closed and can't be asked. */
static bool moved(const struct close_case *k)
{
    return k->witness->moved || (k->scene->more_waits && !k->scene->peer_open);
}

/* Where a thread computes, and urgent data was read out of line behind something unread, the lot
 * can't tell the peer's late data from somebody's reading (probe_position), and leaves the
 * connection alone. */
static bool left_to_a_thread(const struct close_case *k)
{
    const struct scenario *s = &k->run->scenario;

    return s->holder == HOLD_BUSY && s->urgent && is_left_in_use(k);
}

/* Both have ended: it is over when the peer has read all, whoever holds it. */
static bool ended_by_both(const struct scene *scene)
{
    return scene->ours.state == TCP_LAST_ACK || scene->ours.state == TCP_CLOSING;
}

/* Something holds it, or not, for a moment: each word is checked against what the kernel does in the end. */
static void judge_moments(const struct close_case *k, const struct said *said, struct complaints *c)
{
    const struct witness *w = k->witness;
    enum deed whole = foretell(k->scene, false);
    struct tellings t = tellings_of(k->run);
    bool reset = w->resets || w->after[0];

    if (k->run->mode == RUN_BARE || !w->traced)
        return;
    if (!said->found) {
        if (!k->run->scenario.resets_only || strcmp(cause_of(whole), "none") != 0)
            complain(c, "no event: expected cause \"%s\"", cause_of(whole));
        return;
    }
    judge_names(k, said, c);
    judge_queues(k, said, c);
    expect_text(c, "cause", cause_of(whole), said->cause);
    if (!is_asked(k))
        return;
    if (!said->confirmed && !may_be_probable(k) && !k->scene->more_waits)
        complain(c, "not confirmed, though the kernel can be asked");
    if (!c->strict && t.later && ended_by_both(k->scene)) {
        c->gap = true;
        return;
    }
    if ((t.at_close + t.later < reset || (t.at_close + t.later > reset && t.confirmed)) &&
        !k->run->peer_gone && !k->scene->more_waits)
        complain(c, "%d resets told, %d of them later; the kernel: %s %s", t.at_close + t.later,
                 t.later, w->reason, w->after);
}

static void judge_case(struct close_case *k, struct complaints *c)
{
    const struct run *run = k->run;
    struct said said = event_between(run, k->witness->events_from, k->witness->events_to, c);
    bool lingers = false;
    long at = 0;

    if (run->scenario.holder == HOLD_SPAWNER) {
        judge_moments(k, &said, c);
        return;
    }
    said_next_end(run->log, &at, run->log_size, &k->end);
    if (left_to_a_thread(k)) {
        c->unproven = true;
        return;
    }
    if (!is_refilled(k, &said) && !is_lingering(&said) && moved(k)) {
        c->raced = true;
        return;
    }
    if (run->mode != RUN_BARE)
        judge_close(k, &said, c);
    else
        judge_kernel(k, &said, c);
    if (is_draining(&said))
        judge_draining(k, &said, c);
    else if (run->mode == RUN_DRAIN && k->end.found && !run->holder_gave_up)
        complain(c, "an end of what was not draining");
    else if (run->mode == RUN_LINGER && !k->held)
        lingers = judge_lingering(k, &said, c);
    if (!k->held)
        judge_end(k, &said, lingers, c);
}

/*
 * What the library is known not to do yet (--strict):
 *  - The log is written after a close, and what closes all higher numbers closes the log's, too: where it can't
 *    be opened by its name again, nothing is told. Nor can the kernel be asked: two numbers are told as two resets.
 *  - A relative that is dead seems alive where a fork child finds no /proc to ask for its pid namespace; then it
 *    takes a connection for its dead parent's business, and says nothing.
 *  - What was held at its close and is reset by its peer looks as if we had reset it (judge_tellings).
 *  - What was held at its close, zero linger set, and comes to its end while it is held, both having sent their
 *    FIN, looks the same (judge_moments).
 *  - What a negative TCP_LINGER2 resets when an exit ends its lingering is told as a FIN (judge_linger_end).
 */
static bool is_gap(const struct run *run)
{
    const struct scenario *s = &run->scenario;
    bool twice = s->holder == HOLD_DELIVERED && !s->listening;
    bool no_namespace = s->setting == SETTING_NO_PROC || s->drop == DROP_ROOT;

    return (s->door == DOOR_CLOSEFROM && (s->drop != DROP_NOTHING || twice)) ||
           (s->holder == HOLD_FORK && door_ends(s) && no_namespace);
}

void judge_run(const struct run *run, struct complaints *c)
{
    const struct witness *w = &run->witness, *last = &run->holder_witness;
    struct close_case of_program, of_holder;

    if (run->trouble[0])
        complain(c, "%s", run->trouble);
    if (run->garbled)
        complain(c, "the program read something else than the peer sent");
    if (run->trouble[0])
        return;
    if (!c->strict && run->mode != RUN_BARE && is_gap(run)) {
        c->gap = true;
        return;
    }
    judge_silence(run, 0, w->events_from, c);
    if (run->scenario.listening) {
        if (run->mode != RUN_BARE)
            judge_listener(run, c);
        return;
    }
    of_program = case_of_program(run);
    judge_case(&of_program, c);
    judge_holder(run, c);
    judge_tellings(run, c);
    if (!run->holder_gave_up) {
        judge_silence(run, w->events_to, run->log_size, c);
        return;
    }
    judge_silence(run, w->events_to, last->events_from, c);
    of_holder = case_of_holder(run);
    if (run->scenario.holder == HOLD_EXEC)
        judge_silence(run, last->events_from, last->events_to,
                      c); /* no library is in front of it */
    else
        judge_case(&of_holder, c);
    judge_silence(run, last->events_to, run->log_size, c);
}

/* ---- Without the library and with it --------------------------------------------------------- */

/* Whether how much fits into the windows is no matter of timing. */
static bool is_exact(const struct scenario *s)
{
    if (s->our_send_buffer || s->our_receive_buffer || s->peer_receive_buffer)
        return false;
    for (int i = 0; i < s->count; i++)
        if ((s->steps[i].op == OP_PEER_SENDS || s->steps[i].op == OP_WRITES) &&
            s->steps[i].size > 9000)
            return false;
    return true;
}

static void same_number(struct complaints *c, const char *what, long bare, long log)
{
    if (bare != log)
        complain(c, "%s: %ld without the library, %ld with it", what, bare, log);
}

static void same_witness(struct complaints *c, const struct witness *bare,
                         const struct witness *log)
{
    same_number(c, "resets", bare->resets, log->resets);
    same_number(c, "FIN at once", bare->fin, log->fin);
    if (strcmp(bare->reason, log->reason) != 0 || strcmp(bare->before, log->before) != 0)
        complain(c, "reason: %s without the library, %s with it; before the close %s and %s",
                 bare->reason, log->reason, bare->before, log->before);
}

void judge_same(const struct run *bare, const struct run *log, struct complaints *c)
{
    if (bare->scenario.holder == HOLD_SPAWNER || bare->trouble[0] || log->trouble[0] ||
        bare->witness.moved || log->witness.moved || bare->holder_witness.moved ||
        log->holder_witness.moved)
        return;
    same_witness(c, &bare->witness, &log->witness);
    same_witness(c, &bare->holder_witness, &log->holder_witness);
    same_number(c, "the peer's last read", bare->end_error, log->end_error);
    if (!is_exact(&bare->scenario))
        return;
    same_number(c, "bytes for the peer", bare->end_bytes, log->end_bytes);
    same_number(c, "bytes for the other holder", bare->holder_got, log->holder_got);
    same_number(c, "what the program's calls returned (a hash)", bare->story, log->story);
}

/* ---- In words -------------------------------------------------------------------------------- */

static int witness_words(const struct witness *w, char *words, size_t size)
{
    return snprintf(words, size, "%d resets%s%s, %s%s%s%s", w->resets, w->reason[0] ? " " : "",
                    w->reason, w->fin ? "FIN" : "no FIN", w->before[0] ? ", before it " : "",
                    w->before, w->moved ? ", data moved meanwhile" : "");
}

void run_words(const struct run *run, char *words, size_t size)
{
    const struct scene *scene = &run->scene;
    size_t n = 0;

    words[0] = '\0';
    if (!run->scenario.listening)
        n += (size_t)snprintf(
            words, size, "  %s->%s, %s: %u arrived, %u read; %u written, %d+%d unacked%s%s\n",
            run->ours, run->peers, state_name(scene->ours.state), scene->queue.arrived,
            scene->queue.at, scene->written, scene->ours.unacked, scene->ours.unsent,
            scene->linger == 0 ? ", zero linger" : "", run->held ? ", held by another" : "");
    n += (size_t)snprintf(words + n, size - n, "  kernel: ");
    n += (size_t)witness_words(&run->witness, words + n, size - n);
    if (run->holder_gave_up) {
        n += (size_t)snprintf(words + n, size - n, "\n  at the holder's close: ");
        n += (size_t)witness_words(&run->holder_witness, words + n, size - n);
    }
    if (run->end_known && n < size)
        n += (size_t)snprintf(words + n, size - n, "\n  the peer read %u bytes to %s",
                              run->end_bytes, net_end_text(run->end_error));
    if (n < size)
        snprintf(words + n, size - n, "\n");
}
