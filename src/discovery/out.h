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

/* Zero is a valid memory sink: `struct rn_out out = { 0 };` */
void rn_out_strn(struct rn_out *out, const char *s, size_t n);
void rn_out_str(struct rn_out *out, const char *s);
void rn_out_char(struct rn_out *out, char c);
void rn_out_i64(struct rn_out *out, int64_t v);
void rn_out_u64(struct rn_out *out, uint64_t v);
void rn_out_fmt(struct rn_out *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Writes out what is held if there is a file. Returns 0 or the first failure. */
int rn_out_flush(struct rn_out *out);
void rn_out_free(struct rn_out *out);
