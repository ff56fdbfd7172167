#pragma once
/*
 * A split virtqueue (VIRTIO 1.2 §2.7) from the device's side. The driver's side is a stranger who may write anything there at any
 * time: every word is read once, by an atomic load, and checked before it is used; a ring that is no ring is broken for good.
 * Words are little-endian, as those of a VIRTIO 1 device, or of an older one on a little-endian machine.
 */
#include "io/vhost_mem.h"

#include <stdatomic.h>
#include <sys/uio.h>

/* QEMU's VIRTQUEUE_MAX_SIZE; §2.7 would allow 32768. */
#define RN_VHOST_RING_MAX 1024u
/* Of one packet: pieces of memory, and chains where buffers are merged. */
#define RN_VHOST_PIECES_MAX 1024u
#define RN_VHOST_CHAINS_MAX 256u

struct rn_vhost_used {
    _Atomic uint32_t id;
    _Atomic uint32_t len;
};

/* Where the three parts of a ring are with us. */
struct rn_vhost_parts {
    const void *desc;
    void *avail;
    void *used;
};

/* Zero is no ring. */
struct rn_vhost_ring {
    const struct rn_vhost_mem *mem; /* borrows */
    struct rn_vhost_parts parts;
    uint32_t size;     /* entries; a power of two */
    uint16_t taken_at; /* next entry of the available ring */
    uint16_t used_at;  /* next entry of the used ring */
    uint16_t told_at;  /* the used index that the driver knows */
    uint16_t seen;     /* the available index, as we saw it last */
    bool has_event_idx;
    bool has_told;      /* .told_at means something */
    const char *broken; /* what was wrong; NULL: nothing yet */
};

struct rn_vhost_chain {
    uint16_t head;
    uint32_t bytes;
};

/* What one or more chains describe, in order. */
struct rn_vhost_span {
    struct iovec pieces[RN_VHOST_PIECES_MAX];
    unsigned n_pieces;
    struct rn_vhost_chain chains[RN_VHOST_CHAINS_MAX];
    unsigned n_chains;
    uint64_t bytes;
};

enum rn_vhost_dir {
    RN_VHOST_READ, /* what the driver sends: memory we may only read */
    RN_VHOST_WRITE /* what it receives into */
};

/* Bytes of each part of a ring of @size. */
static inline uint64_t rn_vhost_desc_bytes(uint32_t size)
{
    return (uint64_t)16 * size;
}
static inline uint64_t rn_vhost_avail_bytes(uint32_t size)
{
    return (uint64_t)6 + (uint64_t)2 * size;
}
static inline uint64_t rn_vhost_used_bytes(uint32_t size)
{
    return (uint64_t)6 + (uint64_t)8 * size;
}

/* A ring whose parts are in memory and aligned (16, 2 and 4 bytes), and goes on at @base of the available ring. */
void rn_vhost_ring_start(struct rn_vhost_ring *ring, const struct rn_vhost_parts *parts,
                         uint32_t size, uint16_t base);
/* Chains that wait, at most what the ring holds. 0 of a broken ring. */
uint32_t rn_vhost_ring_waiting(struct rn_vhost_ring *ring);
/* Takes the next chain and appends it to @span. false: none waits, or the ring is broken. */
bool rn_vhost_ring_take(struct rn_vhost_ring *ring, enum rn_vhost_dir dir,
                        struct rn_vhost_span *span);
/* The last @n chains were not taken after all. */
void rn_vhost_ring_put_back(struct rn_vhost_ring *ring, unsigned n);
/* Chain @head goes back to the driver, @bytes of it written; told by the next publish. */
void rn_vhost_ring_use(struct rn_vhost_ring *ring, uint16_t head, uint32_t bytes);
/* Makes what was used visible. true: the driver wants to be interrupted for it. */
bool rn_vhost_ring_publish(struct rn_vhost_ring *ring);
/* Asks for a kick at the next chain beyond those we saw. Whoever does so looks once more (rn_vhost_ring_waiting). */
void rn_vhost_ring_ask_kick(struct rn_vhost_ring *ring);
/* No kick until then. */
void rn_vhost_ring_hush(struct rn_vhost_ring *ring);
