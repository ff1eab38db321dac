/* Who holds a connection: only the last reference's close resets, and a call in progress is one.
 * And how a process learns that it is no longer the one that it was. */
#define _GNU_SOURCE
#include "kernel_facts.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* ---- References ------------------------------------------------------------------------------ */

static void expect_nothing_sent(const struct net_pair *pair, struct net_resets before)
{
    expect_fate(pair, before, sends_no_reset);
    fact_is(net_state(pair->peer), TCP_ESTABLISHED);
}

FACT(only_the_last_duplicate_resets, "only the last duplicate's close resets")
{
    design_says("dup, ...: only the last reference resets");
    SCOPED_PAIR pair = connected(NULL);
    int duplicate = dup(pair.ours);

    peer_sends(&pair, "hello");
    struct net_resets before = net_resets_now();
    must(close(duplicate) == 0);
    expect_nothing_sent(&pair, before);
    close_and_expect(&pair, resets_for_unread);
    expect_peer_reset(&pair);
}

FACT(a_fork_child_holds_the_connection, "a fork child holds the connection")
{
    design_says("fork, ...: only the last reference resets");
    SCOPED_PAIR pair = connected(NULL);
    int hold[2];

    peer_sends(&pair, "hello");
    pid_t child = fork_holder(hold);
    struct net_resets before = net_resets_now();
    must(net_close_ours(&pair) == 0);
    expect_nothing_sent(&pair, before);
    must(close(hold[1]) == 0);
    fact_is(wait_child(child), 0);
    expect_fate(&pair, before, resets_for_unread);
    expect_peer_reset(&pair);
    must(close(hold[0]) == 0);
}

FACT(a_message_in_flight_holds_the_connection, "a message in flight holds the connection")
{
    design_says("SCM_RIGHTS (in flight too: no process shows it then)");
    SCOPED_PAIR pair = connected(NULL);
    int channel[2];

    peer_sends(&pair, "hello");
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, channel) == 0);
    must(net_send_descriptor(channel[0], pair.ours, 0));
    struct net_resets before = net_resets_now();
    must(net_close_ours(&pair) == 0);
    expect_nothing_sent(&pair, before);
    must(close(channel[1]) == 0 && close(channel[0]) == 0);
    expect_fate(&pair, before, resets_for_unread);
    expect_peer_reset(&pair);
}

/* ---- Calls in progress ----------------------------------------------------------------------- */

/* A thread inside one call on the connection. The main thread reads the results after joining it.
 */
struct caller {
    int fd;
    pthread_t thread;
    _Atomic int tid;
    char *data;
    size_t size;
    ssize_t result;
    int error;
};

static void *receive(void *arg)
{
    struct caller *caller = arg;

    caller->tid = gettid();
    caller->result = recv(caller->fd, caller->data, caller->size, 0);
    caller->error = errno;
    return NULL;
}

static void *transmit(void *arg)
{
    struct caller *caller = arg;

    caller->tid = gettid();
    caller->result = send(caller->fd, caller->data, caller->size, MSG_NOSIGNAL);
    caller->error = errno;
    return NULL;
}

static bool has_started(void *arg)
{
    return ((struct caller *)arg)->tid != 0;
}

/* Starts CALL in a thread; returns when the thread sleeps in it. */
static void block_in(struct caller *caller, void *(*call)(void *), long number)
{
    must(pthread_create(&caller->thread, NULL, call, caller) == 0);
    must(net_wait_until(has_started, caller));
    must(net_wait_thread_in(caller->tid, number));
}

FACT(a_blocked_reader_holds_the_connection, "a thread blocked in recv holds the connection")
{
    design_says(
        "One thread blocked in recv, another closes: nothing is sent, the reader still gets "
        "its data");
    SCOPED_PAIR pair = connected(NULL);
    char buffer[8];
    struct caller reader = {.fd = pair.ours, .data = buffer, .size = sizeof buffer};

    block_in(&reader, receive, SYS_recvfrom);
    struct net_resets before = net_resets_now();
    must(net_close_ours(&pair) == 0);
    expect_nothing_sent(&pair, before);
    must(send(pair.peer, "hello", 5, MSG_NOSIGNAL) == 5);
    must(pthread_join(reader.thread, NULL) == 0);
    fact_is(reader.result, 5);
    expect_fate(&pair, before, sends_no_reset);
    expect_peer_eof(&pair, 0);
}

/* How often a thread has gone to sleep. */
static long sleeps_of(int tid)
{
    char path[64], line[256];
    long count = -1;
    FILE *status;

    snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
    must((status = fopen(path, "re")) != NULL);
    while (count < 0 && fgets(line, sizeof line, status))
        if (sscanf(line, "voluntary_ctxt_switches: %ld", &count) != 1)
            count = -1;
    fclose(status);
    return count;
}

static bool has_slept_again(void *arg)
{
    struct caller *caller = arg;

    return sleeps_of(caller->tid) > (long)caller->result;
}

/* Whatever its CPU time says, from which a virtual machine takes what its host stole. */
FACT(who_is_woken_by_an_option_goes_to_sleep_once_more,
     "who is woken by an option goes to sleep once more")
{
    design_says("data that stays unread disproves a reader, POLLOUT a writer");
    struct net_pair pair = connected(NULL), other = connected(NULL);
    char buffer[8];
    struct caller reader = {.fd = pair.ours, .data = buffer, .size = sizeof buffer};
    struct caller bystander = {.fd = other.ours, .data = buffer, .size = sizeof buffer};
    int lowat = 0;

    block_in(&reader, receive, SYS_recvfrom);
    block_in(&bystander, receive, SYS_recvfrom);
    reader.result = sleeps_of(reader.tid);
    bystander.result = sleeps_of(bystander.tid);
    must(setsockopt(pair.ours, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat) == 0);
    fact_is(net_wait_until(has_slept_again, &reader), true);
    must(net_wait_thread_in(reader.tid, SYS_recvfrom));
    fact_is(sleeps_of(bystander.tid), bystander.result);
    must(send(pair.peer, "hello", 5, MSG_NOSIGNAL) == 5 &&
         send(other.peer, "you", 3, MSG_NOSIGNAL) == 3);
    must(pthread_join(reader.thread, NULL) == 0 && pthread_join(bystander.thread, NULL) == 0);
    net_pair_close(&pair);
    net_pair_close(&other);
}

enum { MUCH = 4 << 20 };

FACT(a_blocked_writer_holds_the_connection, "a thread blocked in send holds the connection")
{
    design_says(
        "One thread blocked in write ..., another closes with 5 unread: all of them arrive");
    const struct net_options small = {.our_send_buffer = 8192, .peer_receive_buffer = 4096};
    SCOPED_PAIR pair = connected(&small);
    struct caller writer = {.fd = pair.ours, .data = calloc(1, MUCH), .size = MUCH};
    int send_buffer;
    socklen_t size = sizeof send_buffer;

    must(writer.data);
    must(getsockopt(pair.ours, SOL_SOCKET, SO_SNDBUF, &send_buffer, &size) == 0);
    peer_sends(&pair, "hello");
    block_in(&writer, transmit, SYS_sendto);
    struct net_resets before = net_resets_now();
    must(net_close_ours(&pair) == 0);
    expect_nothing_sent(&pair, before);
    /* Until write() has returned nothing is lost. It is the writer's return that drops the last
     * reference, and resets: what then waits in the send queue is lost after all. */
    struct net_end end = net_read_to_end(pair.peer);
    must(pthread_join(writer.thread, NULL) == 0);
    fact_is(writer.result, MUCH);
    fact(end.bytes >= MUCH - send_buffer);
    fact_is(end.error, ECONNRESET);
    expect_fate(&pair, before, resets_for_unread);
    free(writer.data);
}

FACT(a_half_close_on_a_duplicate_cuts_a_blocked_writer,
     "a half-close on a duplicate cuts a blocked writer")
{
    design_says("with a half-close on a duplicate 3,919,872 did");
    const struct net_options small = {.our_send_buffer = 8192, .peer_receive_buffer = 4096};
    SCOPED_PAIR pair = connected(&small);
    struct caller writer = {.fd = pair.ours, .data = calloc(1, MUCH), .size = MUCH};

    must(writer.data);
    block_in(&writer, transmit, SYS_sendto);
    must(shutdown(pair.ours, SHUT_WR) == 0);
    must(pthread_join(writer.thread, NULL) == 0);
    fact(writer.result < MUCH);
    free(writer.data);
}

/* ---- Which process is this ------------------------------------------------------------------- */

static _Atomic int *wiped_page(void)
{
    _Atomic int *page =
        mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    must(page != MAP_FAILED && madvise(page, getpagesize(), MADV_WIPEONFORK) == 0);
    *page = 42;
    return page;
}

FACT(a_fork_child_finds_the_page_wiped, "a fork child finds a MADV_WIPEONFORK page wiped")
{
    design_says("A page with MADV_WIPEONFORK notices fork and _Fork without a syscall or a hook");
    _Atomic int *page = wiped_page();
    pid_t child = fork();

    must(child >= 0);
    if (child == 0)
        _exit(*page);
    fact_is(wait_child(child), 0);
    /* As _Fork makes it: no handlers, no library. */
    child = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    must(child >= 0);
    if (child == 0)
        _exit(*page);
    fact_is(wait_child(child), 0);
    fact_is(*page, 42);
    must(munmap(page, getpagesize()) == 0);
}

FACT(a_vfork_child_finds_the_page_as_it_was, "a vfork child finds it as it was")
{
    design_says("It doesn't notice a vfork child, which runs in the parent's memory");
    _Atomic int *page = wiped_page();
    pid_t child = vfork();

    if (child == 0)
        _exit(*page);
    must(child >= 0);
    int status = wait_child(child);
    fact(WIFEXITED(status));
    fact_is(WEXITSTATUS(status), 42);
    must(munmap(page, getpagesize()) == 0);
}

facts_main()
