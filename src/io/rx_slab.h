#pragma once
/*
 * Where a frame lands before its size is known: a packet, a small slab and a big one behind it, always at hand. A
 * frame of up to 2 KiB takes the small slab only, so that it never pins a big one; the big slab waits for the next.
 */
#include "base/pktq.h"
#include <runnel/attr.h>

#include <sys/uio.h>

struct rn_rx_slab {
    struct rn_pkt *pkt;
    struct rn_buf *small;
    struct rn_buf *big;
};

/* A frame that fills all of it was cut by the kernel. */
#define RN_RX_SLAB_BYTES (RN_BUF_SMALL_BYTES + RN_BUF_BIG_BYTES)
/* What is beyond the small slab is copied into small slabs rather than pinning a big one, up to this many bytes. */
#define RN_RX_COPY_MAX_BYTES (3u * RN_BUF_SMALL_BYTES)

/* Errors: NOMEM. */
RN_MUST_USE int rn_rx_slab_init(struct rn_rx_slab *slab, struct rn_pool *pool);
void rn_rx_slab_fini(struct rn_rx_slab *slab);
/* Where to receive into; borrowed until the next take. */
void rn_rx_slab_iov(const struct rn_rx_slab *slab, struct iovec ret[2]);
/* Makes a packet of the first @len received bytes (len < RN_RX_SLAB_BYTES) and refills the slab. Returns owned, or NULL when
 * memory is short: then the frame is lost and the slab is as before. */
struct rn_pkt *rn_rx_slab_take(struct rn_rx_slab *slab, size_t len);
