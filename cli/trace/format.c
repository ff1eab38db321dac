#include "trace/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[FORMAT_COUNT] = {
#define FIELD(id, name) name,
    FORMAT_FIELDS(FIELD)
#undef FIELD
};

/* "const void * skaddr" or "__u8 saddr[28]": the last word before the bracket. */
static bool is_named(const char *declaration, size_t len, const char *name)
{
    const char *bracket = memchr(declaration, '[', len);
    const char *end = bracket ? bracket : declaration + len;
    size_t size = strlen(name);

    return (size_t)(end - declaration) > size && end[-(ptrdiff_t)size - 1] == ' ' &&
           memcmp(end - size, name, size) == 0;
}

/* "field:int state;\toffset:24;\tsize:4;\tsigned:1;" */
static void read_field(struct format *format, const char *declaration)
{
    size_t len = strcspn(declaration, ";\n");
    struct format_place place;

    if (declaration[len] != ';' ||
        sscanf(declaration + len, ";\toffset:%u;\tsize:%u;", &place.offset, &place.size) != 2)
        return;
    for (unsigned i = 0; i < FORMAT_COUNT; i++)
        if (is_named(declaration, len, names[i]))
            format->place[i] = place;
}

/* "{ 11, "TCP_ABORT_ON_CLOSE" }, ..." up to the parenthesis that ends the list. */
static void read_reasons(struct format *format, const char *list)
{
    const char *end = list + strcspn(list, ")\n");

    for (const char *at = strchr(list, '{'); at && at < end && format->reasons < FORMAT_REASONS;
         at = strchr(at + 1, '{')) {
        struct format_reason *reason = &format->reason[format->reasons];
        long number;

        if (sscanf(at, "{ %li, \"%39[^\"]\"", &number, reason->name) == 2) {
            reason->number = number;
            format->reasons++;
        }
    }
}

bool format_parse(struct format *format, const char *text)
{
    static const char list_of_reasons[] = "__print_symbolic(REC->reason,";
    const char *list = strstr(text, list_of_reasons);

    memset(format, 0, sizeof(*format));
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += strspn(line, "\n\t");
        if (strncmp(line, "field:", 6) == 0)
            read_field(format, line + 6);
        else if (strncmp(line, "ID: ", 4) == 0)
            format->id = (unsigned)strtoul(line + 4, NULL, 10);
    }
    if (list)
        read_reasons(format, list + sizeof(list_of_reasons) - 1);
    return format->id != 0;
}

const uint8_t *format_bytes(const struct format *format, enum format_field field,
                            const uint8_t *record, size_t size)
{
    const struct format_place *place = &format->place[field];

    return place->size && place->offset <= size && place->size <= size - place->offset
               ? record + place->offset
               : NULL;
}

uint64_t format_number(const struct format *format, enum format_field field, const uint8_t *record,
                       size_t size)
{
    const uint8_t *bytes = format_bytes(format, field, record, size);
    uint64_t number = 0;

    if (bytes && format->place[field].size <= sizeof(number))
        memcpy(&number, bytes, format->place[field].size); /* both machines are little-endian */
    return number;
}

const char *format_reason(const struct format *format, int64_t number)
{
    for (unsigned i = 0; i < format->reasons; i++)
        if (format->reason[i].number == number)
            return format->reason[i].name;
    return NULL;
}
