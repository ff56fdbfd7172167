#include "io/rx_slab.h"

#include <runnel/err.h>

int rn_rx_slab_init(struct rn_rx_slab *slab, struct rn_pool *pool)
{
    slab->pkt = rn_pkt_new(pool);
    slab->small = rn_buf_new(pool, RN_BUF_SMALL);
    slab->big = rn_buf_new(pool, RN_BUF_BIG);
    if (slab->pkt != NULL && slab->small != NULL && slab->big != NULL)
        return RN_OK;
    rn_rx_slab_fini(slab);
    return RN_E_NOMEM;
}

void rn_rx_slab_fini(struct rn_rx_slab *slab)
{
    rn_pkt_free(slab->pkt);
    rn_buf_unref(slab->small);
    rn_buf_unref(slab->big);
    *slab = (struct rn_rx_slab){ 0 };
}

void rn_rx_slab_iov(const struct rn_rx_slab *slab, struct iovec ret[2])
{
    ret[0] = (struct iovec){ slab->small->data, RN_BUF_SMALL_BYTES };
    ret[1] = (struct iovec){ slab->big->data, RN_BUF_BIG_BYTES };
}

/* Hands our reference over to @pkt. */
static void give(struct rn_pkt *pkt, struct rn_buf *buf, size_t len)
{
    bool fits = rn_pkt_append_ref(pkt, buf, 0, rn_sat_u32(len));

    rn_assert(fits); /* a fresh packet has room for two */
    rn_buf_unref(buf);
}

static struct rn_pkt *take_small(struct rn_rx_slab *slab, size_t len,
                                 const struct rn_rx_slab *fresh)
{
    struct rn_pkt *pkt = slab->pkt;
    struct rn_buf *big = slab->big;
    size_t first = rn_min_size(len, RN_BUF_SMALL_BYTES);

    give(pkt, slab->small, first);
    slab->pkt = fresh->pkt;
    slab->small = fresh->small;
    if (len == first || rn_pkt_append_copy(pkt, big->data, len - first))
        return pkt;
    rn_pkt_free(pkt);
    return NULL;
}

static struct rn_pkt *take_both(struct rn_rx_slab *slab, size_t len, const struct rn_rx_slab *fresh)
{
    struct rn_pkt *pkt = slab->pkt;

    give(pkt, slab->small, RN_BUF_SMALL_BYTES);
    give(pkt, slab->big, len - RN_BUF_SMALL_BYTES);
    *slab = *fresh;
    return pkt;
}

struct rn_pkt *rn_rx_slab_take(struct rn_rx_slab *slab, size_t len)
{
    struct rn_pool *pool = slab->pkt->pool;
    bool needs_big = len > RN_BUF_SMALL_BYTES + RN_RX_COPY_MAX_BYTES;
    struct rn_rx_slab fresh = {
        .pkt = rn_pkt_new(pool),
        .small = rn_buf_new(pool, RN_BUF_SMALL),
        .big = needs_big ? rn_buf_new(pool, RN_BUF_BIG) : NULL,
    };

    if (fresh.pkt == NULL || fresh.small == NULL || (needs_big && fresh.big == NULL)) {
        rn_rx_slab_fini(&fresh);
        return NULL;
    }
    return needs_big ? take_both(slab, len, &fresh) : take_small(slab, len, &fresh);
}
