#pragma once
/*
 * What two sides of a shared-memory device share: one page of words, then the first side's ring, then the second's. A ring is bytes;
 * a record is its length (4 bytes, host order: one machine), RN_VNET_HDR_BYTES if there are offloads, the packet, padding to 8.
 * Positions count up and wrap at 2^32; the ring's size is a power of two.
 */
#include <stdatomic.h>
#include <stdint.h>

#define RN_SHM_MAGIC      0x726e7368u /* "rnsh" */
#define RN_SHM_VERSION    1u
#define RN_SHM_PAGE_BYTES 4096u
#define RN_SHM_RECORD_HDR 4u
#define RN_SHM_ALIGN      8u

/* Each word has a cache line of its own, for each is written by one side only, but for the two that ask for a wake. */
struct rn_shm_word {
    _Alignas(64) _Atomic uint32_t v;
};

struct rn_shm_lane {
    struct rn_shm_word head;          /* written by the sender: end of what is there */
    struct rn_shm_word tail;          /* written by the receiver: start of what is there */
    struct rn_shm_word reader_sleeps; /* set by the receiver, taken back by who wakes it */
    struct rn_shm_word writer_sleeps; /* set by the sender that found no room */
    struct rn_shm_word is_closed;     /* set by the sender: no more follows */
};

struct rn_shm_page {
    uint32_t magic;
    uint32_t version;
    uint32_t ring_bytes;
    uint32_t mtu;
    uint32_t is_ethernet;
    uint32_t has_offload;
    struct rn_shm_lane lane[2]; /* [0]: the first side sends */
};

_Static_assert(sizeof(struct rn_shm_page) <= RN_SHM_PAGE_BYTES, "fits its page");
