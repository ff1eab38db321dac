/*
 * safeclose run: puts the library and its settings into the environment, and becomes the command.
 * What is known to fail is reported before that.
 */
#include "cli.h"
#include "check/executable.h"
#include "preload/library.h"
#include "preload/preload.h"
#include "common/search_path.h"
#include "preload/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_SETTINGS 64
#define SETTING 256 /* and its index: what getopt_long returns for a setting */

void run_help(FILE *to)
{
    fputs(
        "usage: safeclose run [-m MODE] [-o FILE] [--SETTING=VALUE...] [--] COMMAND [ARGUMENT...]\n"
        "Starts COMMAND with the library preloaded. COMMAND replaces this process: it has the same pid,\n"
        "descriptors and signals. Its children have the library, too.\n\n"
        "  -m MODE      off, log, warn, drain or linger; the same as --mode=MODE\n"
        "  -o FILE      write events to FILE in JSON, explanations to stderr\n"
        "  -h, --help   print this help\n\n"
        "Settings (each is also an environment variable: --linger-idle is SAFECLOSE_LINGER_IDLE):\n",
        to);
    settings_help(to);
    fputs(
        "\nExit status: that of COMMAND; 125 if safeclose itself fails, 126 if COMMAND can't be run or\n"
        "the library can't be preloaded into it, 127 if COMMAND is not found.\n",
        to);
}

static bool directory_takes_files(const char *file)
{
    char *copy = text_of("%s", file);
    bool ok = faccessat(AT_FDCWD, dirname(copy), W_OK | X_OK, AT_EACCESS) == 0;

    free(copy);
    return ok;
}

/* The library would open it only in COMMAND, and could then only complain. */
static bool can_be_written(const char *file)
{
    struct stat st;

    /* A pid in its name is not known yet. */
    if (strchr(file, '%'))
        return true;
    if (stat(file, &st) == 0 && S_ISDIR(st.st_mode))
        unable("write events to \"%s\": it is a directory", file);
    else if (faccessat(AT_FDCWD, file, W_OK, AT_EACCESS) == 0 ||
             (errno == ENOENT && directory_takes_files(file)))
        return true;
    else
        unable("write events to \"%s\": %s", file, strerror(errno));
    return false;
}

static const struct setting *setting_named(const char *name)
{
    unsigned count;
    const struct setting *s = settings(&count);

    for (unsigned i = 0; i < count; i++)
        if (strcmp(s[i].name, name) == 0)
            return &s[i];
    abort();
}

/* "-o stderr" is a file of that name, too. */
static bool set_output(const char *file)
{
    bool word =
        strcmp(file, "stderr") == 0 || strcmp(file, "syslog") == 0 || strcmp(file, "none") == 0;
    char *name = text_of("%s%s", word ? "./" : "", file);
    bool ok = false;

    if (strcmp(file, "-") == 0)
        unable("use -o \"-\": must be the name of a file; for JSON on stderr use --format=json");
    else
        ok = settings_set(setting_named("LOG"), name) && can_be_written(name);
    free(name);
    return ok;
}

struct arguments {
    const char *output;
    bool format_given;
    bool help;
};

static bool bad_option(int option, char **argv)
{
    const char *hint = "try: safeclose run --help";

    if (option == ':')
        unable("use %s: it needs a value; %s", argv[optind - 1], hint);
    else if (optopt && optopt < SETTING)
        unable("understand -%c: no such option; %s", optopt, hint);
    else
        unable("understand %s: no such option, or the abbreviation of several; %s",
               argv[optind - 1], hint);
    return false;
}

static bool read_options(int argc, char **argv, struct arguments *a)
{
    struct option options[MOST_SETTINGS + 2] = {{"help", no_argument, NULL, 'h'}};
    unsigned count;
    const struct setting *s = settings(&count);
    int option;

    for (unsigned i = 0; i < count && i < MOST_SETTINGS; i++)
        options[1 + i] = (struct option){s[i].option, required_argument, NULL, SETTING + (int)i};
    opterr = 0;
    while ((option = getopt_long(argc, argv, "+:hm:o:", options, NULL)) != -1) {
        if (option == 'h')
            a->help = true;
        else if (option == 'o')
            a->output = optarg;
        else if (option == 'm') {
            if (!settings_set(setting_named("MODE"), optarg))
                return false;
        } else if (option >= SETTING) {
            const struct setting *given = &s[option - SETTING];
            a->format_given |= strcmp(given->name, "FORMAT") == 0;
            if (!settings_set(given, optarg))
                return false;
        } else
            return bad_option(option, argv);
    }
    if (a->help || !a->output)
        return true;
    return set_output(a->output) &&
           (a->format_given || settings_set(setting_named("FORMAT"), "json"));
}

/* 0, or the exit status. */
static int refuse(const struct findings *f, const char *file)
{
    if (findings_verdict(f) != NOT_COVERED)
        return 0;
    for (unsigned i = 0; i < f->count; i++)
        if (f->list[i].leaning == AGAINST)
            unable("preload into %s: %s", file, f->list[i].text);
        else if (f->list[i].leaning == DO) {
            fputs("safeclose: what you can do: ", stderr);
            say_plain(stderr, f->list[i].text);
        }
    return STATUS_CANT_RUN;
}

static int not_found(const char *command, const char *found, int error)
{
    if (error == EISDIR)
        unable("run %s: it is a directory", found);
    else if (error == EACCES && found[0])
        unable("run %s: it is not executable", found);
    else if (error == ENOENT && !strchr(command, '/'))
        unable("run %s: not found in PATH%s", command,
               access(command, X_OK) == 0 ? "; for the one in this directory write ./" : "");
    else
        unable("run %s: %s", command, strerror(error));
    return error == ENOENT || error == ENOTDIR ? STATUS_NOT_FOUND : STATUS_CANT_RUN;
}

/* As execvp: a file that is neither an executable nor has a #! line is the shell's. */
static int become(const char *file, char **argv)
{
    execv(file, argv);
    if (errno == ENOEXEC) {
        int argc = 0;
        char **shell;

        while (argv[argc])
            argc++;
        shell = calloc((size_t)argc + 3, sizeof(*shell));
        if (shell) {
            shell[0] = (char *)"/bin/sh";
            shell[1] = (char *)file;
            if (argc)
                memcpy(shell + 2, argv + 1, (size_t)argc * sizeof(*shell));
            execv("/bin/sh", shell);
        }
        free(shell);
    }
    unable("run %s: %s", file, strerror(errno));
    return errno == ENOENT || errno == ENOTDIR ? STATUS_NOT_FOUND : STATUS_CANT_RUN;
}

static int start(char **argv)
{
    static struct library library;
    static struct executable executable;
    static struct findings f;
    char file[PATH_MAX];
    int status;

    if (!library_find(&library))
        return STATUS_FAILED;
    status = search_path(argv[0], file);
    if (status)
        return not_found(argv[0], file, status);
    executable_judge(&f, &library, file, &executable);
    status = refuse(&f, file);
    findings_free(&f);
    if (status)
        return status;
    if (!preload_set(&library, executable.asan))
        return STATUS_FAILED;
    return become(file, argv);
}

int run_command(int argc, char **argv)
{
    struct arguments a = {0};

    if (!read_options(argc, argv, &a))
        return STATUS_FAILED;
    if (a.help) {
        run_help(stdout);
        return printed() ? 0 : STATUS_FAILED;
    }
    if (optind >= argc) {
        unable("run: no command given; try: safeclose run --help");
        return STATUS_FAILED;
    }
    if (!settings_check(environ))
        return STATUS_FAILED;
    return start(argv + optind);
}
