#pragma once
/*
 * Memory of one picture: allocated piece by piece, freed at once. Bounded, since the bytes it is filled from may be
 * hostile: beyond the budget every request answers NULL and .is_full latches.
 */
#include "base/view.h"

struct rn_arena_chunk;

struct rn_arena {
    struct rn_arena_chunk *chunks; /* newest first */
    size_t used_bytes;             /* of the newest chunk */
    size_t held_bytes;             /* of all chunks */
    size_t budget_bytes;           /* 0: RN_ARENA_BUDGET_BYTES */
    bool is_full;
};

#define RN_ARENA_BUDGET_BYTES ((size_t)512 << 20)

/* Zeroed, aligned for any type; NULL when the budget or memory is exhausted. */
void *rn_arena_new(struct rn_arena *a, size_t bytes);
/* The array @items of @n elements with room for one more, which is not yet counted. Arrays only grow here, so that
 * their capacity follows from @n. NULL as above; then @items is unchanged. */
void *rn_arena_room(struct rn_arena *a, void *items, size_t n, size_t item_bytes);
/* A NUL-terminated copy up to the first NUL of @v; "" when there is no memory, so never NULL. */
const char *rn_arena_str(struct rn_arena *a, struct rn_view v);
const char *rn_arena_strdup(struct rn_arena *a, const char *s);
const char *rn_arena_join(struct rn_arena *a, const char *one, const char *between,
                          const char *other);
void rn_arena_free(struct rn_arena *a);
