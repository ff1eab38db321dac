#define _GNU_SOURCE
#include "net.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KEPT = 256, WAIT_MS = 1000 };

/* Changed by take_notes alone. More than are kept count as no answers. */
static struct {
    int from, to;
    bool has_ack;
} notes[KEPT];
static long noted;

/* Written by net_resets_note. */
static int of_ipv4 = -1, of_ipv6 = -1;

/* A filter sees an IPv6 segment from its TCP header on, an IPv4 one from its IP header on. */
static int note(int family)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_IND, 13),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, TH_RST, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0x40000),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    if (family == AF_INET6)
        code[0] = (struct sock_filter)BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 0);
    int fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

    if (fd >= 0 && net_filter(fd, code, sizeof code / sizeof code[0]) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

void net_resets_note(void)
{
    of_ipv4 = note(AF_INET);
    of_ipv6 = note(AF_INET6);
}

static void take_notes(int fd, bool has_ip_header)
{
    unsigned char segment[256];

    while (fd >= 0 && recv(fd, segment, sizeof segment, 0) > 0) {
        const struct tcphdr *tcp =
            (const void *)(segment + (has_ip_header ? (segment[0] & 15) * 4 : 0));

        if (noted < KEPT) {
            notes[noted].from = ntohs(tcp->source);
            notes[noted].to = ntohs(tcp->dest);
            notes[noted].has_ack = tcp->ack;
        }
        noted++;
    }
}

/* What was counted when it was sent may not have arrived yet. */
long net_resets_answers(long sent, int from, int to)
{
    long answers = 0;

    for (int waited = 0; waited < WAIT_MS && noted < sent && of_ipv4 >= 0; waited++) {
        if (waited > 0)
            usleep(1000);
        take_notes(of_ipv4, true);
        take_notes(of_ipv6, false);
    }
    for (long i = 0; i < noted && i < KEPT; i++)
        answers +=
            !notes[i].has_ack && (!from || notes[i].from == from) && (!to || notes[i].to == to);
    return answers;
}
