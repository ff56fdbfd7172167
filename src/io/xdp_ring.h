#pragma once
/* One of the four rings that an AF_XDP socket shares with the kernel: one side writes entries, the other reads them. */
#include <runnel/attr.h>

#include <linux/if_xdp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rn_xdp_ring {
    void *map; /* NULL: not mapped */
    size_t map_bytes;
    _Atomic uint32_t *producer;
    _Atomic uint32_t *consumer;
    uint8_t *entries;
    uint32_t size;  /* entries; a power of two */
    uint32_t ours;  /* our position: where we write next, or read next */
    uint32_t known; /* the kernel's position, as we saw it last */
};

enum rn_xdp_ring_kind { RN_XDP_RX, RN_XDP_TX, RN_XDP_FILL, RN_XDP_DONE, RN_XDP_RINGS };

/* Sizes ring @kind of socket @fd and maps it. Errors: host. */
RN_MUST_USE int rn_xdp_ring_map(struct rn_xdp_ring *ring, int fd, enum rn_xdp_ring_kind kind,
                                uint32_t size);
void rn_xdp_ring_unmap(struct rn_xdp_ring *ring);

/* Writing: how many entries are free; then put them and publish. */
static inline uint32_t rn_xdp_ring_room(struct rn_xdp_ring *ring)
{
    if (ring->ours - ring->known == ring->size)
        ring->known = atomic_load_explicit(ring->consumer, memory_order_acquire);
    return ring->size - (ring->ours - ring->known);
}

static inline void rn_xdp_ring_publish(struct rn_xdp_ring *ring)
{
    atomic_store_explicit(ring->producer, ring->ours, memory_order_release);
}

/* Reading: how many entries wait; then take them and give them back. */
static inline uint32_t rn_xdp_ring_waiting(struct rn_xdp_ring *ring)
{
    if (ring->ours == ring->known)
        ring->known = atomic_load_explicit(ring->producer, memory_order_acquire);
    return ring->known - ring->ours;
}

static inline void rn_xdp_ring_give_back(struct rn_xdp_ring *ring)
{
    atomic_store_explicit(ring->consumer, ring->ours, memory_order_release);
}

/* The entry at our position, which moves on: a descriptor of RX and TX, an address of FILL and DONE. */
static inline struct xdp_desc *rn_xdp_ring_desc(struct rn_xdp_ring *ring)
{
    return (struct xdp_desc *)(void *)ring->entries + (ring->ours++ & (ring->size - 1));
}

static inline uint64_t *rn_xdp_ring_addr(struct rn_xdp_ring *ring)
{
    return (uint64_t *)(void *)ring->entries + (ring->ours++ & (ring->size - 1));
}
