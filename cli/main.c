/* safeclose: dispatches to its subcommands, of which each has a file of its own. */
#include "cli.h"
#include "config.h"

#include <string.h>

static const struct subcommand subcommands[] = {
    {"run", "start a program with the library in front of it", run_command, run_help},
    {"check", "can this program be preloaded; is that process", check_command, check_help},
};

#define SUBCOMMANDS (sizeof(subcommands) / sizeof(subcommands[0]))

static void help(FILE *to)
{
    fputs("usage: safeclose COMMAND [OPTION...] [ARGUMENT...]\n"
          "Explains the TCP connections that a program's own way of closing resets, and prevents\n"
          "that where it is asked to. The program need not be changed.\n\n",
          to);
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        fprintf(to, "  %-8s %s\n", subcommands[i].name, subcommands[i].purpose);
    fputs("\n  -h, --help     this; safeclose COMMAND --help tells more of each\n"
          "  -V, --version  the version\n\n"
          "First steps:\n"
          "  safeclose check nginx               can it be preloaded?\n"
          "  safeclose run ./server              explain each reset; nothing else changes\n"
          "  safeclose run -m linger ./server    prevent them\n\n"
          "See also: man safeclose, man libsafeclose\n",
          to);
}

static const struct subcommand *find(const char *name)
{
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        if (strcmp(subcommands[i].name, name) == 0)
            return &subcommands[i];
    return NULL;
}

static bool is_one_of(const char *word, const char *one, const char *other)
{
    return strcmp(word, one) == 0 || strcmp(word, other) == 0;
}

int main(int argc, char **argv)
{
    const struct subcommand *command;

    if (argc < 2) {
        help(stderr);
        return STATUS_FAILED;
    }
    if (is_one_of(argv[1], "-h", "--help"))
        help(stdout);
    else if (is_one_of(argv[1], "-V", "--version"))
        puts("safeclose " SAFECLOSE_VERSION);
    else if ((command = find(argv[1])))
        return command->run(argc - 1, argv + 1);
    else {
        unable("understand \"%s\": no such command; try: safeclose --help", argv[1]);
        return STATUS_FAILED;
    }
    return printed() ? 0 : STATUS_FAILED;
}
