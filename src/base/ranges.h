#pragma once
/* Sorted set of disjoint, non-adjacent ranges [from, to) of uint64: SACK blocks, reassembly holes, port ranges. */
#include "base/alloc.h"
#include <runnel/attr.h>

#include <stdbool.h>
#include <stdint.h>

struct rn_range {
    uint64_t from;
    uint64_t to;
};

struct rn_ranges {
    const struct rn_alloc *alloc; /* borrows */
    struct rn_range *items;
    uint32_t n;
    uint32_t cap;
    uint32_t max; /* 0: no limit */
};

void rn_ranges_init(struct rn_ranges *r, const struct rn_alloc *alloc, uint32_t max);
void rn_ranges_fini(struct rn_ranges *r);
/* Adds [from, to), merging with what it touches; empty ranges are ignored. Errors: NOMEM, LIMIT (nothing changed). */
RN_MUST_USE int rn_ranges_add(struct rn_ranges *r, uint64_t from, uint64_t to);
/* Removes [from, to), splitting what it cuts. Errors: NOMEM, LIMIT (when a split does not fit; nothing changed). */
RN_MUST_USE int rn_ranges_remove(struct rn_ranges *r, uint64_t from, uint64_t to);
/* All of [from, to) is in the set; true of an empty range. */
bool rn_ranges_contains(const struct rn_ranges *r, uint64_t from, uint64_t to);
/* Some of it is. */
bool rn_ranges_overlaps(const struct rn_ranges *r, uint64_t from, uint64_t to);
uint64_t rn_ranges_total(const struct rn_ranges *r);
/* Index of the first range with to > @at; r->n if none. O(log n). */
uint32_t rn_ranges_find(const struct rn_ranges *r, uint64_t at);
