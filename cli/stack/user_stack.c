#include "stack/image.h"
#include "stack/user_stack.h"
#include "stack/watched.h"
#include "shim/report/stack_unwind.h"

#include <string.h>

/* Whose stack is being read: what the unwinder asks for is answered from here. Set by user_stack_read. */
static struct {
    const struct trace_event *event;
    const struct mappings *mappings;
    pid_t parent;
    uint64_t stack_at; /* the address of the first byte that was copied */
    bool beyond;       /* a word was wanted that was not copied */
} reading;

/* ---- What the unwinder asks for ------------------------------------------------------------------ */

static struct image *image_at(uint64_t address, const struct mapping **mapping)
{
    struct image *image;

    *mapping = mappings_find(reading.mappings, address);
    image = *mapping ? image_of(reading.event->pid, reading.parent, *mapping) : NULL;
    return image && image_read(image) ? image : NULL;
}

bool stack_module(uintptr_t address, struct module *m)
{
    const struct mapping *mapping;
    struct image *image;
    uint64_t in_file;

    if (address - m->start < m->end - m->start)
        return m->eh_frame_hdr != NULL;
    memset(m, 0, sizeof(*m));
    image = image_at(address, &mapping);
    if (!image || !image->tables || !image_address(image, mapping->offset, &in_file))
        return false;
    m->start = mapping->start;
    m->end = mapping->end;
    m->bias = mapping->start - in_file;
    m->tables = image->tables;
    m->tables_end = image->tables + image->tables_size;
    m->eh_frame_hdr = image->tables + (image->header_at - image->tables_at);
    m->tables_shift = (uintptr_t)image->tables - image->tables_at - m->bias;
    return true;
}

bool unwind_load(struct unwind *u, uintptr_t address, uintptr_t *value)
{
    uint64_t offset = address - reading.stack_at;

    (void)u;
    if (offset > reading.event->stack_size || reading.event->stack_size - offset < sizeof(*value)) {
        reading.beyond |= offset < 1U << 20; /* above: below is an address of another kind */
        return false;
    }
    memcpy(value, reading.event->stack + offset, sizeof(*value));
    return true;
}

/* ---- The first frame ----------------------------------------------------------------------------- */

#if defined(__x86_64__)
/* perf's order, and for each the number that the tables call it by: AX BX CX DX SI DI BP SP IP R8... */
static const uint8_t numbers[] = {0, 3, 2, 1, 4, 5, 6, 7, CFI_RETURN, 8, 9, 10, 11, 12, 13, 14, 15};
#define FRAME_POINTER 6
#define AT_PC 8
#elif defined(__i386__)
static const uint8_t numbers[] = {0, 3, 1, 2, 6, 7, 5, 4, CFI_RETURN};
#define FRAME_POINTER 5
#define AT_PC 8
#else
/* X0 to X30, SP, PC: the same numbers. */
static const uint8_t numbers[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                  16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
#define FRAME_POINTER 29
#define AT_PC 32
#endif

static void begin(struct unwind *u, const uint64_t *registers)
{
    memset(u, 0, sizeof(*u));
    for (unsigned i = 0; i < sizeof(numbers); i++)
        u->registers[numbers[i]] = registers[i];
    u->pc = registers[AT_PC];
    u->interrupted = true; /* not a return address */
    reading.stack_at = u->registers[CFI_SP];
}

/* ---- The next ones ------------------------------------------------------------------------------- */

/* A frame begins with the caller's frame pointer and the return address. */
static bool up_by_pointer(struct unwind *u)
{
    uintptr_t frame = u->registers[FRAME_POINTER], saved, pc;

    if (frame < u->registers[CFI_SP] || !unwind_load(u, frame, &saved) ||
        !unwind_load(u, frame + sizeof(saved), &pc) || !mappings_find(reading.mappings, pc))
        return false;
    u->registers[CFI_SP] = frame + 2 * sizeof(saved);
    u->registers[FRAME_POINTER] = saved;
    u->pc = pc;
    u->interrupted = false;
    return true;
}

static bool has_tables(const struct unwind *u)
{
    struct module m = {.end = 0};
    uintptr_t inside = u->pc - !u->interrupted;
    struct cfi_row row;
    bool is_signal;

    return stack_module(inside, &m) && cfi_find(&m, inside + m.tables_shift, &row, &is_signal);
}

/* Where the tables know the function, they are right, also in that the stack ends there. */
static bool up(struct unwind *u)
{
    struct unwind before = *u;

    if (unwind_up(u))
        return mappings_find(reading.mappings, u->pc - !u->interrupted) != NULL;
    *u = before;
    return !has_tables(u) && up_by_pointer(u);
}

static void add(struct user_stack *stack, const struct unwind *u)
{
    struct user_frame *frame = &stack->frames[stack->count++];
    const struct mapping *mapping;
    const struct image *image = image_at(u->pc - !u->interrupted, &mapping);

    *frame = (struct user_frame){.address = u->pc};
    if (image && image_address(image, u->pc - mapping->start + mapping->offset, &frame->address)) {
        frame->device = image->device;
        frame->inode = image->inode;
    }
}

/* What the kernel has found by frame pointers. */
static void add_callers(struct user_stack *stack, const struct trace_event *event)
{
    for (unsigned i = 0; i < event->callers_count && stack->count < USER_STACK_MOST; i++)
        add(stack, &(struct unwind){.pc = event->callers[i], .interrupted = i == 0});
}

void user_stack_read(struct user_stack *stack, const struct trace_event *event)
{
    struct unwind u;
    bool more = true;

    stack->count = 0;
    stack->cut = false;
    if (!event->registers && !event->callers_count)
        return;
    reading.event = event;
    reading.mappings = watched_mappings(event->pid);
    reading.parent = watched_parent(event->pid);
    reading.beyond = false;
    if (!reading.mappings)
        return;
    if (!event->registers) {
        add_callers(stack, event);
        return;
    }
    for (begin(&u, event->registers); more && stack->count < USER_STACK_MOST; more = up(&u))
        add(stack, &u);
    stack->cut = reading.beyond || more;
}
