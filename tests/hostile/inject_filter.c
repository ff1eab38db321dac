/* The filter, and what becomes of the calls that it hands to us (inject.h). */
#define _GNU_SOURCE
#include "inject.h"

#include "ground/sys.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IP_LOW offsetof(struct seccomp_data, instruction_pointer)
#define IP_HIGH (IP_LOW + 4)

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

struct program {
    struct sock_filter code[BPF_MAXINSNS];
    unsigned short len;
};

static void put(struct program *p, unsigned short code, uint32_t k, uint8_t yes, uint8_t no)
{
    p->code[p->len++] = (struct sock_filter){code, yes, no, k};
}

/* From FIRST to LAST, both included, ACTION. The library is small and does not lie across a 4 GB
 * border. */
static void put_range(struct program *p, uint64_t first, uint64_t last, uint32_t action)
{
    put(p, BPF_LD | BPF_W | BPF_ABS, IP_HIGH, 0, 0);
    put(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(first >> 32), 0, 4);
    put(p, BPF_LD | BPF_W | BPF_ABS, IP_LOW, 0, 0);
    put(p, BPF_JMP | BPF_JGE | BPF_K, (uint32_t)first, 0, 2);
    put(p, BPF_JMP | BPF_JGT | BPF_K, (uint32_t)last, 1, 0);
    put(p, BPF_RET | BPF_K, action, 0, 0);
}

static struct program make(const struct plan *plan, bool hides)
{
    struct program p = {.len = 0};

    for (int i = 0; i < plan->known_count; i++)
        put_range(&p, plan->base + plan->known[i], plan->base + plan->known[i], SECCOMP_RET_ALLOW);
    if (plan->record)
        put_range(&p, plan->base, plan->base + plan->size, SECCOMP_RET_USER_NOTIF);
    else
        put_range(&p, plan->base + plan->site, plan->base + plan->site, SECCOMP_RET_USER_NOTIF);
    if (plan->also)
        put_range(&p, plan->base + plan->also, plan->base + plan->also, SECCOMP_RET_USER_NOTIF);
    if (hides && !plan->record)
        put_range(&p, plan->base + plan->hidden, plan->base + plan->hidden, SECCOMP_RET_ERRNO);
    put(&p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    return p;
}

/* By the instructions of this program itself: in this process libc may lie where the library will
 * be, and its calls would be handed to a parent that is not listening yet. */
void filter_install(const struct plan *plan, const struct scene *scene, struct handover *handover)
{
    struct program p = make(plan, plan->hidden && !scene->shows_filter);
    struct sock_fprog filter = {.len = p.len, .filter = p.code};
    long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    long fd;

    if (geteuid() != 0)
        sys6(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
    fd = sys3(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, SYS_ARG(&filter));
    atomic_store(&handover->listener, fd < 0 ? (int)fd : (int)fd + 1);
    while (!atomic_load(&handover->taken))
        sys1(SYS_sched_yield, 0);
    sys1(SYS_close, fd);
}

int filter_take(pid_t child, int pidfd, struct handover *handover)
{
    int number;
    int fd;

    (void)child;
    while ((number = atomic_load(&handover->listener)) == 0)
        usleep(50);
    if (number < 0) {
        fprintf(stderr, "inject: unable to install a filter: %s\n", strerror(-number));
        return -1;
    }
    fd = (int)syscall(SYS_pidfd_getfd, pidfd, number - 1, 0);
    if (fd < 0)
        fprintf(stderr, "inject: unable to take the listener: %s\n", strerror(errno));
    atomic_store(&handover->taken, 1);
    return fd;
}

/* Another address would mean that we make somebody else's calls fail. */
static bool is_in_place(const struct plan *plan, pid_t pid)
{
    char path[64];
    char line[512];
    bool found = false;
    FILE *maps;

    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    maps = fopen(path, "re");
    if (!maps)
        return true; /* it is gone already */
    while (!found && fgets(line, sizeof(line), maps))
        found = strstr(line, "libsafeclose.so") && strtoull(line, NULL, 16) == plan->base;
    fclose(maps);
    return found;
}

static struct site_count *count_of(struct run *run, uint64_t offset, int nr)
{
    for (int i = 0; i < run->sites; i++)
        if (run->counts[i].offset == offset)
            return &run->counts[i];
    if (run->sites == MOST_SITES)
        abort();
    run->counts[run->sites] = (struct site_count){.offset = offset, .nr = nr};
    return &run->counts[run->sites++];
}

/* How often it was made by now; that which only leads to another is not counted. */
static long count_call(const struct plan *plan, struct run *run, const struct seccomp_notif *call)
{
    uint64_t offset = call->data.instruction_pointer - plan->base;

    return plan->also && offset == plan->also ? 0 : ++count_of(run, offset, call->data.nr)->count;
}

static void decide(const struct plan *plan, bool hides, long count,
                   const struct seccomp_notif *call, struct seccomp_notif_resp *answer)
{
    uint64_t offset = call->data.instruction_pointer - plan->base;

    answer->id = call->id;
    if (plan->also && offset == plan->also) {
        answer->error = -plan->also_error;
        return;
    }
    if (plan->record && hides && offset == plan->hidden)
        return; /* 0: there is no filter */
    if (plan->record || (plan->times && count > plan->times))
        answer->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    else
        answer->error = -plan->error;
}

bool filter_answer(const struct plan *plan, struct run *run)
{
    struct seccomp_notif call;
    struct seccomp_notif_resp answer;

    memset(&call, 0, sizeof(call));
    memset(&answer, 0, sizeof(answer));
    if (ioctl(run->listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
        return errno == EINTR || errno == ENOENT;
    if (!run->checked && !is_in_place(plan, (pid_t)call.pid)) {
        fprintf(stderr, "inject: the library is not at %" PRIx64 " in scene %s\n", plan->base,
                run->scene->name);
        exit(3);
    }
    run->checked = !plan->record;
    decide(plan, !run->scene->shows_filter, count_call(plan, run, &call), &call, &answer);
    ioctl(run->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer); /* or it has died meanwhile */
    return true;
}
