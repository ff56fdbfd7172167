#pragma once
/*
 * Allocator hooks. The core has no malloc: whoever creates a turn hands one of these in (io/ has the libc one).
 * Tests hand in one that counts, or fails on the n-th call.
 */
#include <stddef.h>

struct rn_alloc {
    void *(*alloc)(void *ctx, size_t bytes);          /* zeroed; NULL when out of memory */
    void (*free)(void *ctx, void *ptr, size_t bytes); /* @bytes as allocated; @ptr is not NULL */
    void *ctx;
};

/* Returns owned zeroed memory or NULL. */
void *rn_alloc_new(const struct rn_alloc *a, size_t bytes);
/* Zeroed array of @n; NULL on overflow of n * size too. */
void *rn_alloc_array(const struct rn_alloc *a, size_t n, size_t size);
/* Consumes @ptr, which may be NULL. */
void rn_alloc_free(const struct rn_alloc *a, void *ptr, size_t bytes);
