/*
 * What unread bytes look like: the beginnings of real conversations, cut where a queue may cut
 * them. The records of TLS were made by OpenSSL 3.0.
 */
#include "report/names.h"
#include "test.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEEK 256 /* what is looked at of a queue, at most */

struct row {
    const char *bytes;
    size_t size;
    enum content content;
};

#define ROW(content, text)                                                                         \
    {                                                                                              \
        text, sizeof(text) - 1, CONTENT_##content                                                  \
    }

/* clang-format off */
/* Whole queues, or the first of what is in them. */
static const struct row table[] = {
    ROW(HTTP_REQUEST, "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"),
    ROW(HTTP_REQUEST, "GET / HTTP/1.0\n\n"),
    ROW(HTTP_REQUEST, "POST /upload?x=1&y=2 HTTP/1.1\r\nHost: example.org\r\nContent-Length: 9\r\n\r\na=1&b=2&c"),
    ROW(HTTP_REQUEST, "OPTIONS * HTTP/1.1\r\nHost: example.org\r\n\r\n"),
    ROW(HTTP_REQUEST, "GET http://example.org/through/a/proxy HTTP/1.1\r\nHost: example.org\r\n\r\n"),
    ROW(HTTP_REQUEST, "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n"),
    ROW(HTTP_REQUEST, "CONNECT [2001:db8::1]:443 HTTP/1.1\r\n\r\n"),
    ROW(HTTP_REQUEST, "PROPFIND /dav/ HTTP/1.1\r\nDepth: 1\r\n\r\n"),
    ROW(HTTP_REQUEST, "MKCOL /dav/new HTTP/1.1\r\n\r\n"),
    ROW(HTTP_REQUEST, "PUT /dav/file HTTP/1.1\r\nExpect: 100-continue\r\n\r\n"),
    ROW(HTTP_REQUEST, "VERSION-CONTROL /dav/file HTTP/1.1\r\n\r\n"),
    ROW(HTTP_REQUEST, "UPDATEREDIRECTREF /dav/file HTTP/1.1\r\n\r\n"),
    ROW(HTTP_REQUEST, "M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:discover\"\r\n\r\n"),
    ROW(HTTP_REQUEST, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0"), /* HTTP/2's preface */
    ROW(HTTP_REQUEST, "GET /a-target-longer-than-what-is-looked-at/0123456789012345678901234567"),

    ROW(HTTP_BODY, "1f4\r\n{\"name\":\"value\"}"),
    ROW(HTTP_BODY, "4000\r\n\x1f\x8b\x08\0\0\0\0\0"),
    ROW(HTTP_BODY, "0\r\n\r\n"),
    ROW(HTTP_BODY, "--------------------------4c5d6e7f80912a3b\r\nContent-Disposition: form-data; name=\"f\""),
    ROW(HTTP_BODY, "------WebKitFormBoundary7MA4YWxkTrZu0gW\r\nContent-Disposition: form-data; name=\"f\""),
    ROW(HTTP_BODY, "-----------------------------735323031399963166993862150\r\nContent-Disposition: form"),
    ROW(HTTP_BODY, "--b1\r\nContent-Type: text/plain\r\n\r\nthe first part"),
    ROW(HTTP_BODY, "\x89PNG end of a file\r\n--b1\r\nContent-Disposition: form-data; name=\"g\"\r\n\r\n"),
    ROW(HTTP_BODY, "name=J%C3%BCrgen&city=Z%C3%BCrich&age=33"),
    ROW(HTTP_BODY, "%BCrich&age=33&note=a+b+c"), /* from its middle on */
    ROW(HTTP_BODY, "q=x"),
    ROW(HTTP_BODY, "a=&b="),

    /* TLS 1.2, and what is in the clear before the keys are known. */
    ROW(TLS_HANDSHAKE, "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\x78\xd7\xc4\xcf\xe3\x1f\x5b\x38\x67"), /* ClientHello */
    ROW(TLS_HANDSHAKE, "\x16\x03\x03\0\x41\x02\0\0\x3d\x03\x03\xdc\x1d\x96\xf3\xc3\xbb\xeb\x5d\x11"), /* ServerHello */
    ROW(TLS_HANDSHAKE, "\x16\x03\x03\0\x25\x10\0\0\x21\x20\x8d\xd4\xf6\x72\x90\xa8\xc8\x20\x14\x32"), /* ClientKeyExchange */
    ROW(TLS_HANDSHAKE, "\x16\x03\x03\0\xba\x04\0\0\xb6\0\0\x1c\x20\0\xb0\x73\xb6\x53\x6f\x9b"), /* NewSessionTicket */
    ROW(TLS_HANDSHAKE, "\x14\x03\x03\0\x01\x01\x17\x03\x03\0\x45\xcb\x26\x51\x34\x59\x93\xe4\x89\x5d"), /* ChangeCipherSpec */
    ROW(TLS_HANDSHAKE, "\x16\x03\0\0\x54\x01"), /* of SSL 3 */
    ROW(TLS_DATA, "\x17\x03\x03\0\x2a\x5c\x0c\xb6\x4a\x9a\xca\x05\x7b\x0e\xe1\x29\xbe\x09\x7c\xd4"),
    ROW(TLS_DATA, "\x17\x03\x03\x48\0\x5c"), /* TLS 1.2's largest */
    ROW(TLS_ALERT, "\x15\x03\x03\0\x1a\x5c\x0c\xb6\x4a\x9a\xca\x05\x7c\x6d\x21\x01\x7a\xf2\x5f\x75\xb8\x76"),
    ROW(TLS_ALERT, "\x15\x03\x03\0\x02\x02\x30"), /* fatal: unknown_ca */
    ROW(TLS_ALERT, "\x15\x03\x01\0\x02\x01\0"),   /* close_notify */
    /* TLS 1.3: two session tickets; a request; close_notify, which only its size gives away. */
    ROW(TLS_DATA, "\x17\x03\x03\0\xfa\x3a\x08\x15\xb0\xcf\x69\xff\x09\xce\xd7\x71\x1a\x3e\x3d\x7f"),
    ROW(TLS_DATA, "\x17\x03\x03\0\x23\x4e\x33\xe7\xbd\x7d\xaf\x9f\xe4\x76\x84\x9b\xea\xfe\x67\x54"),
    ROW(TLS_ALERT, "\x17\x03\x03\0\x13\xbc\x99\x37\x58\x09\x30\x5f\xf6\x10\xc8\x2d\xa5\x36\x94\xf1\x4b\xaf\x79\x56"),
    /* Two of that size are no goodbye. */
    ROW(TLS_DATA, "\x17\x03\x03\0\x13\xbc\x99\x37\x58\x09\x30\x5f\xf6\x10\xc8\x2d\xa5\x36\x94\xf1\x4b\xaf\x79\x56"
                  "\x17\x03\x03\0\x13\xbc\x99\x37\x58\x09\x30\x5f\xf6\x10\xc8\x2d\xa5\x36\x94\xf1\x4b\xaf\x79\x56"),
    /* No records: no such type, version or size. */
    ROW(BINARY, "\x18\x03\x03\0\x10\xbc"),
    ROW(BINARY, "\x16\x02\x03\0\x10\xbc"),
    ROW(BINARY, "\x16\x03\x05\0\x10\xbc"),
    ROW(BINARY, "\x16\x03\x03\0\0\xbc"),
    ROW(BINARY, "\x16\x03\x03\x48\x01\xbc"),
    ROW(BINARY, "\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10"), /* a hello of SSL 2 */

    ROW(SSH, "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"),
    ROW(SSH, "SSH-1.99-Cisco-1.25\n"),

    ROW(TEXT, "*1\r\n$4\r\nPING\r\n"), /* redis */
    ROW(TEXT, "PING\r\n"),
    ROW(TEXT, "EHLO mail.example.org\r\n"),
    ROW(TEXT, "250-SIZE 10240000\r\n250 HELP\r\n"),
    ROW(TEXT, "USER anonymous\r\n"),
    ROW(TEXT, "{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"id\":1}"),
    ROW(TEXT, "<?xml version=\"1.0\"?>\n<a b='c'/>"),
    ROW(TEXT, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), /* an answer is no request */
    ROW(TEXT, "deadbeef\r\nsome more words\r\n"),
    ROW(TEXT, "42\r\n"), /* a number, or a chunk of which nothing has come */
    ROW(TEXT, "c2FmZWNsb3NlIHNhZmVjbG9zZQ=="), /* base64 */
    ROW(TEXT, "c2FmZWNsb3NlIHNhZmVjbG9zZTE="),
    ROW(TEXT, "c2FmZWNsb3NlIHNhZmVjbG9zZSEh"),
    ROW(TEXT, "SELECT a FROM b WHERE c = 1"),
    ROW(TEXT, "ERROR /var/log is full\n"),
    ROW(TEXT, "get / HTTP/1.1\r\n\r\n"), /* methods are in capitals */
    ROW(TEXT, "--\r\nbest regards\r\n"),
    ROW(TEXT, "\tA line\r\n"),
    ROW(TEXT, "Gr\xc3\xbc\xc3\x9f"
              "e aus Z\xc3\xbcrich"),
    ROW(TEXT, "\xe6\x9d\xb1\xe4\xba\xac \xf0\x9f\x99\x82"),
    ROW(TEXT, "\x9d\xb1\xe4\xba\xac"), /* from the middle of a character on */
    ROW(TEXT, "\xe6\x9d\xb1\xe4\xba"), /* to the middle of one */
    ROW(BINARY, "caf\xe9 in Latin-1"),
    ROW(BINARY, "\xc0\x80"),
    ROW(BINARY, "a\xf5\x80\x80\x80"),
    ROW(BINARY, "\xbf\xbf\xbf\xbf of none"),
    ROW(BINARY, "\xc3"),
    ROW(BINARY, "\x80"),
    ROW(BINARY, "\0"),
    ROW(BINARY, "\xff\xfb\x1f\xff\xfb\x20"), /* telnet */
    ROW(BINARY, "\0\0\0\x08\x04\xd2\x16\x2f"), /* postgres asks for SSL */
    ROW(BINARY, "\x1b[2J"),
    ROW(BINARY, "a line\nand a bell\a"),
    ROW(BINARY, "del\x7f"),
    ROW(BINARY, "\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64"), /* frames of HTTP/2 */
};
/* clang-format on */

/* Of exactly that size on the heap, for a sanitizer to guard. */
static enum content guess(const char *bytes, size_t size, uint64_t unread)
{
    uint8_t *copy = malloc(size + 1);
    enum content content;

    assert_non_null(copy);
    memcpy(copy + 1, bytes, size);
    content = content_of(copy + 1, size, unread);
    free(copy);
    return content;
}

static void expect(const char *bytes, size_t size, uint64_t unread, enum content content)
{
    const char *got = names_content(guess(bytes, size, unread));

    if (strcmp(got, names_content(content)) == 0)
        return;
    print_error("the first %zu bytes of \"%s\": %s, not %s\n", size, bytes, got,
                names_content(content));
    fail();
}

TEST(beginnings_are_known)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        expect(table[i].bytes, table[i].size, table[i].size, table[i].content);
}

TEST(what_is_behind_changes_nothing)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].size != 24) /* whose end is what tells */
            expect(table[i].bytes, table[i].size, 1 << 20, table[i].content);
    expect("\x17\x03\x03\0\x13\xbc\x99\x37", 8, 25, CONTENT_TLS_DATA);
    expect("\x17\x03\x03\0\x13\xbc\x99\x37", 8, 23, CONTENT_TLS_DATA);
}

/* From how many bytes on each is what it is; before, text or binary. */
TEST(cut_anywhere_it_is_what_it_is_or_just_bytes)
{
    static const struct {
        const char *bytes;
        size_t size;
        size_t known_from;
    } cuts[] = {
        {"GET / HTTP/1.1", 14, 5},
        {"POST http://example.org/", 24, 9},
        {"CONNECT example.org:443", 23, 9},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24, 5},
        {"SSH-2.0-OpenSSH_9.2", 19, 4},
        {"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", 11, 5},
        {"\x15\x03\x03\0\x02\x01\0", 7, 5},
        {"\x17\x03\x03\0\x2a\x5c\x0c", 7, 5},
        {"1f4\r\n{\"name\"", 12, 6},
        {"--b1\r\nContent-Type: text/plain", 30, 14},
        {"name=value", 10, 6},
    };

    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        enum content content = guess(cuts[i].bytes, cuts[i].size, cuts[i].size);
        enum content before = cuts[i].bytes[0] < ' ' ? CONTENT_BINARY : CONTENT_TEXT;

        assert_true(content != CONTENT_TEXT && content != CONTENT_BINARY);
        expect(cuts[i].bytes, 0, 0, CONTENT_NONE);
        for (size_t n = 1; n <= cuts[i].size; n++)
            expect(cuts[i].bytes, n, n, n < cuts[i].known_from ? before : content);
    }
}

/* The line of a request ends with its version, wherever that is. */
TEST(a_line_without_version_is_no_request)
{
    char target[PEEK];

    memset(target, 'a', sizeof(target));
    memcpy(target, "GET /", 5);
    expect(target, sizeof(target), 1000, CONTENT_HTTP_REQUEST);
    memcpy(target + 200, " HTTP/1.1\r\n", 11);
    expect(target, sizeof(target), 1000, CONTENT_HTTP_REQUEST);
    memcpy(target + 200, "  HELP/1.1\r\n", 12);
    expect(target, sizeof(target), 1000, CONTENT_TEXT);
}

TEST(one_byte_is_text_or_binary)
{
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        bool text = (c >= ' ' && c < 0x7f) || c == '\n' || c == '\r' || c == '\t';

        expect(&byte, 1, 1, text ? CONTENT_TEXT : CONTENT_BINARY);
    }
}

/* As the manual lists them. */
TEST(names_are_those_of_the_log)
{
    static const char *const names[] = {
        "",         "http-request", "http-body", "tls-alert", "tls-handshake",
        "tls-data", "ssh",          "text",      "binary",    "urgent"};

    assert_int_equal(CONTENT_COUNT, sizeof(names) / sizeof(names[0]));
    for (unsigned i = 0; i < CONTENT_COUNT; i++)
        assert_string_equal(names_content((enum content)i), names[i]);
}

TEST_MAIN()
