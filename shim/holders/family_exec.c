/* How the kernel tells the family that a process has executed a program. */
#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/sys.h"
#include "holders/family_state.h"

/* When a thread ends, or executes another program, the kernel marks what its robust list leads to
 * (get_robust_list(2)). Between family_exec_begin and the return of a failed exec the main thread ends only together
 * with its process, unless it leaves by siglongjmp and then by pthread_exit. If libc's list is not empty, the program
 * needs it, and ours is not used. */
static PER_THREAD struct {
    struct robust_list node;
    struct robust_list_head head;
    struct robust_list_head *libcs;
    size_t size;
    bool ours; /* stands in place of libc's */
} lists;

/* Not in a thread that is not the main one: it has another id by the time the kernel marks, so it marks nothing unless
 * it ends without an exec. */
static bool may_mark(uint32_t own)
{
    return atomic_load(&process->pid) == sys_gettid() && *(volatile uint32_t *)&family_own == own;
}

static bool take_list(struct member *m)
{
    if (sys3(SYS_get_robust_list, 0, SYS_ARG(&lists.libcs), SYS_ARG(&lists.size)) < 0 ||
        !lists.libcs || lists.libcs->list.next != &lists.libcs->list)
        return false;
    lists.node.next = &lists.head.list;
    lists.head.list.next = &lists.node;
    lists.head.list_op_pending = NULL;
    lists.head.futex_offset = (char *)&m->executing - (char *)&lists.node;
    return sys2(SYS_set_robust_list, SYS_ARG(&lists.head), sizeof(lists.head)) == 0;
}

static void give_list_back(void)
{
    sys2(SYS_set_robust_list, SYS_ARG(lists.libcs), (long)lists.size);
}

/* An exec in a handler that comes in between finds the list taken. A fork in one: its child has no list in the kernel;
 * or, if it goes on from before that, it finds that the place is not its own, and marks nothing of its parent. */
bool family_exec_begin(void)
{
    uint32_t own = family_own;
    struct member *m = family && own ? member_of(own) : NULL;

    if (!m || lists.ours)
        return false;
    lists.ours = true;
    atomic_signal_fence(memory_order_seq_cst);
    if (may_mark(own) && take_list(m)) {
        if (may_mark(own)) {
            atomic_store(&m->executing, (uint32_t)atomic_load(&process->pid));
            return true;
        }
        give_list_back();
    }
    atomic_signal_fence(memory_order_seq_cst);
    lists.ours = false;
    return false;
}

void family_exec_failed(void)
{
    atomic_store(&member_of(family_own)->executing, 0);
    give_list_back();
    atomic_signal_fence(memory_order_seq_cst);
    lists.ours = false;
}

/* Reads the place last: whoever takes it over writes to it before he clears the mark (begin_writing, fill). */
bool family_executes(uint32_t place)
{
    struct member *m = member_of(place);

    return atomic_load(&m->executing) || (atomic_load(&m->place) & ~DEAD) != place;
}
