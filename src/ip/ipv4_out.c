#include "ip/out.h"
#include "ip/state.h"
#include "wire/eth.h"
#include "wire/ipv4.h"

#include <runnel/err.h>

static struct rn_ipv4_hdr header_of(const struct rn_ip_tx *tx)
{
    const struct rn_ip_out *out = tx->out;

    return (struct rn_ipv4_hdr){
        .src = tx->src,
        .dst = out->dst,
        .tos = out->tos,
        .ttl = out->ttl != 0 ? out->ttl : tx->stack->opts.default_ttl,
        .proto = out->proto,
    };
}

static void send_with(const struct rn_ip_tx *tx, struct rn_ipv4_hdr *hdr, struct rn_pkt *pkt)
{
    uint8_t *at = rn_pkt_push(pkt, RN_IPV4_HDR_BYTES);

    if (at == NULL) {
        rn_pkt_drop(pkt, RN_DROP_NOMEM);
        return;
    }
    hdr->total_len = rn_sat_u16(pkt->len);
    rn_ipv4_emit(hdr, at);
    pkt->ethertype = RN_ETHERTYPE_IPV4;
    pkt->l3_len = RN_IPV4_HDR_BYTES;
    rn_ip_send(tx->stack, tx->flow, tx->out, pkt);
}

static uint16_t next_id(const struct rn_ip_tx *tx)
{
    struct rn_ip_state *state = rn_ip_state_of(tx->stack, RN_L3_V4);

    return (uint16_t)rn_ip_next_id(state, tx->src, tx->out->dst);
}

/* Consumes @pkt. */
static int send_fragments(const struct rn_ip_tx *tx, struct rn_ipv4_hdr *hdr, struct rn_pkt *pkt)
{
    size_t step = (tx->mtu - RN_IPV4_HDR_BYTES) & ~(size_t)7;
    size_t total = pkt->len;

    for (size_t off = 0; off < total; off += step) {
        size_t len = rn_min_size(step, total - off);
        struct rn_pkt *part = rn_frag_slice(pkt, off, len);

        if (part == NULL) {
            rn_pkt_drop(pkt, RN_DROP_NOMEM);
            return RN_E_NO_BUFFER;
        }
        hdr->frag_off_bytes = rn_sat_u16(off);
        hdr->more_fragments = off + len < total;
        tx->stack->stats.ip_frag_created++;
        send_with(tx, hdr, part);
    }
    rn_pkt_free(pkt);
    return RN_OK;
}

int rn_ipv4_output(const struct rn_ip_tx *tx, struct rn_pkt *pkt)
{
    struct rn_ipv4_hdr hdr = header_of(tx);
    int err;

    if (pkt->len > RN_IPV4_TOTAL_MAX - RN_IPV4_HDR_BYTES) {
        rn_pkt_drop(pkt, RN_DROP_TOO_BIG);
        return RN_E_MSG_TOO_LONG;
    }
    hdr.dont_fragment = (pkt->flags & RN_PKT_NO_FRAGMENT) != 0;
    /* RFC 6864 §4.1: the identification of what is never cut means nothing. */
    if (!hdr.dont_fragment)
        hdr.id = next_id(tx);
    if (RN_LIKELY(rn_pkt_wire_len(pkt) + RN_IPV4_HDR_BYTES <= tx->mtu)) {
        send_with(tx, &hdr, pkt);
        return RN_OK;
    }
    err = rn_frag_prepare(pkt);
    if (err < 0 || tx->mtu < RN_IPV4_MTU_MIN) {
        rn_pkt_drop(pkt, RN_DROP_TOO_BIG);
        return err < 0 ? err : RN_E_MSG_TOO_LONG;
    }
    return send_fragments(tx, &hdr, pkt);
}
