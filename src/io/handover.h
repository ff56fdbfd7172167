#pragma once
/*
 * Packets on their way from one thread to another: a bounded ring with one sender and one receiver, without locks. No packet
 * changes its owner: it is lent while it lies in the ring, the receiver copies it into its own pool and says so by moving
 * on, and the sender frees what was copied when next it looks. For what is rare: a packet that came by the wrong queue.
 */
#include "base/pkt.h"

#include <stdatomic.h>

#define RN_HANDOVER_PKTS_MAX 256u /* a power of two */
/* A slow receiver must not tie up the sender's pool. */
#define RN_HANDOVER_BYTES_MAX (4u << 20)

/* Zero is an empty ring. */
struct rn_handover {
    /* Written by the sender. */
    _Atomic uint32_t sent; /* free-running, as the others */
    uint32_t freed;
    uint32_t lent_bytes;
    struct rn_pkt *slots[RN_HANDOVER_PKTS_MAX];
    /* Written by the receiver, on a cache line of its own. */
    uint8_t before[64];
    _Atomic uint32_t taken;
    uint8_t after[64];
};

/* Sender. Consumes @pkt and returns true; or returns false: full, and @pkt is still the caller's. */
RN_MUST_USE bool rn_handover_send(struct rn_handover *ring, struct rn_pkt *pkt);
/* Sender: frees what the receiver has copied. Before its pool goes, and once both threads have ended: rn_handover_fini. */
void rn_handover_reclaim(struct rn_handover *ring);
void rn_handover_fini(struct rn_handover *ring);
/* Receiver. Returns 1 with a copy in @ret, owned and of @pool; 0: empty. Errors: NOMEM, that packet is lost. */
RN_MUST_USE int rn_handover_take(struct rn_handover *ring, struct rn_pool *pool,
                                 struct rn_pkt **ret);
