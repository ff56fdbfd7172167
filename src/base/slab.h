#pragma once
/*
 * Inside of the pool, for pool.c, buf.c and pkt.c alone: one free list per kind of object. Objects lie in chunks, each
 * behind a word that names its chunk, so that rn_pool_trim() can tell which chunks are wholly free while new and free
 * stay a pop and a push.
 */
#include "base/pkt.h"
#include "base/pool.h"
#include <runnel/attr.h>

struct slab_chunk;

struct slab {
    void *free; /* first free object; each links the next by its own member */
    struct slab_chunk *chunks;
    size_t in_use;
    size_t bytes_held; /* of its chunks */
};

enum slab_kind {
    SLAB_SMALL = RN_BUF_SMALL,
    SLAB_BIG = RN_BUF_BIG,
    SLAB_LENT = RN_BUF_LENT,
    SLAB_PKT,
    SLAB_COUNT
};

struct rn_pool {
    struct rn_alloc alloc;
    struct slab slabs[SLAB_COUNT];
    size_t max_bytes;
    size_t bytes_held;
    size_t in_use_at_trim; /* bytes handed out when a want last made us trim, or more since then */
    uint64_t failures;
    struct rn_drop_account drops;
};

/* All of a free packet but its link; of a free buffer only the payload is hidden, since the header keeps its home. */
static inline void rn_slab_hide_pkt(struct rn_pkt *pkt)
{
    RN_HIDE((uint8_t *)pkt + sizeof(pkt->next), sizeof(*pkt) - sizeof(pkt->next));
}

/* Puts at least one object on the free list, or counts a failure and returns false. */
bool rn_slab_grow(struct rn_pool *pool, enum slab_kind kind);
