#include "discovery/json_out.h"

#include "discovery/escape.h"

#include <inttypes.h>
#include <string.h>

#define REPLACEMENT 0xfffdu

static void put_unit(struct rn_out *out, uint32_t unit)
{
    rn_out_fmt(out, "\\u%04x", unit);
}

static void put_char(struct rn_out *out, uint32_t cp)
{
    if (cp == '"' || cp == '\\') {
        rn_out_char(out, '\\');
        rn_out_char(out, (char)cp);
    } else if (cp >= 0x20 && cp < 0x7f) {
        rn_out_char(out, (char)cp);
    } else if (cp == '\n') {
        rn_out_str(out, "\\n");
    } else if (cp >= 0xd800 && cp <= 0xdfff) { /* how rn_utf8_next() tells a broken byte */
        put_unit(out, REPLACEMENT);
    } else if (cp >= 0x10000) {
        put_unit(out, 0xd800 + ((cp - 0x10000) >> 10));
        put_unit(out, 0xdc00 + ((cp - 0x10000) & 0x3ff));
    } else {
        put_unit(out, cp);
    }
}

/* Most texts need no escape at all: those parts are copied as they are. */
static size_t n_plain(const char *text)
{
    size_t n = 0;

    while (text[n] >= 0x20 && text[n] < 0x7f && text[n] != '"' && text[n] != '\\')
        n++;
    return n;
}

static void put_quoted(struct rn_out *out, const char *text)
{
    size_t plain = n_plain(text);
    char *room = text[plain] == '\0' ? rn_out_room(out, plain + 2) : NULL;

    if (room != NULL) {
        room[0] = '"';
        memcpy(room + 1, text, plain);
        room[plain + 1] = '"';
        rn_out_took(out, plain + 2);
        return;
    }
    rn_out_char(out, '"');
    while (*text != '\0') {
        size_t n = n_plain(text);

        rn_out_strn(out, text, n);
        text += n;
        if (*text != '\0')
            put_char(out, rn_utf8_next(&text));
    }
    rn_out_char(out, '"');
}

static void new_line(struct rn_json *j)
{
    rn_out_char(j->out, '\n');
    for (unsigned i = 0; i < j->depth; i++)
        rn_out_char(j->out, ' ');
}

/* ,"key": in one piece where nothing is to be made pretty. */
static void put_key(struct rn_json *j, const char *key)
{
    size_t len = strlen(key);
    char *room = rn_out_room(j->out, len + 5); /* comma, quotes, colon, blank */
    size_t at = 0;

    if (room == NULL)
        return;
    if (j->has_item && !j->is_pretty)
        room[at++] = ',';
    room[at++] = '"';
    memcpy(room + at, key, len);
    at += len;
    room[at++] = '"';
    room[at++] = ':';
    if (j->is_pretty)
        room[at++] = ' ';
    rn_out_took(j->out, at);
}

static void start(struct rn_json *j, const char *key)
{
    if (j->has_item && (j->is_pretty || key == NULL))
        rn_out_char(j->out, ',');
    if (j->is_pretty && j->depth > 0)
        new_line(j);
    if (key != NULL)
        put_key(j, key);
    j->has_item = true;
}

void rn_json_open(struct rn_json *j, const char *key, char bracket)
{
    start(j, key);
    rn_out_char(j->out, bracket);
    j->depth++;
    j->has_item = false;
}

void rn_json_close(struct rn_json *j, char bracket)
{
    j->depth--;
    if (j->has_item && j->is_pretty)
        new_line(j);
    rn_out_char(j->out, bracket);
    j->has_item = true;
}

void rn_json_text(struct rn_json *j, const char *key, const char *text)
{
    start(j, key);
    put_quoted(j->out, text);
}

void rn_json_int(struct rn_json *j, const char *key, int64_t v)
{
    start(j, key);
    rn_out_i64(j->out, v);
}

void rn_json_u64(struct rn_json *j, const char *key, uint64_t v)
{
    start(j, key);
    rn_out_char(j->out, '"');
    rn_out_u64(j->out, v);
    rn_out_char(j->out, '"');
}

void rn_json_hex(struct rn_json *j, const char *key, uint64_t v)
{
    start(j, key);
    rn_out_fmt(j->out, "\"0x%" PRIx64 "\"", v);
}

void rn_json_bool(struct rn_json *j, const char *key, bool v)
{
    start(j, key);
    rn_out_str(j->out, v ? "true" : "false");
}

void rn_json_null(struct rn_json *j, const char *key)
{
    start(j, key);
    rn_out_str(j->out, "null");
}

void rn_json_addr(struct rn_json *j, const char *key, struct rn_addr a)
{
    char buf[RN_ADDR_TEXT_BYTES];

    if (rn_addr_is_none(a))
        rn_json_null(j, key);
    else
        rn_json_text(j, key, rn_addr_print(a, buf));
}

void rn_json_prefix(struct rn_json *j, const char *key, const struct rn_prefix *p)
{
    char buf[RN_PREFIX_TEXT_BYTES];

    rn_json_text(j, key, rn_prefix_print(p, buf));
}
