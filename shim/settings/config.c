#include "safeclose.h"

#include "ground/format.h"
#include "ground/sys.h"
#include "report/stack.h"
#include "settings/config.h"
#include "settings/options.h"
#include "settings/setuid.h"

#include <sys/prctl.h>

#define PREFIX_LEN (sizeof(OPTIONS_PREFIX) - 1)
#define MS 1000000LL
#define SECOND (1000 * MS)

struct config config = {
    .mode = MODE_WARN,
    .log = LOG_STDERR,
    .in_programs = true,
    .stack = CONFIG_STACK_BY_MODE,
    .discard_max = 64 << 20,
    .linger_idle = 5 * SECOND,
    .linger_time = 30 * SECOND,
    .exit_wait = 1 * SECOND,
    .summary = 600 * SECOND,
};

#define PROBLEMS 8192 /* bytes: one for each setting, and as many of a later version */
static struct text problems;

const struct text *config_problems(void)
{
    return &problems;
}

/* Most processes have no problems: memory is mapped for the first one. If there is none, the text is empty. */
struct text *config_problem(void)
{
    char *bytes = problems.bytes ? NULL : sys_map(PROBLEMS);

    if (bytes)
        problems = text_over(bytes, PROBLEMS);
    return &problems;
}

/* The working directory into path, and a slash; percent signs doubled where they would mean something
 * else. False if it does not fit, or is outside our root ("(unreachable)" stands before it
 * then). */
static bool directory(char *path, size_t size, bool doubles)
{
    long n = sys2(SYS_getcwd, SYS_ARG(path), (long)size);
    size_t len;

    if (n < 2 || path[0] != '/' || (size_t)n >= size)
        return false;
    len = (size_t)n - 1;
    for (size_t i = len; doubles && i-- > 0;)
        if (path[i] == '%') {
            if (len + 2 >= size)
                return false;
            memmove(path + i + 1, path + i, len - i);
            len++;
        }
    path[len] = '/';
    path[len + 1] = '\0';
    return true;
}

/* A relative name is made absolute now, because the program may change its directory. */
static bool absolute_path(const char *value, char *path, size_t size, bool doubles)
{
    size_t len;

    path[0] = '\0';
    if (value[0] != '/' && !directory(path, size, doubles))
        return false;
    len = strlen(path);
    if (strlen(value) >= size - len)
        return false;
    strcpy(path + len, value);
    return true;
}

/* Memory is mapped when a path is given: most programs have no log file, and no control file. */
static bool take_path(const char *value, char **path, bool doubles)
{
    if (!*path)
        *path = sys_map(PATH_MAX);
    return *path && absolute_path(value, *path, PATH_MAX, doubles);
}

static bool is_setting(const char *name, size_t len, const char *wanted)
{
    return len == strlen(wanted) && memcmp(name, wanted, len) == 0;
}

/* As options_take; and the path of a log file or control file, which depends on the directory of now. */
static enum option_answer take(const char *name, size_t name_len, const char *value,
                               struct option_rule *rule)
{
    enum option_answer answer = options_take(&config, name, name_len, value, rule);

    if (answer != OPTION_TAKEN)
        return answer;
    if (is_setting(name, name_len, "LOG") && config.log == LOG_FILE &&
        !take_path(value, &config.log_path, true)) {
        config.log = LOG_STDERR;
        return OPTION_REFUSED;
    }
    if (is_setting(name, name_len, "CONTROL") && !take_path(value, &config.control_path, false)) {
        config.controlled = false;
        return OPTION_REFUSED;
    }
    return answer;
}

bool config_covers_port(uint16_t port)
{
    for (unsigned i = 0; i < config.port_ranges; i++)
        if (port >= config.ports[i].first && port <= config.ports[i].last)
            return true;
    return config.port_ranges == 0;
}

/* "SAFECLOSE_MODE=fast" names its setting and has a value; anything else of our prefix is a
 * mistake. */
static void read_variable(const char *variable)
{
    size_t name_len = strcspn(variable, "=");
    const char *value = variable + name_len + (variable[name_len] == '=');
    struct option_rule rule;
    struct text *t;
    size_t len = strlen(value);
    enum option_answer answer = take(variable + PREFIX_LEN, name_len - PREFIX_LEN, value, &rule);

    if (answer == OPTION_TAKEN)
        return;
    t = config_problem();
    text_plain(t, variable, name_len < 64 ? name_len : 64);
    if (answer == OPTION_REFUSED) {
        text_put(t, "=\"");
        text_plain(t, value, len < 64 ? len : 64);
        text_put(t, "\": must be %s; using the default (%s)\n", rule.allowed, rule.fallback);
    } else {
        text_put(t, " is not a setting; after " OPTIONS_PREFIX " comes one of:"
#define OPTION(id, name, allowed_text, default_text, meaning) " " name
#include "settings/options.def"
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

static int number_of(const char *name)
{
    const char *p = getenv(name);
    int n = 0;

    while (p && *p >= '0' && *p <= '9' && n < INT_MAX / 10 - 1)
        n = 10 * n + (*p++ - '0');
    return n;
}

/* sd_listen_fds(3): a child of the service's inherits the variables. */
static void read_handed(void)
{
    int pid = number_of("LISTEN_PID");

    if (pid == 0 || pid == sys_getpid())
        config.handed = number_of("LISTEN_FDS");
}

/* What this process executes must not inherit the user's word. */
static void forget_inherited(void)
{
    char **to = environ;

    for (char **e = environ; e && *e; e++)
        if (strncmp(*e, OPTIONS_PREFIX "INHERITED=", PREFIX_LEN + 10) != 0)
            *to++ = *e;
    if (to)
        *to = NULL;
}

void config_read(void)
{
    if (setuid_program()) {
        config.mode = MODE_OFF;
        forget_inherited();
        return;
    }
    read_program();
    read_handed();
    for (char **e = environ; e && *e; e++)
        if (strncmp(*e, OPTIONS_PREFIX, PREFIX_LEN) == 0)
            read_variable(*e);
    forget_inherited();
    if (!config.format_given)
        config.json = config.log == LOG_FILE;
    if (!config.in_programs) {
        config.mode = MODE_OFF;
        config.controlled = false;
    }
}
