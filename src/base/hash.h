#pragma once
/*
 * Intrusive hash table: chained buckets, power-of-two size, grown incrementally (a few buckets per insert, so that
 * no single insert stalls). The caller hashes (hashkey.h) and compares; the table knows only 32-bit hashes.
 */
#include "base/alloc.h"
#include <runnel/attr.h>

#include <stdbool.h>
#include <stdint.h>

struct rn_hash_node {
    struct rn_hash_node *next;
    uint32_t hash;
};

struct rn_hash {
    const struct rn_alloc *alloc; /* borrows */
    struct rn_hash_node **buckets;
    struct rn_hash_node **old; /* being emptied while growing; else NULL */
    uint32_t n_buckets;
    uint32_t n_old;
    uint32_t moved; /* buckets of old moved so far */
    uint32_t n_nodes;
};

/* @n_buckets is rounded up to a power of two. Errors: NOMEM. */
RN_MUST_USE int rn_hash_init(struct rn_hash *h, const struct rn_alloc *alloc, uint32_t n_buckets);
/* The table must be empty (rn_assert). */
void rn_hash_fini(struct rn_hash *h);
/* Never fails: when growing cannot get memory the chains get longer. */
void rn_hash_insert(struct rn_hash *h, struct rn_hash_node *node, uint32_t hash);
void rn_hash_remove(struct rn_hash *h, struct rn_hash_node *node);
/* First node with @hash, then the next one: for (n = first; n; n = next(n)) if (same(n)) ... */
struct rn_hash_node *rn_hash_first(const struct rn_hash *h, uint32_t hash);
struct rn_hash_node *rn_hash_next(const struct rn_hash_node *node);
/* Calls @fn for every node; @fn may remove that node. Stops when @fn returns false. */
void rn_hash_for_each(struct rn_hash *h, bool (*fn)(struct rn_hash_node *node, void *arg),
                      void *arg);
