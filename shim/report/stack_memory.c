/* The unwinder reads the stack of this process. */
#include "safeclose.h"

#include "ground/sys.h"
#include "report/stack_unwind.h"

/* Where one word of a page can be read all can. */
bool unwind_load(struct unwind *u, uintptr_t address, uintptr_t *value)
{
    if (address % sizeof(*value) != 0)
        return false;
    if ((address | 4095) != u->page &&
        !sys_readable((const void *)(address & ~(uintptr_t)(8 - sizeof(*value)))))
        return false;
    u->page = address | 4095;
    *value = *(const uintptr_t *)address;
    return true;
}
