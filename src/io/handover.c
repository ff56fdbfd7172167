#include "io/handover.h"

#include <runnel/err.h>

#define SLOT_MASK (RN_HANDOVER_PKTS_MAX - 1u)

static void free_until(struct rn_handover *ring, uint32_t end)
{
    while (ring->freed != end) {
        struct rn_pkt *pkt = ring->slots[ring->freed++ & SLOT_MASK];

        ring->lent_bytes -= pkt->len;
        rn_pkt_free(pkt);
    }
}

void rn_handover_reclaim(struct rn_handover *ring)
{
    free_until(ring, atomic_load_explicit(&ring->taken, memory_order_acquire));
}

void rn_handover_fini(struct rn_handover *ring)
{
    free_until(ring, atomic_load_explicit(&ring->sent, memory_order_relaxed));
}

bool rn_handover_send(struct rn_handover *ring, struct rn_pkt *pkt)
{
    uint32_t sent = atomic_load_explicit(&ring->sent, memory_order_relaxed);

    rn_handover_reclaim(ring);
    if (sent - ring->freed == RN_HANDOVER_PKTS_MAX || ring->lent_bytes > RN_HANDOVER_BYTES_MAX)
        return false;
    ring->lent_bytes += pkt->len;
    ring->slots[sent & SLOT_MASK] = pkt;
    atomic_store_explicit(&ring->sent, sent + 1, memory_order_release);
    return true;
}

/* What a device told of the bytes goes with them; whose they are and where they are kept does not. */
static void copy_metadata(struct rn_pkt *to, const struct rn_pkt *from)
{
    to->csum = from->csum;
    to->csum_start = from->csum_start;
    to->csum_offset = from->csum_offset;
    to->gso = from->gso;
    to->gso_size = from->gso_size;
    to->gso_hdr = from->gso_hdr;
    to->flags = from->flags & RN_PKT_GSO_ECN;
    to->queue = from->queue;
}

/* Returns owned, or NULL. Its headers lie in one piece, as those of any received packet do. */
static struct rn_pkt *copy_of(const struct rn_pkt *from, struct rn_pool *pool)
{
    uint8_t front[RN_PKT_PULLUP_BYTES];
    struct rn_view views[1 + RN_PKT_FRAGS_MAX];
    size_t front_len = rn_min_size(from->len, sizeof(front));
    unsigned n = rn_pkt_views(from, front_len, views, RN_ARRAY_LEN(views));
    struct rn_pkt *pkt;

    rn_pkt_copy_out(from, 0, front, front_len);
    pkt = rn_pkt_from_bytes(pool, front, front_len);
    if (pkt == NULL)
        return NULL;
    for (unsigned i = 0; i < n; i++) {
        if (!rn_pkt_append_copy(pkt, views[i].ptr, views[i].len)) {
            rn_pkt_free(pkt);
            return NULL;
        }
    }
    copy_metadata(pkt, from);
    return pkt;
}

int rn_handover_take(struct rn_handover *ring, struct rn_pool *pool, struct rn_pkt **ret)
{
    uint32_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
    struct rn_pkt *copy;

    if (taken == atomic_load_explicit(&ring->sent, memory_order_acquire))
        return 0;
    copy = copy_of(ring->slots[taken & SLOT_MASK], pool);
    atomic_store_explicit(&ring->taken, taken + 1, memory_order_release);
    if (copy == NULL)
        return RN_E_NOMEM;
    *ret = copy;
    return 1;
}
