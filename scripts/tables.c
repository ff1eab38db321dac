/*
 * Fills in what the library's tables hold: copies standard input, a man page or a completion file,
 * to standard output, and replaces each line that is @NAME@ by a table of shim/ in the form that
 * goes there. So nothing that is written about a setting or a cause is written twice.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct option {
    const char *name;
    const char *allowed;
    const char *fallback;
    const char *meaning;
};

static const struct option options[] = {
#define OPTION(id, name, allowed, fallback, meaning) {name, allowed, fallback, meaning},
#include "../shim/settings/options.def"
#undef OPTION
};

struct cause {
    const char *name;
    const char *why;
    const char *peer;
    const char *advice;
    const char *otherwise;
};

static const struct cause causes[] = {
#define CAUSE(id, name, why, peer, advice, otherwise) {name, why, peer, advice, otherwise},
#include "../shim/tcp/causes.def"
#undef CAUSE
};

/* What a cause most often means, by what is unread and by the history of the connection. */
struct meaning {
    const char *cause;
    const char *content;
    const char *whose;
    const char *when;
    const char *means;
    const char *advice;
};

static const struct meaning meanings[] = {
#define MEANING(cause, content, whose, when, means, advice)                                        \
    {#cause, #content, #whose, #when, means, advice},
#include "../shim/tcp/causes.def"
#undef MEANING
};

static const char *const doors[] = {
#define DOOR(id, name) name,
#include "../shim/doors/doors.def"
#undef DOOR
};

struct word {
    const char *name;
    const char *meaning;
};

static const struct word ends[] = {
#define END(id, name, meaning) {name, meaning},
#include "../shim/remedy/ends.def"
#undef END
};

static const struct word contents[] = {
#define CONTENT(id, name, words) {name, words},
#include "../shim/tcp/content.def"
#undef CONTENT
};

static const struct word notes[] = {
#define REASON(id, name, meaning) {name, meaning},
#include "../shim/report/reasons.def"
#undef REASON
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* LINGER_IDLE as a long option: linger-idle. */
static void print_long(const char *name)
{
    for (; *name; name++)
        putchar(*name == '_' ? '-' : *name >= 'A' && *name <= 'Z' ? *name - 'A' + 'a' : *name);
}

/* ---- man pages ---------------------------------------------------------------------------------- */

/* One word of roff text, on a new line where this one is full. */
static void roff_word(const char *word, size_t len, int *column)
{
    if (*column && *column + 1 + len > 79) {
        putchar('\n');
        *column = 0;
    }
    if (*column)
        *column += printf(" ");
    else if (strchr(".'", *word))
        *column += printf("\\&"); /* else it would be a request */
    for (size_t i = 0; i < len; i++)
        *column += word[i] == '\\' ? printf("\\e") : printf("%c", word[i]);
}

/* A sentence: behind a beginning or with a capital, with a full stop. */
static void roff_sentence(const char *begin, const char *text)
{
    char sentence[1024] = "";
    int column = 0;

    snprintf(sentence, sizeof(sentence), "%s%s%s", begin, text,
             *text && text[strlen(text) - 1] != '.' ? "." : "");
    sentence[0] = upper(sentence[0]);
    for (const char *word = sentence; *word; word += strspn(word, " ")) {
        size_t len = strcspn(word, " ");

        roff_word(word, len, &column);
        word += len;
    }
    putchar('\n');
}

static void roff_option(const struct option *o)
{
    roff_sentence("", o->meaning);
    roff_sentence("Allowed: ", o->allowed);
    roff_sentence("Default: ", o->fallback);
}

static void roff_settings(void)
{
    for (size_t i = 0; i < COUNT(options); i++) {
        printf(".It Ev SAFECLOSE_%s\n", options[i].name);
        roff_option(&options[i]);
    }
}

static void roff_options(void)
{
    for (size_t i = 0; i < COUNT(options); i++) {
        printf(".It Fl -");
        print_long(options[i].name);
        printf(" Ns = Ns Ar value\n");
        roff_option(&options[i]);
    }
}

static void roff_words(const struct word *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (*words[i].name) {
            printf(".It Li %s\n", words[i].name);
            roff_sentence("", words[i].meaning);
        }
}

static void roff_causes(void)
{
    for (size_t i = 0; i < COUNT(causes); i++) {
        const struct cause *c = &causes[i];

        printf(".It Li %s\n", c->name);
        if (!*c->why)
            puts("There was no reason to reset.");
        else
            roff_sentence("", c->why);
        if (*c->peer)
            roff_sentence("The peer sees: ", c->peer);
        if (*c->advice) {
            roff_sentence("What to do: ", c->advice);
            roff_sentence("", c->otherwise);
        }
    }
}

/* The identifiers of causes.def in words: HTTP_REQUEST is http-request. */
static void print_word(const char *identifier)
{
    for (; *identifier; identifier++)
        putchar(*identifier == '_' ? '-' : tolower((unsigned char)*identifier));
}

static void roff_condition(const char *identifier, const char *none)
{
    static const struct word words[] = {{"ACCEPTED", "accepted"},
                                        {"OPENED", "opened by the program"},
                                        {"ENDED", "at the end of the process"},
                                        {"UNTOUCHED", "nothing read"},
                                        {"ANSWERED", "read and written to"}};

    if (strcmp(identifier, none) == 0)
        return;
    printf(", ");
    for (size_t i = 0; i < COUNT(words); i++)
        if (strcmp(identifier, words[i].name) == 0) {
            printf("%s", words[i].meaning);
            return;
        }
    print_word(identifier);
}

static void roff_meanings(void)
{
    for (size_t i = 0; i < COUNT(meanings); i++) {
        const struct meaning *m = &meanings[i];

        printf(".It ");
        print_word(m->cause);
        roff_condition(m->content, "ANY");
        roff_condition(m->whose, "EITHER");
        roff_condition(m->when, "EVER");
        putchar('\n');
        roff_sentence("", m->means);
        if (*m->advice)
            roff_sentence("What to do: ", m->advice);
    }
}

static void roff_contents(void)
{
    roff_words(contents, COUNT(contents));
}

static void roff_ends(void)
{
    roff_words(ends, COUNT(ends));
}

static void roff_notes(void)
{
    roff_words(notes, COUNT(notes));
}

static void roff_doors(void)
{
    for (size_t i = 0; i < COUNT(doors); i++)
        if (i == 0 || strcmp(doors[i], doors[i - 1]) != 0) /* two doors may have one name */
            printf(".Li %s%s\n", doors[i], i + 1 < COUNT(doors) ? " ," : " .");
}

/* ---- completions -------------------------------------------------------------------------------- */

/* Those values that are words: of "stderr, syslog, none or a file name" the first three. */
static void print_choices(const char *allowed)
{
    const char *before = "";

    while (*allowed) {
        size_t len = strcspn(allowed, ", ");

        if (allowed[len] == ' ' && strncmp(allowed + len, " or ", 4) != 0)
            return;
        printf("%s%.*s", before, (int)len, allowed);
        before = " ";
        allowed += len;
        allowed += strncmp(allowed, " or ", 4) == 0 ? 4 : strspn(allowed, ", ");
    }
}

static bool takes_file(const struct option *o)
{
    return strstr(o->allowed, "file name") != NULL;
}

static void bash_options(void)
{
    printf("    options='-h --help -m -o");
    for (size_t i = 0; i < COUNT(options); i++) {
        printf(" --");
        print_long(options[i].name);
    }
    puts("'");
}

static void bash_values(void)
{
    for (size_t i = 0; i < COUNT(options); i++) {
        printf("    --");
        print_long(options[i].name);
        printf("%s) words='", strcmp(options[i].name, "MODE") == 0 ? " | -m" : "");
        print_choices(options[i].allowed);
        printf("' files=%s ;;\n", takes_file(&options[i]) ? "yes" : "no");
    }
}

/* Within '...[ ]': what the shell or zsh's _arguments would take for its own. */
static void zsh_text(const char *text)
{
    for (; *text; text++)
        if (*text == '\'')
            printf("'\\''");
        else if (strchr("[]:\\", *text))
            printf("\\%c", *text);
        else
            putchar(*text);
}

static void zsh_values(const struct option *o)
{
    printf(":value:");
    if (takes_file(o)) {
        printf("{ _alternative \"words\\:word\\:(");
        print_choices(o->allowed);
        printf(")\" \"files\\:file\\:_files\" }");
    } else {
        printf("(");
        print_choices(o->allowed);
        printf(")");
    }
}

static void zsh_options(void)
{
    for (size_t i = 0; i < COUNT(options); i++) {
        printf("        '%s--", strcmp(options[i].name, "MODE") == 0 ? "(-m)" : "");
        print_long(options[i].name);
        printf("=[");
        zsh_text(options[i].meaning);
        printf("]");
        zsh_values(&options[i]);
        puts("' \\");
    }
}

static void modes(void)
{
    printf("        '(--mode)-m+[what to do at a close]:mode:(");
    for (size_t i = 0; i < COUNT(options); i++)
        if (strcmp(options[i].name, "MODE") == 0)
            print_choices(options[i].allowed);
    puts(")' \\");
}

/* ------------------------------------------------------------------------------------------------- */

static const struct {
    const char *marker;
    void (*print)(void);
} tables[] = {
    {"@SETTINGS@\n", roff_settings},
    {"@OPTIONS@\n", roff_options},
    {"@CAUSES@\n", roff_causes},
    {"@MEANINGS@\n", roff_meanings},
    {"@CONTENTS@\n", roff_contents},
    {"@DOORS@\n", roff_doors},
    {"@ENDS@\n", roff_ends},
    {"@NOTES@\n", roff_notes},
    {"@BASH_OPTIONS@\n", bash_options},
    {"@BASH_VALUES@\n", bash_values},
    {"@ZSH_OPTIONS@\n", zsh_options},
    {"@ZSH_MODES@\n", modes},
};

static bool print_table(const char *line)
{
    for (size_t i = 0; i < COUNT(tables); i++)
        if (strcmp(line, tables[i].marker) == 0) {
            tables[i].print();
            return true;
        }
    return false;
}

int main(void)
{
    char line[4096];

    while (fgets(line, sizeof(line), stdin)) {
        if (print_table(line))
            continue;
        if (line[0] == '@') {
            fprintf(stderr, "scripts/tables: unable to fill in %s", line);
            return 1;
        }
        fputs(line, stdout);
    }
    return fflush(stdout) == 0 && !ferror(stdout) && !ferror(stdin) ? 0 : 1;
}
