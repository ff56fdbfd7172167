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

#define NUMBER_BYTES 24u /* a sign, the 20 digits of 2^64 - 1, quotes */

static char *put_plain(char *at, const char *text, size_t n)
{
    memcpy(at, text, n);
    return at + n;
}

static char *put_new_line(char *at, unsigned depth)
{
    *at++ = '\n';
    memset(at, ' ', depth);
    return at + depth;
}

/* The comma and the key before a value of up to @n_value bytes: where to write it, to be followed by finish(). One look
 * for room a value, not one a character, is half of what drawing a large machine takes. NULL: there is no room. */
static char *begin(struct rn_json *j, const char *key, size_t n_value)
{
    size_t n_key = key != NULL ? strlen(key) : 0;
    char *at =
        rn_out_room(j->out, n_key + j->depth + n_value + 6); /* comma, line, quotes, colon, blank */

    if (at == NULL)
        return NULL;
    if (j->has_item)
        *at++ = ',';
    j->has_item = true;
    if (j->is_pretty && j->depth > 0)
        at = put_new_line(at, j->depth);
    if (key == NULL)
        return at;
    *at++ = '"';
    at = put_plain(at, key, n_key);
    *at++ = '"';
    *at++ = ':';
    if (j->is_pretty)
        *at++ = ' ';
    return at;
}

/* Up to @end all is written. */
static void finish(struct rn_json *j, const char *end)
{
    rn_out_took(j->out, (size_t)(end - (j->out->buf + j->out->len)));
}

static void put_word(struct rn_json *j, const char *key, const char *word, size_t n)
{
    char *at = begin(j, key, n);

    if (at != NULL)
        finish(j, put_plain(at, word, n));
}

static void put_escaped(struct rn_json *j, const char *key, const char *text)
{
    char *at = begin(j, key, 1);

    if (at == NULL)
        return;
    *at++ = '"';
    finish(j, at);
    while (*text != '\0') {
        size_t n = n_plain(text);

        rn_out_strn(j->out, text, n);
        text += n;
        if (*text != '\0')
            put_char(j->out, rn_utf8_next(&text));
    }
    rn_out_char(j->out, '"');
}

void rn_json_open(struct rn_json *j, const char *key, char bracket)
{
    put_word(j, key, &bracket, 1);
    j->depth++;
    j->has_item = false;
}

void rn_json_close(struct rn_json *j, char bracket)
{
    char *at = rn_out_room(j->out, j->depth + 1);

    j->depth--;
    if (at != NULL && j->has_item && j->is_pretty)
        at = put_new_line(at, j->depth);
    j->has_item = true;
    if (at == NULL)
        return;
    *at++ = bracket;
    finish(j, at);
}

void rn_json_text(struct rn_json *j, const char *key, const char *text)
{
    size_t n = n_plain(text);
    char *at;

    if (text[n] != '\0') {
        put_escaped(j, key, text);
        return;
    }
    at = begin(j, key, n + 2);
    if (at == NULL)
        return;
    *at++ = '"';
    at = put_plain(at, text, n);
    *at++ = '"';
    finish(j, at);
}

void rn_json_int(struct rn_json *j, const char *key, int64_t v)
{
    char *at = begin(j, key, NUMBER_BYTES);

    if (at == NULL)
        return;
    if (v < 0)
        *at++ = '-';
    finish(j, rn_out_digits(at, v < 0 ? 0 - (uint64_t)v : (uint64_t)v));
}

void rn_json_u64(struct rn_json *j, const char *key, uint64_t v)
{
    char *at = begin(j, key, NUMBER_BYTES);

    if (at == NULL)
        return;
    *at++ = '"';
    at = rn_out_digits(at, v);
    *at++ = '"';
    finish(j, at);
}

void rn_json_hex(struct rn_json *j, const char *key, uint64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "\"0x%" PRIx64 "\"", v);

    put_word(j, key, text, (size_t)n);
}

void rn_json_bool(struct rn_json *j, const char *key, bool v)
{
    put_word(j, key, v ? "true" : "false", v ? 4 : 5);
}

void rn_json_null(struct rn_json *j, const char *key)
{
    put_word(j, key, "null", 4);
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
