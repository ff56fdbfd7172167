#include "discovery/out.h"

#include <runnel/err.h>

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* With one byte more for the NUL. */
bool rn_out_grow(struct rn_out *out, size_t more)
{
    size_t cap = out->cap != 0 ? out->cap : 1024;
    char *grown;

    while (cap - out->len <= more) {
        if (cap > SIZE_MAX / 2) {
            out->err = RN_E_NOMEM;
            return false;
        }
        cap *= 2;
    }
    grown = realloc(out->buf, cap);
    if (grown == NULL) {
        out->err = RN_E_NOMEM;
        return false;
    }
    out->buf = grown;
    out->cap = cap;
    return true;
}

void rn_out_spill(struct rn_out *out)
{
    if (out->file == NULL || out->len == 0 || out->err < 0)
        return;
    errno = 0;
    if (fwrite(out->buf, 1, out->len, out->file) != out->len || fflush(out->file) != 0)
        out->err = rn_err_from_errno(errno != 0 ? errno : EIO);
    out->len = 0;
}

void rn_out_strn(struct rn_out *out, const char *s, size_t n)
{
    char *room = rn_out_room(out, n);

    if (room == NULL)
        return;
    memcpy(room, s, n);
    rn_out_took(out, n);
}

void rn_out_str(struct rn_out *out, const char *s)
{
    rn_out_strn(out, s, strlen(s));
}

void rn_out_char(struct rn_out *out, char c)
{
    char *room = rn_out_room(out, 1);

    if (room == NULL)
        return;
    *room = c;
    rn_out_took(out, 1);
}

char *rn_out_digits(char *at, uint64_t v)
{
    char digits[20]; /* of 2^64 - 1 */
    size_t n = 0;

    if (v < 10) { /* most are */
        *at = (char)('0' + v);
        return at + 1;
    }
    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    while (n != 0)
        *at++ = digits[--n];
    return at;
}

void rn_out_u64(struct rn_out *out, uint64_t v)
{
    char *room = rn_out_room(out, 20);

    if (room != NULL)
        rn_out_took(out, (size_t)(rn_out_digits(room, v) - room));
}

void rn_out_fmt(struct rn_out *out, const char *fmt, ...)
{
    char text[512];
    va_list args;
    int n;

    va_start(args, fmt);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): the line above */
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (n < 0)
        return;
    if ((size_t)n < sizeof(text)) {
        rn_out_strn(out, text, (size_t)n);
        return;
    }
    if (rn_out_room(out, (size_t)n) == NULL)
        return;
    va_start(args, fmt);
    (void)vsnprintf(out->buf + out->len, out->cap - out->len, fmt, args);
    va_end(args);
    out->len += (size_t)n;
}

int rn_out_flush(struct rn_out *out)
{
    rn_out_spill(out);
    return out->err;
}

void rn_out_free(struct rn_out *out)
{
    free(out->buf);
    *out = (struct rn_out){ 0 };
}
