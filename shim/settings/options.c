#include "report/stack.h"
#include "settings/options.h"

#include <string.h>

#define MS 1000000LL
#define SECOND (1000 * MS)

static const char mode_names[][NAME_SIZE] = {[MODE_OFF] = "off",
                                             [MODE_LOG] = "log",
                                             [MODE_WARN] = "warn",
                                             [MODE_DRAIN] = "drain",
                                             [MODE_LINGER] = "linger"};

const char *options_mode_name(enum mode mode)
{
    return mode_names[mode];
}

#define OPTION(id, name, allowed_text, default_text, meaning)                                      \
    static const char id##_allowed[] = allowed_text;
#include "settings/options.def"
#undef OPTION

const char *options_modes(void)
{
    return mode_allowed;
}

/* The index of value among the names, -1 if it is none of them. */
static int one_of(const char *value, const char (*names)[NAME_SIZE], int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(value, names[i]) == 0)
            return i;
    return -1;
}

static bool is_name(const char *word, size_t len, const char *name)
{
    return strlen(name) == len && memcmp(word, name, len) == 0;
}

enum option_word options_word(const char *bytes, size_t len, enum mode *mode)
{
    while (len && memchr(" \t\r\n", bytes[len - 1], 4))
        len--;
    for (unsigned i = 0; i < sizeof(mode_names) / sizeof(mode_names[0]); i++)
        if (is_name(bytes, len, mode_names[i])) {
            *mode = (enum mode)i;
            return WORD_MODE;
        }
    return len ? WORD_OTHER : WORD_NONE;
}

static bool parse_mode(struct config *to, const char *value)
{
    int i = one_of(value, mode_names, sizeof(mode_names) / sizeof(mode_names[0]));

    if (i >= 0)
        to->mode = (enum mode)i;
    return i >= 0;
}

static bool parse_log(struct config *to, const char *value)
{
    static const char names[][NAME_SIZE] = {
        [LOG_STDERR] = "stderr", [LOG_SYSLOG] = "syslog", [LOG_NONE] = "none"};
    int i = one_of(value, names, sizeof(names) / sizeof(names[0]));

    for (const char *p = strchr(value, '%'); p; p = strchr(p + 2, '%'))
        if (p[1] != 'p' && p[1] != 'h' && p[1] != '%')
            return false;
    if (!*value || strlen(value) >= PATH_MAX)
        return false;
    to->log = i >= 0 ? (enum log_target)i : LOG_FILE;
    return true;
}

/* *second: whether it is the second of the two words. */
static bool parse_either(const char *value, const char words[2][NAME_SIZE], bool *second)
{
    int i = one_of(value, words, 2);

    if (i >= 0)
        *second = i == 1;
    return i >= 0;
}

static bool parse_format(struct config *to, const char *value)
{
    bool ok = parse_either(value, (const char[2][NAME_SIZE]){"text", "json"}, &to->json);

    to->format_given |= ok;
    return ok;
}

static bool parse_inherited(struct config *to, const char *value)
{
    return parse_either(value, (const char[2][NAME_SIZE]){"unknown", "sole"}, &to->sole);
}

static bool parse_events(struct config *to, const char *value)
{
    return parse_either(value, (const char[2][NAME_SIZE]){"resets", "all"}, &to->all_events);
}

/* Reads a decimal number of at most max at *s, and moves *s past it. False if there is none, or it is larger. */
static bool parse_number(const char **s, uint64_t max, uint64_t *number)
{
    const char *p = *s;
    uint64_t n = 0;

    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        unsigned digit = (unsigned)(*p - '0');
        if (n > (max - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *s = p;
    *number = n;
    return true;
}

static bool parse_whole(const char *value, uint64_t max, unsigned *number)
{
    uint64_t n;

    if (!parse_number(&value, max, &n) || *value)
        return false;
    *number = (unsigned)n;
    return true;
}

static bool parse_stack(struct config *to, const char *value)
{
    return parse_whole(value, STACK_MAX, &to->stack);
}

static bool parse_preview(struct config *to, const char *value)
{
    return parse_whole(value, CONFIG_PREVIEW_MAX, &to->preview);
}

static bool parse_discard_max(struct config *to, const char *value)
{
    uint64_t n;
    unsigned shift = 0;

    if (!parse_number(&value, INT64_MAX, &n))
        return false;
    switch (*value) {
    case 'G':
        shift += 10; /* fall through */
    case 'M':
        shift += 10; /* fall through */
    case 'K':
        shift += 10;
        value++;
    }
    if (*value || n > (uint64_t)INT64_MAX >> shift)
        return false;
    to->discard_max = n << shift;
    return true;
}

/* A number alone could mean anything, but for 0. */
static bool parse_duration(const char *value, int64_t *ns)
{
    static const struct {
        char name[3];
        int64_t ns;
    } units[] = {{"ms", MS}, {"s", SECOND}, {"m", 60 * SECOND}, {"h", 3600 * SECOND}};
    uint64_t n;

    if (!parse_number(&value, INT32_MAX, &n))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(value, units[i].name) == 0 &&
            n <= (uint64_t)(24 * 3600 * SECOND / units[i].ns)) {
            *ns = (int64_t)n * units[i].ns;
            return true;
        }
    if (n || *value)
        return false;
    *ns = 0;
    return true;
}

static bool parse_linger_idle(struct config *to, const char *value)
{
    return parse_duration(value, &to->linger_idle);
}

static bool parse_linger_time(struct config *to, const char *value)
{
    return parse_duration(value, &to->linger_time);
}

static bool parse_exit_wait(struct config *to, const char *value)
{
    return parse_duration(value, &to->exit_wait);
}

static bool parse_summary(struct config *to, const char *value)
{
    return parse_duration(value, &to->summary);
}

static bool parse_port(const char **s, uint16_t *port)
{
    uint64_t n;

    if (!parse_number(s, UINT16_MAX, &n) || n == 0)
        return false;
    *port = (uint16_t)n;
    return true;
}

static bool parse_port_ranges(const char *value, struct port_range *ranges, unsigned *count)
{
    for (*count = 0; *count < CONFIG_PORT_RANGES; value++) {
        struct port_range *r = &ranges[(*count)++];

        if (!parse_port(&value, &r->first))
            return false;
        r->last = r->first;
        if (*value == '-') {
            value++;
            if (!parse_port(&value, &r->last) || r->last < r->first)
                return false;
        }
        if (*value != ',')
            return *value == '\0';
    }
    return false;
}

static bool parse_ports(struct config *to, const char *value)
{
    bool ok = parse_port_ranges(value, to->ports, &to->port_ranges);

    if (!ok)
        to->port_ranges = 0;
    return ok;
}

static bool parse_programs(struct config *to, const char *value)
{
    const char *slash = strrchr(to->executable, '/');
    const char *base = slash ? slash + 1 : to->executable;
    bool found = false;

    for (;;) {
        size_t len = strcspn(value, ",");
        if (len == 0)
            return false;
        found |= is_name(value, len, to->comm) || is_name(value, len, base);
        if (!value[len])
            break;
        value += len + 1;
    }
    to->in_programs = found;
    return true;
}

/* Its path depends on the directory. */
static bool parse_control(struct config *to, const char *value)
{
    to->controlled = *value && strlen(value) < PATH_MAX;
    return to->controlled;
}

enum option_answer options_take(struct config *to, const char *name, size_t name_len,
                                const char *value, struct option_rule *rule)
{
#define OPTION(id, option_name, allowed_text, default_text, meaning)                               \
    if (is_name(name, name_len, option_name)) {                                                    \
        rule->allowed = id##_allowed;                                                              \
        rule->fallback = default_text;                                                             \
        return parse_##id(to, value) ? OPTION_TAKEN : OPTION_REFUSED;                              \
    }
#include "settings/options.def"
#undef OPTION
    return OPTION_UNKNOWN;
}
