#pragma once
/* 32-bit sequence numbers (RFC 9293 §3.4): arithmetic modulo 2^32. The only place `<` on them is defined. */
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint32_t v;
} rn_seq;

static inline rn_seq rn_seq_of(uint32_t v)
{
    return (rn_seq){ v };
}

static inline rn_seq rn_seq_add(rn_seq a, uint32_t n)
{
    return (rn_seq){ a.v + n };
}

static inline rn_seq rn_seq_sub(rn_seq a, uint32_t n)
{
    return (rn_seq){ a.v - n };
}

/* Signed distance a - b. */
static inline int32_t rn_seq_diff(rn_seq a, rn_seq b)
{
    return (int32_t)(a.v - b.v);
}

static inline bool rn_seq_eq(rn_seq a, rn_seq b)
{
    return a.v == b.v;
}

static inline bool rn_seq_lt(rn_seq a, rn_seq b)
{
    return (int32_t)(a.v - b.v) < 0;
}

static inline bool rn_seq_le(rn_seq a, rn_seq b)
{
    return (int32_t)(a.v - b.v) <= 0;
}

static inline bool rn_seq_gt(rn_seq a, rn_seq b)
{
    return rn_seq_lt(b, a);
}

static inline bool rn_seq_ge(rn_seq a, rn_seq b)
{
    return rn_seq_le(b, a);
}

static inline rn_seq rn_seq_max(rn_seq a, rn_seq b)
{
    return rn_seq_lt(a, b) ? b : a;
}

static inline rn_seq rn_seq_min(rn_seq a, rn_seq b)
{
    return rn_seq_lt(a, b) ? a : b;
}
