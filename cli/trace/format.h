/*
 * What a tracepoint's file `format` says: where each field of a record stands, and what the reasons of a
 * reset are called. Kernels move fields and renumber reasons, so nothing of this is assumed.
 */
#ifndef SAFECLOSE_TRACE_FORMAT_H
#define SAFECLOSE_TRACE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The fields that are read, by the kernel's names. */
#define FORMAT_FIELDS(F)                                                                           \
    F(FLAGS, "common_flags")                                                                       \
    F(PID, "common_pid")                                                                           \
    F(SOCKET, "skaddr")                                                                            \
    F(STATE, "state")                                                                              \
    F(OLD_STATE, "oldstate")                                                                       \
    F(NEW_STATE, "newstate")                                                                       \
    F(REASON, "reason")                                                                            \
    F(SOURCE_PORT, "sport")                                                                        \
    F(PEER_PORT, "dport")                                                                          \
    F(SOURCE, "saddr")                                                                             \
    F(PEER, "daddr")                                                                               \
    F(SOURCE_V6, "saddr_v6")                                                                       \
    F(PEER_V6, "daddr_v6")                                                                         \
    F(COOKIE, "sock_cookie")

enum format_field {
#define FIELD(id, name) FORMAT_##id,
    FORMAT_FIELDS(FIELD)
#undef FIELD
        FORMAT_COUNT
};

#define FORMAT_REASONS 96
#define FORMAT_NAME 40

struct format_place {
    uint32_t offset;
    uint32_t size; /* 0: this kernel's records have no such field */
};

struct format_reason {
    int64_t number;
    char name[FORMAT_NAME];
};

struct format {
    unsigned id; /* common_type of its records */
    struct format_place place[FORMAT_COUNT];
    unsigned reasons; /* 0: this kernel gives no reason */
    struct format_reason reason[FORMAT_REASONS];
};

/* From the text of the file; false if it has no ID. What does not fit into the table is left out. */
bool format_parse(struct format *format, const char *text);

/* The bytes of a field in a record; NULL if there is no such field, or the record ends before. */
const uint8_t *format_bytes(const struct format *format, enum format_field field,
                            const uint8_t *record, size_t size);

/* The same as an unsigned number of at most 8 bytes; 0 if there is none. */
uint64_t format_number(const struct format *format, enum format_field field, const uint8_t *record,
                       size_t size);

/* What the reason of that number is called; NULL if the kernel has no name for it. */
const char *format_reason(const struct format *format, int64_t number);

#endif
