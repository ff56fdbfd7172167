#pragma once
/* A counting allocator for tests: knows what is out, and can fail on the n-th call. */
#include "base/alloc.h"
#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct rn_test_alloc {
    struct rn_alloc alloc; /* hand out &t.alloc; .ctx points back, so the struct must not move */
    size_t n_live;
    size_t bytes_live;
    size_t bytes_peak;
    uint64_t n_calls;
    uint64_t fail_at;    /* the n-th call from now on fails, counting from 1; 0: never */
    bool fail_forever;   /* and all after it */
    uint64_t fail_every; /* besides: each n-th call fails; 0: none does */
};

static inline bool rn_test_alloc_fails(struct rn_test_alloc *t)
{
    if (t->fail_every != 0 && t->n_calls % t->fail_every == 0)
        return true;
    if (t->fail_at == 0)
        return false;
    if (t->fail_at > 1) {
        t->fail_at--;
        return false;
    }
    t->fail_at = t->fail_forever ? 1 : 0;
    return true;
}

static inline void *rn_test_alloc_get(void *ctx, size_t bytes)
{
    struct rn_test_alloc *t = ctx;
    void *ptr;

    t->n_calls++;
    if (rn_test_alloc_fails(t))
        return NULL;
    ptr = calloc(1, bytes);
    assert_non_null(ptr);
    t->n_live++;
    t->bytes_live += bytes;
    if (t->bytes_live > t->bytes_peak)
        t->bytes_peak = t->bytes_live;
    return ptr;
}

static inline void rn_test_alloc_put(void *ctx, void *ptr, size_t bytes)
{
    struct rn_test_alloc *t = ctx;

    assert_true(t->n_live > 0);
    assert_true(t->bytes_live >= bytes);
    t->n_live--;
    t->bytes_live -= bytes;
    memset(ptr, 0xdd, bytes); /* the size must be the true one, and use after free must show */
    free(ptr);
}

static inline void rn_test_alloc_init(struct rn_test_alloc *t)
{
    *t = (struct rn_test_alloc){ .alloc = { rn_test_alloc_get, rn_test_alloc_put, t } };
}

/* The leak check of every test. */
static inline void rn_test_alloc_fini(struct rn_test_alloc *t)
{
    assert_int_equal(t->n_live, 0);
    assert_int_equal(t->bytes_live, 0);
}
