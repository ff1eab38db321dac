#include "preload/settings.h"
#include "common/say.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct setting table[] = {
#define OPTION(id, name, allowed, fallback, meaning) {name, "", allowed, fallback, meaning},
#include "shim/settings/options.def"
#undef OPTION
};

#define SETTINGS (sizeof(table) / sizeof(table[0]))

static void name_option(struct setting *s)
{
    size_t i;

    for (i = 0; i < sizeof(s->option) - 1 && s->name[i]; i++)
        s->option[i] = s->name[i] == '_' ? '-' : (char)(s->name[i] | ('a' ^ 'A'));
}

const struct setting *settings(unsigned *count)
{
    for (size_t i = 0; i < SETTINGS; i++)
        name_option(&table[i]);
    *count = SETTINGS;
    return table;
}

/* What the library would make of it is of no interest here, only whether it would take it. */
static enum option_answer ask(const char *name, size_t name_len, const char *value,
                              struct option_rule *rule)
{
    static struct config any;

    return options_take(&any, name, name_len, value, rule);
}

bool settings_set(const struct setting *setting, const char *value)
{
    char variable[64];
    struct option_rule rule;

    if (ask(setting->name, strlen(setting->name), value, &rule) != OPTION_TAKEN) {
        unable("use --%s=\"%s\": must be %s", setting->option, value, setting->allowed);
        return false;
    }
    snprintf(variable, sizeof(variable), OPTIONS_PREFIX "%s", setting->name);
    if (setenv(variable, value, 1) != 0) {
        unable("set %s: %s", variable, strerror(errno));
        return false;
    }
    return true;
}

static bool check_variable(const char *variable)
{
    size_t prefix = strlen(OPTIONS_PREFIX), len = strcspn(variable, "=");
    const char *value = variable[len] ? variable + len + 1 : "";
    struct option_rule rule;

    switch (ask(variable + prefix, len - prefix, value, &rule)) {
    case OPTION_TAKEN:
        return true;
    case OPTION_REFUSED:
        unable("use %.*s=\"%s\" from the environment: must be %s", (int)len, variable, value,
               rule.allowed);
        return false;
    default:
        unable(
            "use %.*s from the environment: no such setting; unset it, or see: safeclose run --help",
            (int)len, variable);
        return false;
    }
}

bool settings_check(char *const *environment)
{
    bool ok = true;

    for (; environment && *environment; environment++)
        if (strncmp(*environment, OPTIONS_PREFIX, strlen(OPTIONS_PREFIX)) == 0)
            ok &= check_variable(*environment);
    return ok;
}

/* Words up to column 78, behind an indent. */
static void wrap(FILE *to, const char *text)
{
    int column = 0;

    while (*text) {
        int len = (int)strcspn(text, " ");

        if (column && column + 1 + len > 70) {
            fputc('\n', to);
            column = 0;
        }
        column += fprintf(to, column ? " %.*s" : "        %.*s", len, text) - (column ? 0 : 8);
        text += len;
        text += strspn(text, " ");
    }
    fputc('\n', to);
}

void settings_help(FILE *to)
{
    unsigned count;
    const struct setting *s = settings(&count);

    for (unsigned i = 0; i < count; i++) {
        char *values = text_of("Allowed: %s. Default: %s", s[i].allowed, s[i].fallback);

        fprintf(to, "  %s--%s=VALUE\n", strcmp(s[i].option, "mode") == 0 ? "-m VALUE, " : "",
                s[i].option);
        wrap(to, s[i].meaning);
        wrap(to, values);
        free(values);
    }
}
