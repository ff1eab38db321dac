/* How the kernel tells the family that a process has executed a program. */
#include "safeclose.h"

#include "ground/sys.h"
#include "holders/family_state.h"

/* When a thread ends, or executes another program, the kernel marks what its robust list leads to
 * (get_robust_list(2)). Between family_exec_begin and the return of a failed exec a thread can end only together with
 * its process. If libc's list is not empty, the program needs it, and ours is not used. */
static PER_THREAD struct {
    struct robust_list node;
    struct robust_list_head head;
    struct robust_list_head *libcs;
    size_t size;
    bool ours; /* stands in place of libc's */
} lists;

bool family_exec_begin(void)
{
    struct member *m = family && family_own ? member_of(family_own) : NULL;

    if (!m || lists.ours ||
        sys3(SYS_get_robust_list, 0, SYS_ARG(&lists.libcs), SYS_ARG(&lists.size)) < 0 ||
        !lists.libcs || lists.libcs->list.next != &lists.libcs->list)
        return false;
    lists.node.next = &lists.head.list;
    lists.head.list.next = &lists.node;
    lists.head.list_op_pending = NULL;
    lists.head.futex_offset = (char *)&m->executing - (char *)&lists.node;
    atomic_store(&m->executing, (uint32_t)sys_gettid());
    lists.ours = sys2(SYS_set_robust_list, SYS_ARG(&lists.head), sizeof(lists.head)) == 0;
    if (!lists.ours)
        atomic_store(&m->executing, 0);
    return lists.ours;
}

void family_exec_failed(void)
{
    atomic_store(&member_of(family_own)->executing, 0);
    sys2(SYS_set_robust_list, SYS_ARG(lists.libcs), (long)lists.size);
    lists.ours = false;
}

/* Reads the place last: whoever takes it over writes to it before he clears the mark (begin_writing, fill). */
bool family_executes(uint32_t place)
{
    struct member *m = member_of(place);

    return atomic_load(&m->executing) || (atomic_load(&m->place) & ~DEAD) != place;
}
