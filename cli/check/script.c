#include "check/script.h"

#include <string.h>

/* The next word of *s, in word. False if there is none. */
static bool next_word(const char **s, char word[SCRIPT_BYTES])
{
    size_t len;

    *s += strspn(*s, " \t");
    len = strcspn(*s, " \t");
    memcpy(word, *s, len);
    word[len] = '\0';
    *s += len;
    return len > 0;
}

/* env's arguments: the kernel passes all that stands behind the interpreter as one, which env takes
 * apart itself after -S. */
static void read_env(struct script *script, const char *arguments)
{
    char word[SCRIPT_BYTES];
    const char *split = strncmp(arguments, "-S", 2) == 0 ? arguments + 2 : NULL;

    if (strncmp(arguments, "-vS", 3) == 0 || strncmp(arguments, "-iS", 3) == 0) {
        script->env_clears = arguments[1] == 'i';
        split = arguments + 3;
    } else if (strncmp(arguments, "--split-string=", 15) == 0)
        split = arguments + 15;
    if (!split) {
        if (*arguments != '-')
            strcpy(script->env_program, arguments);
        return;
    }
    while (next_word(&split, word)) {
        if (strcmp(word, "-i") == 0 || strcmp(word, "-") == 0 ||
            strcmp(word, "--ignore-environment") == 0)
            script->env_clears = true;
        else if (strcmp(word, "-u") == 0 || strcmp(word, "-C") == 0)
            next_word(&split, word);
        else if (*word != '-' && !strchr(word, '=')) {
            strcpy(script->env_program, word);
            return;
        }
    }
}

static enum script_kind read_line(struct script *script, const char *line)
{
    const char *slash;
    char arguments[SCRIPT_BYTES];
    size_t len;

    if (!next_word(&line, script->interpreter))
        return SCRIPT_BROKEN;
    line += strspn(line, " \t");
    strcpy(arguments, line);
    for (len = strlen(arguments); len && strchr(" \t", arguments[len - 1]);)
        arguments[--len] = '\0';
    slash = strrchr(script->interpreter, '/');
    if (strcmp(slash ? slash + 1 : script->interpreter, "env") == 0)
        read_env(script, arguments);
    return SCRIPT_LINE;
}

enum script_kind script_read(struct script *script, const char *bytes, size_t len)
{
    char line[SCRIPT_BYTES];
    const char *end;

    memset(script, 0, sizeof(*script));
    if (len == 0)
        return SCRIPT_EMPTY;
    if (len >= 4 && memcmp(bytes, "\177ELF", 4) == 0)
        return SCRIPT_ELF;
    if (len < 2 || memcmp(bytes, "#!", 2) != 0)
        return memchr(bytes, '\0', len) ? SCRIPT_BINARY : SCRIPT_PLAIN;
    end = memchr(bytes, '\n', len);
    if (!end && len == SCRIPT_BYTES)
        end = bytes + len - 1; /* the kernel cuts the line, too */
    len = (size_t)((end ? end : bytes + len) - bytes) - 2;
    memcpy(line, bytes + 2, len);
    line[len] = '\0';
    return read_line(script, line);
}
