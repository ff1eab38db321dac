/*
 * Fuzzes the parsers of the settings' values: the first line of the bytes is the setting's name,
 * the rest its value.
 */
#include "../../shim/settings/options.c"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(bool is_true)
{
    if (!is_true)
        abort();
}

/* What the library relies on once a value was taken. */
static void check_config(const struct config *its)
{
    check(its->port_ranges <= CONFIG_PORT_RANGES);
    for (unsigned i = 0; i < its->port_ranges; i++)
        check(its->ports[i].first > 0 && its->ports[i].first <= its->ports[i].last);
    check(its->discard_max <= INT64_MAX);
    check(its->linger_idle >= 0 && its->linger_idle <= 24 * 3600 * SECOND);
    check(its->linger_time >= 0 && its->linger_time <= 24 * 3600 * SECOND);
    check(its->exit_wait >= 0 && its->exit_wait <= 24 * 3600 * SECOND);
    check(options_mode_name(its->mode) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct config its = {.comm = "program", .executable = "/usr/bin/a program"};
    struct option_rule rule = {NULL, NULL};
    const uint8_t *line = size ? memchr(bytes, '\n', size) : NULL;
    size_t name_len = line ? (size_t)(line - bytes) : size;
    size_t value_len = line ? size - name_len - 1 : 0;
    char *name = malloc(name_len + 1), *value = malloc(value_len + 1);
    enum option_answer answer;

    check(name && value);
    if (name_len)
        memcpy(name, bytes, name_len);
    if (value_len)
        memcpy(value, line + 1, value_len);
    name[name_len] = value[value_len] = '\0';
    answer = options_take(&its, name, name_len, value, &rule);
    check((answer == OPTION_UNKNOWN) == (rule.allowed == NULL));
    check_config(&its);
    if (options_word(value, value_len, &its.mode) == WORD_MODE)
        check(strncmp(value, options_mode_name(its.mode), strlen(options_mode_name(its.mode))) ==
              0);
    free(name);
    free(value);
    return 0;
}
