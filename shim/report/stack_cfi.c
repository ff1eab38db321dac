#include "safeclose.h"

#include "report/stack_cfi.h"

/* ---- Reading ---------------------------------------------------------------------------------- */

uint64_t cfi_fixed(struct cfi_bytes *b, unsigned size)
{
    uint64_t value = 0;

    if (b->bad || (size_t)(b->end - b->at) < size) {
        b->bad = true;
        return 0;
    }
    memcpy(&value, b->at, size); /* both machines are little-endian */
    b->at += size;
    return value;
}

static uint64_t leb(struct cfi_bytes *b, bool is_signed)
{
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;

    do {
        byte = (uint8_t)cfi_fixed(b, 1);
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    if (is_signed && byte & 0x40 && shift < 64)
        value |= ~0ULL << shift;
    return value;
}

uint64_t cfi_uleb(struct cfi_bytes *b)
{
    return leb(b, false);
}

int64_t cfi_sleb(struct cfi_bytes *b)
{
    return (int64_t)leb(b, true);
}

static void skip(struct cfi_bytes *b, uint64_t size)
{
    if (b->bad || size > (uint64_t)(b->end - b->at))
        b->bad = true;
    else
        b->at += size;
}

/* The encodings of a pointer (LSB, "DWARF Exception Header Encoding"). */
enum { PE_ABSOLUTE = 0, PE_U2 = 2, PE_U4 = 3, PE_U8 = 4, PE_S2 = 10, PE_S4 = 11, PE_S8 = 12 };
enum { PE_PC_RELATIVE = 0x10, PE_DATA_RELATIVE = 0x30, PE_OMIT = 0xff };

static uint64_t encoded(struct cfi_bytes *b, uint8_t encoding)
{
    uint64_t base = (encoding & 0x70) == PE_PC_RELATIVE ? (uint64_t)(uintptr_t)b->at : 0;

    if ((encoding & 0x70) > PE_PC_RELATIVE || encoding & 0x80)
        b->bad = true; /* nothing that a linker puts into these places */
    switch (encoding & 0x0f) {
    case PE_U2:
        return base + cfi_fixed(b, 2);
    case PE_U4:
        return base + cfi_fixed(b, 4);
    case PE_S2:
        return base + (uint64_t)(int16_t)cfi_fixed(b, 2);
    case PE_S4:
        return base + (uint64_t)(int32_t)cfi_fixed(b, 4);
    case PE_ABSOLUTE:
        return base + cfi_fixed(b, sizeof(void *));
    case PE_U8:
    case PE_S8:
        return base + cfi_fixed(b, 8);
    default:
        b->bad = true;
        return 0;
    }
}

/* ---- The description of a function, and what it has in common with others ---------------------- */

struct common {
    uint64_t code_align;
    int64_t data_align;
    uint8_t encoding; /* of addresses in the description */
    bool augmented;
    bool signal;
    struct cfi_bytes first; /* instructions that all begin with */
};

/* Compilers write some hundred bytes, and safeclose watch reads the tables of hostile programs. */
#define MOST_ENTRY (64U << 10)

/* An entry of .eh_frame, without its length. */
static bool entry_at(const uint8_t *at, const uint8_t *start, const uint8_t *end,
                     struct cfi_bytes *entry)
{
    uint64_t size;

    if (at < start || at >= end)
        return false;
    *entry = (struct cfi_bytes){at, end, false};
    size = cfi_fixed(entry, 4);
    if (entry->bad || size - 4 > MOST_ENTRY || /* less than 4, and 64-bit ones, too */
        size > (uint64_t)(entry->end - entry->at))
        return false;
    entry->end = entry->at + size;
    return true;
}

static bool read_augmentation(struct cfi_bytes *b, const char *letters, struct common *c)
{
    uint64_t size = cfi_uleb(b);
    const uint8_t *after;

    if (b->bad || size > (uint64_t)(b->end - b->at))
        return false;
    after = b->at + size;
    for (letters++; *letters; letters++) {
        if (*letters == 'R')
            c->encoding = (uint8_t)cfi_fixed(b, 1);
        else if (*letters == 'L')
            cfi_fixed(b, 1);
        else if (*letters == 'P')
            skip(b, (uint8_t[]){sizeof(void *), 0, 2, 4, 8, 0, 0, 0}[cfi_fixed(b, 1) & 7]);
        else if (*letters == 'S')
            c->signal = true;
        else if (*letters != 'B') /* arm64: the other key */
            return false;
    }
    b->at = after;
    return !b->bad;
}

static bool read_common(struct cfi_bytes b, struct common *c)
{
    const char *letters;
    uint8_t version;

    *c = (struct common){.encoding = PE_ABSOLUTE};
    if (cfi_fixed(&b, 4) != 0) /* that it is one, and not a description */
        return false;
    version = (uint8_t)cfi_fixed(&b, 1);
    letters = (const char *)b.at;
    while (cfi_fixed(&b, 1) != 0) {
    }
    if (b.bad || (version != 1 && version != 3))
        return false;
    c->code_align = cfi_uleb(&b);
    c->data_align = cfi_sleb(&b);
    if ((version == 1 ? cfi_fixed(&b, 1) : cfi_uleb(&b)) != CFI_RETURN || b.bad)
        return false;
    c->augmented = *letters == 'z';
    if (c->augmented ? !read_augmentation(&b, letters, c) : *letters)
        return false;
    c->first = b;
    return true;
}

/* The description at `at`, where it covers the address: what it has in common, where its code
 * begins and its instructions. */
static bool read_description(const uint8_t *at, const uint8_t *start, const uint8_t *end,
                             uintptr_t address, struct common *c, uint64_t *begin,
                             struct cfi_bytes *instructions)
{
    struct cfi_bytes b;
    struct cfi_bytes common;
    const uint8_t *place;
    uint64_t back;
    uint64_t size;

    if (!entry_at(at, start, end, &b))
        return false;
    place = b.at;
    back = cfi_fixed(&b, 4);
    if (back == 0 || back > (uint64_t)(place - start) ||
        !entry_at(place - back, start, end, &common) || !read_common(common, c))
        return false;
    *begin = encoded(&b, c->encoding);
    size = encoded(&b, c->encoding & 0x0f);
    if (c->augmented)
        skip(&b, cfi_uleb(&b));
    *instructions = b;
    return !b.bad && address - *begin < size;
}

/* ---- The instructions -------------------------------------------------------------------------- */

#define REMEMBERED 2 /* compilers nest no deeper */

struct machine {
    struct cfi_row *row;
    struct cfi_row begun; /* after the common instructions: what DW_CFA_restore goes back to */
    struct cfi_row remembered[REMEMBERED];
    unsigned depth;
    const uint8_t *start; /* of the tables */
    const struct common *common;
    uint64_t location; /* that the row is for */
    uint64_t address;  /* that it is wanted for */
};

static void set(struct machine *m, uint64_t number, enum cfi_rule rule, int64_t value)
{
    if (number < CFI_REGISTERS)
        m->row->registers[number] = (struct cfi_register){(int32_t)value, (uint8_t)rule};
}

/* Numbers that make no sense may be as large as any. */
static int64_t aligned(const struct machine *m, uint64_t factor)
{
    return (int64_t)(factor * (uint64_t)m->common->data_align);
}

static int64_t expression(const struct machine *m, struct cfi_bytes *b)
{
    int64_t place = b->at - m->start;

    skip(b, cfi_uleb(b));
    return place;
}

static void set_cfa(struct machine *m, struct cfi_bytes *b, uint64_t number, int64_t offset)
{
    if (number >= CFI_REGISTERS)
        b->bad = true;
    m->row->cfa_register = (uint8_t)number;
    m->row->cfa_offset = (int32_t)offset;
    m->row->cfa_expression = false;
}

/* False if the location moves beyond the address. */
static bool advance(struct machine *m, uint64_t by)
{
    m->location += by * m->common->code_align;
    return m->location <= m->address;
}

/* By their numbers in DWARF 5, table 7.29, and GNU's own. */
enum {
    ADVANCE = 0x40,
    OFFSET = 0x80,
    RESTORE = 0xc0,
    NOP = 0x00,
    SET_LOCATION,
    ADVANCE_1,
    ADVANCE_2,
    ADVANCE_4,
    OFFSET_EXTENDED,
    RESTORE_EXTENDED,
    UNDEFINED,
    SAME_VALUE,
    REGISTER,
    REMEMBER,
    RECALL,
    DEF_CFA,
    DEF_CFA_REGISTER,
    DEF_CFA_OFFSET,
    DEF_CFA_EXPRESSION,
    EXPRESSION,
    OFFSET_EXTENDED_SF,
    DEF_CFA_SF,
    DEF_CFA_OFFSET_SF,
    VAL_OFFSET,
    VAL_OFFSET_SF,
    VAL_EXPRESSION,
    GNU_RETURN_SIGNED = 0x2d, /* on arm64; of SPARC's register windows elsewhere */
    GNU_ARGS_SIZE = 0x2e,
};

static void restore(struct machine *m, uint64_t number)
{
    if (number < CFI_REGISTERS)
        m->row->registers[number] = m->begun.registers[number];
}

static void remember(struct machine *m, struct cfi_bytes *b)
{
    if (m->depth == REMEMBERED)
        b->bad = true;
    else
        m->remembered[m->depth++] = *m->row;
}

static void recall(struct machine *m, struct cfi_bytes *b)
{
    if (m->depth == 0)
        b->bad = true;
    else
        *m->row = m->remembered[--m->depth];
}

/* Those that say where a register of the caller is. */
static void execute_rule(struct machine *m, struct cfi_bytes *b, uint8_t op)
{
    uint64_t number = cfi_uleb(b);

    switch (op) {
    case OFFSET_EXTENDED:
        set(m, number, CFI_AT, aligned(m, cfi_uleb(b)));
        break;
    case OFFSET_EXTENDED_SF:
        set(m, number, CFI_AT, aligned(m, (uint64_t)cfi_sleb(b)));
        break;
    case VAL_OFFSET:
        set(m, number, CFI_IS, aligned(m, cfi_uleb(b)));
        break;
    case VAL_OFFSET_SF:
        set(m, number, CFI_IS, aligned(m, (uint64_t)cfi_sleb(b)));
        break;
    case RESTORE_EXTENDED:
        restore(m, number);
        break;
    case UNDEFINED:
        set(m, number, CFI_UNDEFINED, 0);
        break;
    case SAME_VALUE:
        set(m, number, CFI_SAME, 0);
        break;
    case REGISTER:
        set(m, number, CFI_REGISTER, (int64_t)cfi_uleb(b));
        break;
    case EXPRESSION:
        set(m, number, CFI_AT_EXPRESSION, expression(m, b));
        break;
    case VAL_EXPRESSION:
        set(m, number, CFI_IS_EXPRESSION, expression(m, b));
        break;
    default:
        b->bad = true;
    }
}

/* Those that say where the frame is; the others go on to the registers. */
static void execute_cfa(struct machine *m, struct cfi_bytes *b, uint8_t op)
{
    uint64_t number = m->row->cfa_register;

    switch (op) {
    case DEF_CFA:
        number = cfi_uleb(b);
        /* fall through */
    case DEF_CFA_OFFSET:
        set_cfa(m, b, number, (int64_t)cfi_uleb(b));
        break;
    case DEF_CFA_SF:
        number = cfi_uleb(b);
        /* fall through */
    case DEF_CFA_OFFSET_SF:
        set_cfa(m, b, number, aligned(m, (uint64_t)cfi_sleb(b)));
        break;
    case DEF_CFA_REGISTER:
        set_cfa(m, b, cfi_uleb(b), m->row->cfa_offset);
        break;
    case DEF_CFA_EXPRESSION:
        m->row->cfa_offset = (int32_t)expression(m, b);
        m->row->cfa_expression = true;
        break;
    case REMEMBER:
        remember(m, b);
        break;
    case RECALL:
        recall(m, b);
        break;
    case GNU_ARGS_SIZE:
        cfi_uleb(b);
        break;
    default:
        execute_rule(m, b, op);
    }
}

/* One instruction; false where the row is complete. */
static bool execute(struct machine *m, struct cfi_bytes *b)
{
    uint8_t op = (uint8_t)cfi_fixed(b, 1);

    switch (op & 0xc0) {
    case ADVANCE:
        return advance(m, op & 0x3f);
    case OFFSET:
        set(m, op & 0x3f, CFI_AT, aligned(m, cfi_uleb(b)));
        return true;
    case RESTORE:
        restore(m, op & 0x3f);
        return true;
    default:
        break;
    }
    switch (op) {
    case NOP:
        return true;
    case SET_LOCATION:
        m->location = encoded(b, m->common->encoding);
        return m->location <= m->address;
    case ADVANCE_1:
        return advance(m, cfi_fixed(b, 1));
    case ADVANCE_2:
        return advance(m, cfi_fixed(b, 2));
    case ADVANCE_4:
        return advance(m, cfi_fixed(b, 4));
#ifdef CFI_RETURN_SIGNED
    case GNU_RETURN_SIGNED:
        m->row->registers[CFI_RETURN_SIGNED].value ^= 1;
        return true;
#endif
    default:
        execute_cfa(m, b, op);
        return true;
    }
}

static bool run(struct machine *m, struct cfi_bytes b)
{
    while (b.at < b.end && !b.bad)
        if (!execute(m, &b))
            break;
    return !b.bad;
}

/* ---- The table of descriptions, sorted by address ---------------------------------------------- */

struct pair {
    int32_t address; /* both from the start of the table */
    int32_t description;
};

/* The description that begins last before the address, by binary search. */
static const uint8_t *description_of(const uint8_t *hdr, const uint8_t *end, uintptr_t address)
{
    struct cfi_bytes b = {hdr, end, false};
    uint64_t count;
    struct pair pair;
    uint64_t low = 0;

    if (cfi_fixed(&b, 1) != 1)
        return NULL;
    b.at += 3; /* looked at below, after the first of them is known to be there */
    if (b.at > end || hdr[1] != (PE_PC_RELATIVE | PE_S4) || hdr[2] != PE_U4 ||
        hdr[3] != (PE_DATA_RELATIVE | PE_S4))
        return NULL; /* no linker writes another */
    skip(&b, 4);
    count = cfi_fixed(&b, 4);
    if (b.bad || count == 0 || count > (uint64_t)(end - b.at) / sizeof(pair))
        return NULL;
    while (low + 1 < count) {
        uint64_t middle = low + (count - low) / 2;

        memcpy(&pair, b.at + middle * sizeof(pair), sizeof(pair));
        if ((uintptr_t)hdr + (uintptr_t)(intptr_t)pair.address <= address)
            low = middle;
        else
            count = middle;
    }
    memcpy(&pair, b.at + low * sizeof(pair), sizeof(pair));
    return hdr + pair.description;
}

bool cfi_find(const struct module *module, uintptr_t address, struct cfi_row *row, bool *signal)
{
    const uint8_t *start = module->tables;
    const uint8_t *end = module->tables_end;
    struct machine m = {.row = row, .start = start, .address = address};
    struct cfi_bytes instructions;
    struct common common;
    const uint8_t *at;

    if (!module->eh_frame_hdr || end - module->eh_frame_hdr < 4)
        return false;
    at = description_of(module->eh_frame_hdr, end, address);
    if (!at || !read_description(at, start, end, address, &common, &m.location, &instructions))
        return false;
    memset(row, 0, sizeof(*row));
    m.common = &common;
    m.address = UINT64_MAX; /* what all begin with holds wherever one is */
    if (!run(&m, common.first))
        return false;
    m.begun = *row;
    m.address = address;
    *signal = common.signal;
    return run(&m, instructions);
}
