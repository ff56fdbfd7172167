#include "ip/out.h"

#include <runnel/err.h>

int rn_frag_prepare(struct rn_pkt *pkt)
{
    if ((pkt->flags & RN_PKT_NO_FRAGMENT) != 0 || pkt->gso != RN_GSO_NONE)
        return RN_E_MSG_TOO_LONG;
    /* A fragment cannot carry an unfinished sum over the whole. */
    if (pkt->csum == RN_CSUM_PARTIAL && !rn_pkt_complete_checksum(pkt))
        return RN_E_MALFORMED;
    return RN_OK;
}

static bool append_frags(struct rn_pkt *slice, const struct rn_pkt *pkt, size_t skip, size_t len)
{
    for (unsigned i = 0; i < pkt->n_frags && len != 0; i++) {
        const struct rn_frag *f = &pkt->frags[i];
        size_t from = rn_min_size(skip, f->len);
        size_t part = rn_min_size(len, f->len - from);

        skip -= from;
        len -= part;
        if (!rn_pkt_append_ref(slice, f->buf, f->off + (uint32_t)from, (uint32_t)part))
            return false;
    }
    return len == 0;
}

struct rn_pkt *rn_frag_slice(const struct rn_pkt *pkt, size_t off, size_t len)
{
    struct rn_pkt *slice = rn_pkt_new(pkt->pool);
    size_t in_head = off < pkt->head_len ? rn_min_size(len, pkt->head_len - off) : 0;
    uint8_t *to;

    if (slice == NULL)
        return NULL;
    slice->account = pkt->account;
    slice->l4_proto = pkt->l4_proto;
    slice->tos = pkt->tos;
    slice->flags = pkt->flags;
    slice->flow_hash = pkt->flow_hash;
    to = in_head != 0 ? rn_pkt_push(slice, in_head) : NULL;
    if (to != NULL)
        memcpy(to, pkt->head + pkt->head_off + off, in_head);
    off -= rn_min_size(off, pkt->head_len);
    if (append_frags(slice, pkt, off, len - in_head))
        return slice;
    rn_pkt_free(slice);
    return NULL;
}
