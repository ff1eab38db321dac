/*
 * What safeclose watch makes of what the kernel says, as tables: why a reset was sent, on kernels that give a reason and on
 * those that don't; records of kernels old and new; where a process belongs.
 */
#include "process/cgroup.h"
#include "trace/kernel_names.h"
#include "trace/reset_cause.h"
#include "test.h"
#include "trace/record.h"
#include "watch/rate.h"

#include <netinet/tcp.h>
#include <string.h>

#define IN(function) (1U << KERNEL_##function)

/* ---- Why ------------------------------------------------------------------------------------------- */

static void expect(struct reset_facts facts, const char *cause, bool inferred)
{
    struct reset_answer answer = reset_cause(&facts);

    assert_string_equal(reset_cause_name(answer.cause), cause);
    assert_int_equal(answer.inferred, inferred);
    assert_true(*answer.words);
}

TEST(a_reason_says_the_cause)
{
    expect((struct reset_facts){.reason = "TCP_ABORT_ON_CLOSE"}, "unread-data", false);
    expect((struct reset_facts){.reason = "TCP_ABORT_ON_DATA"}, "late-data", false);
    expect((struct reset_facts){.reason = "TCP_TIMEWAIT_SOCKET"}, "late-data", false);
    expect((struct reset_facts){.reason = "NO_SOCKET"}, "no-socket", false);
    expect((struct reset_facts){.reason = "TCP_KEEPALIVE_TIMEOUT"}, "keepalive", false);
    expect((struct reset_facts){.reason = "TCP_ABORT_ON_MEMORY"}, "memory", false);
    expect((struct reset_facts){.reason = "TCP_RFC7323_PAWS"}, "protocol", false);
    expect((struct reset_facts){.reason = "MPTCP_RST_EMPTCP"}, "mptcp", false);
}

TEST(the_reason_tcp_state_is_told_by_the_kernels_functions)
{
    static const char reason[] = "TCP_STATE";

    expect((struct reset_facts){.reason = reason, .functions = IN(CLOSE) | IN(DISCONNECT)},
           "zero-linger", false);
    expect((struct reset_facts){.reason = reason,
                                .functions = IN(CLOSE) | IN(LISTEN_STOP) | IN(DISCONNECT)},
           "pending-accepts", false);
    expect((struct reset_facts){.reason = reason, .functions = IN(DISCONNECT)}, "disconnect",
           false);
    expect((struct reset_facts){.reason = reason, .functions = IN(ABORT)}, "destroyed", false);
    expect((struct reset_facts){.reason = reason}, "unknown", false);
}

TEST(a_reason_that_is_new_is_told_by_the_kernels_functions)
{
    expect((struct reset_facts){.reason = "TCP_OF_TOMORROW", .functions = IN(KEEPALIVE)},
           "keepalive", false);
    expect((struct reset_facts){.reason = "TCP_OF_TOMORROW"}, "unknown", false);
}

TEST(what_comes_after_a_close_that_was_seen_is_late)
{
    expect((struct reset_facts){.reason = "NO_SOCKET", .closed = true}, "late-data", false);
    expect((struct reset_facts){.reason = "TCP_FLAGS", .closed = true}, "late-data", false);
    expect((struct reset_facts){.reason = "TCP_FLAGS", .closed_here = true}, "late-data", true);
    expect((struct reset_facts){.reason = "TCP_FLAGS"}, "protocol", false);
    expect((struct reset_facts){.reason = "TCP_ABORT_ON_CLOSE", .closed = true}, "unread-data",
           false);
}

TEST(before_linux_6_10_the_cause_is_inferred)
{
    expect((struct reset_facts){.functions = IN(CLOSE)}, "unread-data", true);
    expect((struct reset_facts){.functions = IN(CLOSE) | IN(PROCESS_END)}, "unread-data", true);
    expect((struct reset_facts){.functions = IN(CLOSE) | IN(DISCONNECT)}, "zero-linger", true);
    expect((struct reset_facts){.functions = IN(CLOSE) | IN(LISTEN_STOP) | IN(DISCONNECT)},
           "pending-accepts", true);
    expect((struct reset_facts){.functions = IN(KEEPALIVE)}, "keepalive", true);
    expect((struct reset_facts){.functions = IN(WRITE_TIMER)}, "memory", true);
    expect((struct reset_facts){.functions = IN(ANSWER), .state = TCP_FIN_WAIT1}, "late-data",
           true);
    expect((struct reset_facts){.functions = IN(ANSWER), .state = TCP_FIN_WAIT2}, "late-data",
           true);
    expect((struct reset_facts){.functions = IN(ANSWER), .state = TCP_ESTABLISHED}, "protocol",
           true);
    expect((struct reset_facts){.functions = IN(ANSWER), .state = TCP_LISTEN, .closed = true},
           "late-data", true);
    expect((struct reset_facts){.functions = IN(ANSWER)}, "no-socket", true);
    expect((struct reset_facts){.state = TCP_CLOSE}, "unknown", true);
}

TEST(a_reset_that_came_in_is_the_peers_or_a_firewalls)
{
    expect((struct reset_facts){.received = true}, "peer", false);
    expect((struct reset_facts){.received = true, .refused_here = true}, "firewall", false);
    expect((struct reset_facts){.received = true, .closed = true}, "peer", false);
}

TEST(who_ran_counts_only_where_a_process_did_it)
{
    assert_true(reset_cause(&(struct reset_facts){.reason = "TCP_ABORT_ON_CLOSE"}).by_process);
    assert_false(reset_cause(&(struct reset_facts){.reason = "NO_SOCKET"}).by_process);
    assert_false(reset_cause(&(struct reset_facts){.reason = "TCP_ABORT_ON_DATA"}).by_process);
    assert_false(reset_cause(&(struct reset_facts){.reason = "TCP_FLAGS"}).by_process);
    assert_false(reset_cause(&(struct reset_facts){.received = true}).by_process);
}

/* ---- Records --------------------------------------------------------------------------------------- */

#define COMMON                                                                                     \
    "format:\n"                                                                                    \
    "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"                         \
    "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"                         \
    "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"

static const char old_format[] = "name: tcp_send_reset\nID: 700\n" COMMON
                                 "\tfield:const void * skbaddr;\toffset:8;\tsize:8;\tsigned:0;\n"
                                 "\tfield:const void * skaddr;\toffset:16;\tsize:8;\tsigned:0;\n"
                                 "\tfield:int state;\toffset:24;\tsize:4;\tsigned:1;\n"
                                 "\tfield:__u16 sport;\toffset:28;\tsize:2;\tsigned:0;\n"
                                 "\tfield:__u16 dport;\toffset:30;\tsize:2;\tsigned:0;\n"
                                 "\tfield:__u8 saddr[4];\toffset:32;\tsize:4;\tsigned:0;\n"
                                 "\tfield:__u8 daddr[4];\toffset:36;\tsize:4;\tsigned:0;\n"
                                 "\tfield:__u8 saddr_v6[16];\toffset:40;\tsize:16;\tsigned:0;\n"
                                 "\tfield:__u8 daddr_v6[16];\toffset:56;\tsize:16;\tsigned:0;\n\n"
                                 "print fmt: \"sport=%hu\", REC->sport\n";

static const char new_format[] =
    "name: tcp_send_reset\nID: 701\n" COMMON
    "\tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;\n"
    "\tfield:int state;\toffset:16;\tsize:4;\tsigned:1;\n"
    "\tfield:enum sk_rst_reason reason;\toffset:20;\tsize:4;\tsigned:0;\n"
    "\tfield:__u8 saddr[28];\toffset:24;\tsize:28;\tsigned:0;\n"
    "\tfield:__u8 daddr[28];\toffset:52;\tsize:28;\tsigned:0;\n\n"
    "print fmt: \"reason=%s\", __print_symbolic(REC->reason, { 0, \"NOT_SPECIFIED\" }, { 17, "
    "\"TCP_ABORT_ON_CLOSE\" })\n";

static struct format formats[TRACE_POINTS];

static void expect_ends(const struct trace_event *event, const char *local, const char *peer)
{
    char text[ENDPOINT_TEXT];

    endpoint_text(&event->local, text);
    assert_string_equal(text, local);
    endpoint_text(&event->peer, text);
    assert_string_equal(text, peer);
}

TEST(a_record_of_an_old_kernel_has_addresses_by_themselves_and_no_reason)
{
    uint8_t record[72] = {[0] = 700 & 255, [1] = 700 >> 8, [2] = 0x10, [24] = TCP_FIN_WAIT1};
    struct trace_event event = {.pid = 0};

    assert_true(format_parse(&formats[TRACE_SENT], old_format));
    memcpy(record + 28, &(uint16_t){80}, 2);
    memcpy(record + 30, &(uint16_t){4711}, 2);
    memcpy(record + 32, (uint8_t[]){127, 0, 0, 1, 10, 0, 0, 2}, 8);
    assert_true(record_parse_point(&event, record, sizeof(record), formats));
    expect_ends(&event, "127.0.0.1:80", "10.0.0.2:4711");
    assert_int_equal(event.state, TCP_FIN_WAIT1);
    assert_true(event.interrupt);
    assert_null(event.reason);
    record[55] = record[71] = 1;
    assert_true(record_parse_point(&event, record, sizeof(record), formats));
    expect_ends(&event, "[::1]:80", "[::1]:4711");
}

TEST(a_record_of_a_new_kernel_has_socket_addresses_and_a_reason_by_number)
{
    uint8_t record[80] = {[0] = 701 & 255, [1] = 701 >> 8, [16] = TCP_CLOSE, [20] = 17};
    struct trace_event event = {.pid = 0};

    assert_true(format_parse(&formats[TRACE_SENT], new_format));
    memcpy(record + 24, (uint8_t[]){AF_INET, 0, 0, 80, 127, 0, 0, 1}, 8);
    memcpy(record + 52, (uint8_t[]){AF_INET6, 0, 1, 0, [23] = 1}, 24);
    assert_true(record_parse_point(&event, record, sizeof(record), formats));
    expect_ends(&event, "127.0.0.1:80", "[::1]:256");
    assert_string_equal(event.reason, "TCP_ABORT_ON_CLOSE");
    assert_false(event.interrupt);
    assert_false(record_parse_point(&event, record, 1, formats));
    assert_true(record_parse_point(&event, record, 24, formats)); /* cut: what is missing is 0 */
    assert_int_equal(event.local.port, 0);
}

TEST(a_text_without_an_id_is_no_format)
{
    assert_false(format_parse(&formats[TRACE_SENT], "name: tcp_send_reset\n"));
}

/* ---- How many are looked at ------------------------------------------------------------------------ */

TEST(above_a_rate_one_in_several_is_looked_at)
{
    assert_int_equal(watch_rate_for(1999, 2000, 1), 1);
    assert_int_equal(watch_rate_for(20000, 2000, 1), 16);
    assert_int_equal(watch_rate_for(20000, 2000, 16), 16);
    assert_int_equal(watch_rate_for(UINT64_MAX, 2000, 1), 1024);
}

TEST(below_it_all_are_again_but_not_at_every_change)
{
    assert_int_equal(watch_rate_for(9000, 2000, 16), 16);
    assert_int_equal(watch_rate_for(7000, 2000, 16), 8);
    assert_int_equal(watch_rate_for(0, 2000, 1024), 1);
}

TEST(what_comes_at_once_is_forgotten_at_that_rate)
{
    const int64_t turn = 20000000;

    assert_int_equal(watch_rate_above(0, 40, turn), 0);
    assert_int_equal(watch_rate_above(0, 300, turn), 260);
    assert_int_equal(watch_rate_above(260, 0, turn), 220);
    assert_int_equal(watch_rate_above(260, 0, 10 * turn), 0);
    assert_int_equal(watch_rate_above(0, UINT64_MAX / 2, turn), 1000);
}

/* ---- Where a process belongs ----------------------------------------------------------------------- */

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void expect_place(const char *text, const char *unit, const char *container)
{
    char a[64], b[16];

    cgroup_place(text, a, sizeof(a), b, sizeof(b));
    assert_string_equal(a, unit);
    assert_string_equal(b, container);
}

TEST(a_cgroup_tells_unit_and_container)
{
    expect_place("0::/system.slice/nginx.service\n", "nginx.service", "");
    expect_place("0::/system.slice/docker-" ID ".scope\n", "", "0123456789ab");
    expect_place("12:pids:/docker/" ID "\n1:name=systemd:/docker/" ID "\n", "", "0123456789ab");
    expect_place("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID ".scope\n", "",
                 "0123456789ab");
    expect_place("0::/user.slice/user-0.slice/session-1.scope\n", "", "");
    expect_place("0::/\n", "", "");
    expect_place("", "", "");
}

TEST_MAIN()
