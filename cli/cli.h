/* The subcommands of the command safeclose. */
#ifndef SAFECLOSE_CLI_H
#define SAFECLOSE_CLI_H

#include "common/say.h"

struct subcommand {
    const char *name;
    const char *purpose; /* one line of safeclose --help */
    int (*run)(int argc, char **argv);
    void (*help)(FILE *to);
};

int run_command(int argc, char **argv);
void run_help(FILE *to);

int check_command(int argc, char **argv);
void check_help(FILE *to);

int report_command(int argc, char **argv);
void report_help(FILE *to);

int watch_command(int argc, char **argv);
void watch_help(FILE *to);

#endif
