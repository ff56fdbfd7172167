#pragma once
/* Where drawings go: a buffer that grows, and empties itself into a file if it has one. Failures latch. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct rn_out {
    FILE *file; /* borrows; NULL: keep everything in memory */
    char *buf;  /* NUL-terminated once anything was written */
    size_t len;
    size_t cap;
    int err; /* the first failure: NOMEM or host */
};

#define RN_OUT_FLUSH_BYTES ((size_t)64 << 10)

/* What the two below do when they cannot do it at once. */
bool rn_out_grow(struct rn_out *out, size_t n);
void rn_out_spill(struct rn_out *out);

/* Where @n bytes may be written, to be followed by rn_out_took() of how many were; NULL: there is no room. */
static inline char *rn_out_room(struct rn_out *out, size_t n)
{
    if (out->err != 0 || (out->cap - out->len <= n && !rn_out_grow(out, n)))
        return NULL;
    return out->buf + out->len;
}

static inline void rn_out_took(struct rn_out *out, size_t n)
{
    out->len += n;
    out->buf[out->len] = '\0';
    if (out->len >= RN_OUT_FLUSH_BYTES)
        rn_out_spill(out);
}

/* Writes @v, up to 20 digits, and returns where they end. Digits are most of a drawing for programs: printf's machinery
 * would be most of its cost. */
char *rn_out_digits(char *at, uint64_t v);

/* Zero is a valid memory sink: `struct rn_out out = { 0 };` */
void rn_out_strn(struct rn_out *out, const char *s, size_t n);
void rn_out_str(struct rn_out *out, const char *s);
void rn_out_char(struct rn_out *out, char c);
void rn_out_u64(struct rn_out *out, uint64_t v);
void rn_out_fmt(struct rn_out *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Writes out what is held if there is a file. Returns 0 or the first failure. */
int rn_out_flush(struct rn_out *out);
void rn_out_free(struct rn_out *out);
