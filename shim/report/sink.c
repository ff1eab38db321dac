#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/signals.h"
#include "ground/sys.h"
#include "ground/wait.h"
#include "report/ledger.h"
#include "report/sink.h"
#include "report/sink_file.h"
#include "report/sink_stderr.h"
#include "report/sink_syslog.h"
#include "settings/config.h"

#define LINES                                                                                      \
    64 /* threads that write at a time, on a machine with more to do than it can; untouched ones cost nothing */
#define OPEN (-1)

static _Atomic(struct line *)
    buffers; /* LINES of them, mapped for the first line and never given back */
static enum log_target target = LOG_NONE; /* sink_open; where the log really goes */
static bool json;                         /* constructor; sink_open */
static _Atomic int opener;                /* the process that is about to open it; then OPEN */

#define RAISED_BY_WRITING (1ULL << (SIGPIPE - 1) | 1ULL << (SIGXFSZ - 1) | 1ULL << (SIGTTOU - 1))

void sink_start(void)
{
    sink_stderr_start();
    json = config.json;
    if (config.log == LOG_STDERR)
        target = LOG_STDERR;
}

static void open_target(void)
{
    bool ok = config.log == LOG_FILE ? sink_file_start() : sink_syslog_start();

    if (!ok)
        json = config.json && config.format_given;
    target = ok ? config.log : LOG_STDERR;
}

/* Another thread may be opening it; its signals are blocked, so it does finish. */
void sink_open(void)
{
    int pid = atomic_load(&process->pid);
    int last = atomic_load_explicit(&opener, memory_order_relaxed);
    uint64_t before = 0;

    if (last == OPEN || (config.log != LOG_FILE && config.log != LOG_SYSLOG))
        return;
    if (!signals_block(&before))
        return;
    if (last != pid && atomic_compare_exchange_strong(&opener, &last, pid)) {
        open_target();
        atomic_store(&opener, OPEN);
    } else {
        wait_for(&opener, pid);
    }
    signals_restore(before);
}

bool sink_json(void)
{
    return json;
}

bool sink_is_text_file(void)
{
    return target == LOG_FILE && !json;
}

bool sink_owns(int fd)
{
    return sink_file_owns(fd) || sink_syslog_owns(fd);
}

int sink_descriptor(void)
{
    return target == LOG_FILE     ? sink_file_descriptor()
           : target == LOG_SYSLOG ? sink_syslog_descriptor()
                                  : -1;
}

bool sink_is_within(unsigned first, unsigned last)
{
    int number = target == LOG_STDERR ? STDERR_FILENO : sink_descriptor();

    return number >= 0 && first <= (unsigned)number && (unsigned)number <= last;
}

void sink_in_lot(int number)
{
    if (target == LOG_FILE)
        sink_file_in_lot(number);
    else if (target == LOG_SYSLOG)
        sink_syslog_in_lot(number);
}

/* NULL if there is no memory. */
static struct line *lines(void)
{
    const size_t size = LINES * sizeof(struct line);
    struct line *mapped = atomic_load(&buffers);
    struct line *none = NULL;

    if (mapped)
        return mapped;
    mapped = sys_map(size);
    if (!mapped || atomic_compare_exchange_strong(&buffers, &none, mapped))
        return mapped;
    sys2(SYS_munmap, SYS_ARG(mapped), (long)size);
    return none;
}

struct line *sink_claim(void)
{
    struct line *line = lines();
    uint64_t before = 0;
    int pid = atomic_load(&process->pid);
    bool blocked = signals_block(&before);

    for (int i = 0; line && blocked && i < LINES; i++, line++) {
        /* A thread that held it when another one forked does not exist in the child. */
        int holder = atomic_load(&line->taken);
        if (holder != pid && atomic_compare_exchange_strong(&line->taken, &holder, pid)) {
            line->text = text_over(line->bytes, sizeof(line->bytes));
            line->signals = before;
            return line;
        }
    }
    if (blocked)
        signals_restore(before);
    atomic_fetch_add(&ledger->counts.lost, 1);
    return NULL;
}

void sink_release(struct line *line)
{
    uint64_t before = line->signals;

    atomic_store(&line->taken, 0);
    signals_restore(before);
}

/* Takes one of these that is pending; false where the kernel refuses. */
static __attribute__((noinline)) bool take_signal(uint64_t set)
{
    struct timespec now = {0, 0};
    long taken = sys4(SYS_rt_sigtimedwait, SYS_ARG(&set), 0, SYS_ARG(&now), sizeof(set));

    return taken >= 0 || taken == -EAGAIN;
}

/* *raised: the signals that our own write may raise; not those that are pending already, they are the program's.
 * False if a signal could not be taken back: it would end the program, so nothing may be written. */
static bool may_write(uint64_t *raised)
{
    uint64_t pending = 0;

    if (sys2(SYS_rt_sigpending, SYS_ARG(&pending), sizeof(pending)) < 0 || !take_signal(0))
        return false;
    *raised = RAISED_BY_WRITING & ~pending;
    return true;
}

static void write_to(enum log_target where, struct line *line)
{
    bool (*const writers[])(const char *, size_t) = {
        [LOG_STDERR] = sink_stderr_write,
        [LOG_SYSLOG] = sink_syslog_write,
        [LOG_FILE] = sink_file_write,
    };
    uint64_t raised = 0;

    if (where == LOG_NONE || line->text.len == 0)
        return;
    if (!may_write(&raised) || !writers[where](line->bytes, line->text.len))
        atomic_fetch_add(&ledger->counts.lost, 1);
    if (raised)
        take_signal(raised);
}

void sink_write_log(struct line *line)
{
    write_to(target, line);
}

void sink_write_stderr(struct line *line)
{
    write_to(target == LOG_NONE ? LOG_NONE : LOG_STDERR, line);
}

bool sink_has_trouble(void)
{
    return sink_file_has_trouble();
}

bool sink_put_trouble(struct text *t)
{
    return sink_file_put_trouble(t, json);
}
