#pragma once
/* Single-thread ring indexes over a power-of-two array the caller owns. Free-running 32-bit counters. */
#include <stdbool.h>
#include <stdint.h>

struct rn_ring {
    uint32_t head; /* next to read */
    uint32_t tail; /* next to write */
    uint32_t mask; /* size - 1 */
};

static inline uint32_t rn_ring_used(const struct rn_ring *r)
{
    return r->tail - r->head;
}

static inline uint32_t rn_ring_free(const struct rn_ring *r)
{
    return r->mask + 1 - (r->tail - r->head);
}

/* Slot to write; the ring must not be full. */
static inline uint32_t rn_ring_put(struct rn_ring *r)
{
    return r->tail++ & r->mask;
}

/* Slot to read; the ring must not be empty. */
static inline uint32_t rn_ring_get(struct rn_ring *r)
{
    return r->head++ & r->mask;
}
