#include "gather/stacks.h"
#include "common/say.h"
#include "log/strings.h"

#include <stdlib.h>
#include <string.h>

/* A call site, as the library has it: so many frames from the close outwards, and the cause. */
#define SITE_FRAMES 4
#define SLOTS (2 * STACKS_MOST)

static struct {
    struct stack *stacks;
    struct stack **sorted;
    uint32_t *slots;
    uint32_t count;
    uint64_t put_away;
} all;

static void begin(void)
{
    all.stacks = calloc(STACKS_MOST, sizeof(all.stacks[0]));
    all.sorted = calloc(STACKS_MOST, sizeof(struct stack *));
    all.slots = calloc(SLOTS, sizeof(all.slots[0]));
    if (!all.stacks || !all.sorted || !all.slots) {
        unable("read logs: out of memory");
        exit(STATUS_FAILED);
    }
}

/* "/srv/server+0x1a4c", or "0x7f1204a0" in no module. */
static bool read_frame(const struct json_value *value, struct frame *frame)
{
    char text[4200], *plus, *end;

    if (value->kind != JSON_STRING || json_text(value, text, sizeof(text)) < 3)
        return false;
    plus = text;
    for (char *p = text; (p = strstr(p, "+0x")); p++)
        plus = p;
    frame->module = plus == text ? STRINGS_EMPTY : strings_add(text, (size_t)(plus - text));
    frame->build = STRINGS_EMPTY;
    frame->offset = strtoull(plus + (*plus == '+'), &end, 16);
    return !*end;
}

static void read_frames(struct stack *stack, const struct json_value *text)
{
    struct frame frames[FRAMES_MOST];
    struct json_value value;
    struct json json;

    json_begin(&json, text->bytes, text->kind == JSON_ARRAY ? text->len : 0);
    while (stack->depth < FRAMES_MOST && json_element(&json, &value))
        stack->depth += read_frame(&value, &frames[stack->depth]);
    if (!stack->depth)
        return;
    stack->frames = malloc(stack->depth * sizeof(frames[0]));
    if (stack->frames)
        memcpy(stack->frames, frames, stack->depth * sizeof(frames[0]));
    else
        stack->depth = 0;
}

/* The build of an executable may change while the log is written. */
static void note_builds(const struct report *report, struct stack *stack)
{
    for (unsigned i = 0; i < stack->depth; i++)
        for (unsigned k = 0; k < report->executable_count; k++)
            if (report->executables[k].path == stack->frames[i].module)
                stack->frames[i].build = report->executables[k].build_id;
}

/* Without a stack, program and door tell the call site. */
static uint64_t site_of(const struct stack *stack)
{
    uint64_t key = hash_number(stack->comm, stack->cause);

    if (!stack->depth)
        return hash_number(key, stack->via);
    for (unsigned i = 0; i < stack->depth && i < SITE_FRAMES; i++)
        key = hash_number(
            hash_number(key ^ (uint64_t)stack->frames[i].build << 32, stack->frames[i].module),
            stack->frames[i].offset);
    return key;
}

static uint32_t *slot_of(uint64_t key)
{
    uint32_t i = (uint32_t)(key % SLOTS);

    while (all.slots[i] && all.stacks[all.slots[i] - 1].key != key)
        i = (i + 1) % SLOTS;
    return &all.slots[i];
}

static int compare(const void *left, const void *right)
{
    const struct stack *a = *(struct stack *const *)left, *b = *(struct stack *const *)right;

    if (a->resets != b->resets)
        return a->resets > b->resets ? -1 : 1;
    if (a->lost != b->lost)
        return a->lost > b->lost ? -1 : 1;
    return a < b ? -1 : a > b;
}

struct stack *const *stacks_sorted(size_t *count)
{
    for (uint32_t i = 0; i < all.count; i++)
        all.sorted[i] = &all.stacks[i];
    if (all.count)
        qsort(all.sorted, all.count, sizeof(all.sorted[0]), compare);
    *count = all.count;
    return all.sorted;
}

uint64_t stacks_put_away(void)
{
    return all.put_away;
}

static uint32_t most(const struct report *report)
{
    return report->options->form == FORM_HTML ? STACKS_MOST_HTML : STACKS_MOST;
}

static void make_room(void)
{
    uint32_t kept = 0;
    size_t count;

    stacks_sorted(&count);
    for (size_t i = count / 2; i < count; i++) {
        all.put_away += all.sorted[i]->resets;
        free(all.sorted[i]->frames);
        all.sorted[i]->key = 0;
    }
    memset(all.slots, 0, SLOTS * sizeof(all.slots[0]));
    for (uint32_t i = 0; i < all.count; i++)
        if (all.stacks[i].key) {
            all.stacks[kept] = all.stacks[i];
            *slot_of(all.stacks[kept].key) = kept + 1;
            kept++;
        }
    all.count = kept;
}

struct stack *stacks_get(const struct report *report, uint32_t comm, uint32_t cause, uint32_t via,
                         const struct json_value *text)
{
    uint64_t key = hash_number(hash_number(comm, cause), via ^ report->builds << 32);
    uint32_t *slot;
    struct stack *stack;

    if (!all.stacks)
        begin();
    key = hash_bytes(key, text->bytes, text->kind == JSON_ARRAY ? text->len : 0) | 1;
    slot = slot_of(key);
    if (*slot)
        return &all.stacks[*slot - 1];
    if (all.count == most(report)) {
        make_room();
        slot = slot_of(key);
    }
    stack = &all.stacks[all.count];
    *slot = ++all.count;
    *stack = (struct stack){.key = key, .comm = comm, .cause = cause, .via = via};
    read_frames(stack, text);
    note_builds(report, stack);
    stack->site = site_of(stack);
    return stack;
}

struct stack *stacks_find(uint64_t key)
{
    uint32_t *slot = all.stacks ? slot_of(key) : NULL;

    return slot && *slot ? &all.stacks[*slot - 1] : NULL;
}
