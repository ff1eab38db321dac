#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/clock.h"
#include "ground/host.h"
#include "ground/sys.h"
#include "report/event_json.h"
#include "report/event_stack.h"
#include "report/names.h"
#include "settings/config.h"
#include "settings/control.h"
#include "settings/options.h"

static void put_head(struct text *t, const char *event_name, int pid, int64_t at)
{
    if (!at)
        at = clock_ns(CLOCK_REALTIME);
    text_put(t, "{\"v\":1,\"time\":\"");
    text_time(t, at / NS_PER_S, (long)(at % NS_PER_S), true);
    text_put(t, "\",\"event\":\"%s\",\"pid\":%d", event_name, pid);
}

void event_json_head(struct text *t, const char *event_name)
{
    put_head(t, event_name, atomic_load(&process->pid), 0);
}

void event_json_comm(struct text *t)
{
    text_put(t, ",\"comm\":\"");
    text_json(t, config.comm, strlen(config.comm));
    text_put(t, "\",\"host\":\"");
    host_name(t);
    text_put(t, "\"");
}

static void put_endpoint(struct text *t, const char *key, const struct endpoint *e)
{
    text_put(t, ",\"%s\":\"", key);
    if (e->known)
        text_address(t, e->addr, e->v4, e->port);
    text_put(t, "\"");
}

/* Asked once while no thread has moved to another: looking it up costs as much as writing the line.
 */
static _Atomic uint64_t namespace_known;
static _Atomic bool namespaces_differ; /* by a thread that moves */

void event_json_moved(void)
{
    atomic_store(&namespaces_differ, true);
}

/* The inode of the thread's network namespace, as lsns prints it; 0 without /proc. */
static unsigned long long network_namespace(void)
{
    uint64_t known = atomic_load(&namespace_known);
    struct stat st;

    if (known && !atomic_load(&namespaces_differ))
        return known;

    if (sys4(SYS_newfstatat, AT_FDCWD, SYS_ARG("/proc/thread-self/ns/net"), SYS_ARG(&st), 0) < 0)
        return 0;
    atomic_store(&namespace_known, st.st_ino);
    return st.st_ino;
}

/* Keys of variable size, after those that are cut to make room for them. */
#define TAIL 256

/* True if all of it fits. */
static bool put_preview(struct text *t, const struct event *e)
{
    bool fits;

    text_put(t, ",\"preview\":\"");
    t->cap -= 16; /* room for the quote, the next key and an empty stack */
    text_json(t, (const char *)e->preview, e->preview_size);
    t->cap += 16;
    fits = !t->cut;
    t->cut = false;
    text_put(t, "\"");
    return fits;
}

static bool put_seen(struct text *t, const struct event *e, const struct stack *stack)
{
    bool fits;

    text_put(t, ",\"content\":\"%s\",\"note\":\"%s\"", names_content(e->content),
             names_reason(e->reason));
    t->cap -= TAIL;
    fits = put_preview(t, e);
    text_put(t, ",\"stack\":");
    fits &= event_stack_json(t, stack);
    t->cap += TAIL;
    return fits;
}

/* By enum whose: whether it was accepted. */
static const char openers[][8] = {"", "peer", "program", ""};

void event_json_close(struct text *t, const struct event *e, const struct stack *stack)
{
    const struct probe *p = &e->probe;

    put_head(t,
             e->is_end    ? "linger-end"
             : e->is_late ? "close-end"
                          : "close",
             e->pid ? e->pid : atomic_load(&process->pid), e->at.real);
    text_put(t, ",\"tid\":%d", e->tid ? e->tid : sys_gettid());
    event_json_comm(t);
    text_put(t, ",\"via\":\"%s\",\"fd\":%d,\"proto\":\"%s\"", names_via(e->via), e->fd,
             p->facts.mptcp ? "mptcp" : "tcp");
    put_endpoint(t, "local", &p->local);
    put_endpoint(t, "peer", &p->peer);
    text_put(t, ",\"state\":\"%s\",\"cause\":\"%s\"", names_state(p->facts.state),
             names_cause(e->verdict.cause));
    if (e->verdict.cause == CAUSE_PENDING_ACCEPTS)
        text_put(t, ",\"pending\":%u", p->facts.pending);
    text_put(t, ",\"unread\":%u,\"unacked\":%u,\"unsent\":%u", p->unread, p->unacked, p->unsent);
    text_put(t, ",\"action\":\"%s\",\"outcome\":\"%s\",\"confirmed\":%s,\"discarded\":%llu",
             names_action(e->action), names_outcome(e->verdict.outcome),
             e->confirmed ? "true" : "false", (unsigned long long)e->discarded);
    text_put(t, ",\"opened_by\":\"%s\",\"progress\":\"%s\"", openers[e->whose & EITHER],
             e->when & UNTOUCHED  ? "untouched"
             : e->when & ANSWERED ? "answered"
                                  : "");
    text_put(t, ",\"truncated\":%s", put_seen(t, e, stack) ? "false" : "true");
    text_put(t, ",\"urgent\":%s,\"cookie\":\"0x%llx\",\"netns\":%llu,\"mono_ns\":%llu",
             p->urgent ? "true" : "false", (unsigned long long)p->cookie, network_namespace(),
             (unsigned long long)(e->at.mono ? e->at.mono : clock_ns(CLOCK_MONOTONIC)));
    if (e->reason == REASON_SHARED && e->holder >= 0)
        text_put(t, ",\"holder_pid\":%d,\"holder_fd\":%d", atomic_load(&process->pid), e->holder);
    if (e->is_end)
        text_put(t, ",\"ended_by\":\"%s\"", names_ended(e->ended));
    if (e->is_end || e->is_late)
        text_put(t, ",\"ms\":%llu", (unsigned long long)e->ms);
    text_put(t, "}\n");
}

#define NOTE_ALIGN(n) (((size_t)(n) + 3) & ~(size_t)3)

/* The GNU build-id among the notes of one segment, in hexadecimal. */
static bool put_build_id(struct text *t, const char *notes, size_t size)
{
    while (size >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) note;
        size_t name;
        size_t whole;

        memcpy(&note, notes, sizeof(note));
        name = sizeof(note) + NOTE_ALIGN(note.n_namesz);
        whole = name + NOTE_ALIGN(note.n_descsz);
        if (whole > size)
            return false;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            memcmp(notes + sizeof(note), "GNU", 4) == 0) {
            for (size_t i = 0; i < note.n_descsz && i < 64; i++)
                text_put(t, "%02x", (unsigned char)notes[name + i]);
            return true;
        }
        notes += whole;
        size -= whole;
    }
    return false;
}

/* From the program headers that the kernel left in memory, so that no file is read. */
static void put_executable_build_id(struct text *t)
{
    const ElfW(Phdr) *headers = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    size_t count = headers ? getauxval(AT_PHNUM) : 0;
    uintptr_t base = 0;

    for (size_t i = 0; i < count; i++)
        if (headers[i].p_type == PT_PHDR)
            base = (uintptr_t)headers - headers[i].p_vaddr;
    for (size_t i = 0; i < count; i++)
        if (headers[i].p_type == PT_NOTE &&
            put_build_id(t, (const char *)(base + headers[i].p_vaddr), headers[i].p_memsz))
            return;
}

void event_json_start(struct text *t)
{
    const size_t rest = 512; /* for what follows a very long name of the executable */

    event_json_head(t, "start");
    event_json_comm(t);
    text_put(t, ",\"executable\":\"");
    t->cap -= rest;
    text_json(t, config.executable, strlen(config.executable));
    t->cap += rest;
    text_put(t, "\",\"build_id\":\"");
    put_executable_build_id(t);
    text_put(t, "\",\"mode\":\"%s\",\"version\":\"" SAFECLOSE_VERSION "\"}\n",
             options_mode_name(mode_now()));
}
