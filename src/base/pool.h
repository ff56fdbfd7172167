#pragma once
/*
 * One pool per thread, outliving its stacks: free lists of packets and of payload slabs, grown in chunks through
 * rn_alloc and never beyond a budget. Nothing here is shared between threads. No kind of object can take the whole budget
 * from the others: each has a share, and what lies free in one is given to another that wants it.
 */
#include "base/alloc.h"
#include "base/buf.h"
#include <runnel/attr.h>

#include <stdint.h>

struct rn_pkt;

struct rn_pool_limits {
    size_t max_bytes; /* of slabs and packets together; 0: RN_POOL_DEFAULT_MAX_BYTES */
};

#define RN_POOL_DEFAULT_MAX_BYTES ((size_t)512 << 20)

struct rn_pool_stats {
    size_t bytes_max;    /* the budget */
    size_t bytes_held;   /* taken from the allocator */
    size_t bytes_in_use; /* handed out */
    size_t pkts_in_use;
    size_t small_in_use;
    size_t big_in_use;
    size_t lent_in_use; /* memory of applications that a buffer still refers to */
    uint64_t failures;  /* requests refused by budget or allocator */
};

/* Returns owned. Errors: NOMEM. Copies @alloc. */
RN_MUST_USE int rn_pool_new(struct rn_pool **ret, const struct rn_alloc *alloc,
                            const struct rn_pool_limits *limits);
/* Consumes @pool; every buffer and packet must have come home (rn_assert). Returns NULL. */
struct rn_pool *rn_pool_free(struct rn_pool *pool);
const struct rn_alloc *rn_pool_alloc(const struct rn_pool *pool);
void rn_pool_get_stats(const struct rn_pool *pool, struct rn_pool_stats *ret);
/* Gives wholly free chunks back to the allocator; call off the packet path. */
void rn_pool_trim(struct rn_pool *pool);
