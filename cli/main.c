/* safeclose: calls its subcommands; each has its own file. */
#include "cli.h"
#include "shim/settings/config.h"

#include <string.h>

static const struct subcommand subcommands[] = {
    {"run", "start a program with the library preloaded", run_command, run_help},
    {"check", "tell whether the library can be preloaded into a program, or works in a process",
     check_command, check_help},
    {"report", "say from logs which code resets whom, what was lost, and what to do",
     report_command, report_help},
    {"watch", "show each reset that this machine sends, with its reason, process and code",
     watch_command, watch_help},
};

#define SUBCOMMANDS (sizeof(subcommands) / sizeof(subcommands[0]))

static void help(FILE *to)
{
    fputs(
        "usage: safeclose COMMAND [OPTION...] [ARGUMENT...]\n"
        "Reports every TCP connection that a program resets by the way it closes it, explains why,\n"
        "and can prevent it. The program is not changed.\n\n",
        to);
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        fprintf(to, "  %-8s %s\n", subcommands[i].name, subcommands[i].purpose);
    fputs(
        "\n  -h, --help     print this help; for a command: safeclose COMMAND --help\n"
        "  -V, --version  print the version\n\n"
        "First steps:\n"
        "  safeclose check nginx               can the library be preloaded into it?\n"
        "  safeclose run ./server              report and explain each reset; change nothing\n"
        "  safeclose run -m linger ./server    prevent them\n"
        "  safeclose run -o LOG ./server       write a log for: safeclose report LOG\n"
        "  sudo safeclose watch                which running program resets, where in its code?\n\n"
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
