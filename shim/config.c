#include "safeclose.h"

#include "config.h"
#include "format.h"
#include "sys.h"

#include <sys/prctl.h>

#define PREFIX "SAFECLOSE_"
#define MS 1000000LL
#define SECOND (1000 * MS)

struct config config = {
    .mode = MODE_WARN,
    .log = LOG_STDERR,
    .in_programs = true,
    .discard_max = 64 << 20,
    .linger_idle = 5 * SECOND,
    .linger_time = 30 * SECOND,
    .exit_wait = 1 * SECOND,
};

static char problem_bytes[4096];
struct text config_problems = {.bytes = problem_bytes, .cap = sizeof(problem_bytes)};

static const char *const mode_names[] = {[MODE_OFF] = "off",
                                         [MODE_LOG] = "log",
                                         [MODE_WARN] = "warn",
                                         [MODE_DRAIN] = "drain",
                                         [MODE_LINGER] = "linger"};

const char *config_mode_name(enum mode mode)
{
    return mode_names[mode];
}

/* The index of value among the names, -1 where it is none of them. */
static int one_of(const char *value, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(value, names[i]) == 0)
            return i;
    return -1;
}

static bool parse_mode(const char *value)
{
    int i = one_of(value, mode_names, sizeof(mode_names) / sizeof(mode_names[0]));

    if (i >= 0)
        config.mode = (enum mode)i;
    return i >= 0;
}

/* Since the program may change its directory, a relative name is made absolute now. A percent sign
 * in the directory's name is doubled, so that it means itself. */
static bool absolute_path(const char *value, char *path, size_t size)
{
    struct text t = text_over(path, size - 1);
    static char cwd[PATH_MAX]; /* constructor only */

    if (value[0] != '/') {
        /* "(unreachable)" stands before a directory that is outside our root. */
        if (sys2(SYS_getcwd, SYS_ARG(cwd), sizeof(cwd)) < 2 || cwd[0] != '/')
            return false;
        for (const char *p = cwd; *p; p++)
            text_put(&t, *p == '%' ? "%%%%" : "%c", *p);
        text_put(&t, "/");
    }
    text_put(&t, "%s", value);
    path[t.len] = '\0';
    return !t.cut;
}

static bool parse_log(const char *value)
{
    static const char *const names[] = {
        [LOG_STDERR] = "stderr", [LOG_SYSLOG] = "syslog", [LOG_NONE] = "none"};
    int i = one_of(value, names, sizeof(names) / sizeof(names[0]));

    if (i >= 0) {
        config.log = (enum log_target)i;
        return true;
    }
    for (const char *p = strchr(value, '%'); p; p = strchr(p + 2, '%'))
        if (p[1] != 'p' && p[1] != '%')
            return false;
    if (!*value || !absolute_path(value, config.log_path, sizeof(config.log_path)))
        return false;
    config.log = LOG_FILE;
    return true;
}

static bool parse_format(const char *value)
{
    static const char *const names[] = {"text", "json"};
    int i = one_of(value, names, 2);

    if (i < 0)
        return false;
    config.format_given = true;
    config.json = i == 1;
    return true;
}

static bool parse_events(const char *value)
{
    static const char *const names[] = {"resets", "all"};
    int i = one_of(value, names, 2);

    if (i >= 0)
        config.all_events = i == 1;
    return i >= 0;
}

/* Digits at *s up to max, *s moved behind them. False where there are none or they say more. */
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

static bool parse_discard_max(const char *value)
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
    config.discard_max = n << shift;
    return true;
}

/* A number alone could mean anything, but for 0. */
static bool parse_duration(const char *value, int64_t *ns)
{
    static const struct {
        const char *name;
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

static bool parse_linger_idle(const char *value)
{
    return parse_duration(value, &config.linger_idle);
}

static bool parse_linger_time(const char *value)
{
    return parse_duration(value, &config.linger_time);
}

static bool parse_exit_wait(const char *value)
{
    return parse_duration(value, &config.exit_wait);
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

static bool parse_ports(const char *value)
{
    bool ok = parse_port_ranges(value, config.ports, &config.port_ranges);

    if (!ok)
        config.port_ranges = 0;
    return ok;
}

bool config_covers_port(uint16_t port)
{
    for (unsigned i = 0; i < config.port_ranges; i++)
        if (port >= config.ports[i].first && port <= config.ports[i].last)
            return true;
    return config.port_ranges == 0;
}

static bool is_name(const char *word, size_t len, const char *name)
{
    return strlen(name) == len && memcmp(word, name, len) == 0;
}

static bool parse_programs(const char *value)
{
    const char *slash = strrchr(config.executable, '/');
    const char *base = slash ? slash + 1 : config.executable;
    bool found = false;

    for (;;) {
        size_t len = strcspn(value, ",");
        if (len == 0)
            return false;
        found |= is_name(value, len, config.comm) || is_name(value, len, base);
        if (!value[len])
            break;
        value += len + 1;
    }
    config.in_programs = found;
    return true;
}

/* "SAFECLOSE_MODE=fast" names its setting and has a value; anything else of our prefix is a
 * mistake. */
static void read_variable(const char *variable)
{
    size_t name_len = strcspn(variable, "=");
    const char *value = variable + name_len + (variable[name_len] == '=');
    const char *allowed = NULL;
    const char *fallback = "";

#define OPTION(id, name, allowed_text, default_text, meaning)                                      \
    if (is_name(variable, name_len, PREFIX name)) {                                                \
        if (parse_##id(value))                                                                     \
            return;                                                                                \
        allowed = allowed_text;                                                                    \
        fallback = default_text;                                                                   \
    }
#include "options.def"
#undef OPTION
    text_plain(&config_problems, variable, name_len < 64 ? name_len : 64);
    if (allowed) {
        size_t len = strlen(value);
        text_put(&config_problems, "=\"");
        text_plain(&config_problems, value, len < 64 ? len : 64);
        text_put(&config_problems, "\": must be %s; using the default (%s)\n", allowed, fallback);
    } else {
        text_put(&config_problems, " is not a setting; "
                                   "the settings are " PREFIX "..."
#define OPTION(id, name, allowed_text, default_text, meaning) " " name
#include "options.def"
#undef OPTION
                                   "\n");
    }
}

static void read_program(void)
{
    sys2(SYS_prctl, PR_GET_NAME, SYS_ARG(config.comm));
    /* The last byte stays zero. */
    sys4(SYS_readlinkat, AT_FDCWD, SYS_ARG("/proc/self/exe"), SYS_ARG(config.executable),
         sizeof(config.executable) - 1);
}

void config_read(void)
{
    /* A privileged program's environment is its caller's, and would have us open files as root. */
    if (getauxval(AT_SECURE)) {
        config.mode = MODE_OFF;
        return;
    }
    read_program();
    for (char **e = environ; e && *e; e++)
        if (strncmp(*e, PREFIX, sizeof(PREFIX) - 1) == 0)
            read_variable(*e);
    if (!config.format_given)
        config.json = config.log == LOG_FILE;
    if (!config.in_programs)
        config.mode = MODE_OFF;
}
