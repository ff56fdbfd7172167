#include "ip/out.h"
#include "ip/state.h"
#include "wire/eth.h"
#include "wire/ipv6.h"
#include "wire/ipv6_ext.h"

#include <runnel/err.h>

static struct rn_ipv6_hdr header_of(const struct rn_ip_tx *tx)
{
    const struct rn_ip_out *out = tx->out;

    return (struct rn_ipv6_hdr){
        .src = tx->src,
        .dst = out->dst,
        .flow_label = out->flow_label,
        .traffic_class = out->tos,
        .hop_limit = out->ttl != 0 ? out->ttl : tx->stack->opts.default_ttl,
        .next = out->proto,
    };
}

static void send_with(const struct rn_ip_tx *tx, struct rn_ipv6_hdr *hdr, struct rn_pkt *pkt)
{
    uint16_t payload_len = rn_sat_u16(pkt->len);
    uint8_t *at = rn_pkt_push(pkt, RN_IPV6_HDR_BYTES);

    if (at == NULL) {
        rn_pkt_drop(pkt, RN_DROP_NOMEM);
        return;
    }
    hdr->payload_len = payload_len;
    rn_ipv6_emit(hdr, at);
    pkt->ethertype = RN_ETHERTYPE_IPV6;
    pkt->l3_len = RN_IPV6_HDR_BYTES;
    rn_ip_send(tx->stack, tx->flow, tx->out, pkt);
}

static bool push_fragment_header(struct rn_pkt *pkt, const struct rn_ipv6_frag *frag, uint8_t next)
{
    uint8_t *at = rn_pkt_push(pkt, RN_IPV6_FRAG_BYTES);

    if (at != NULL)
        rn_ipv6_frag_emit(frag, next, at);
    return at != NULL;
}

/* Consumes @pkt. */
static int send_fragments(const struct rn_ip_tx *tx, struct rn_ipv6_hdr *hdr, struct rn_pkt *pkt)
{
    struct rn_ipv6_frag frag = { .id = rn_ip_next_id(rn_ip_state_of(tx->stack, RN_L3_V6), tx->src,
                                                     tx->out->dst) };
    size_t step = (tx->mtu - RN_IPV6_HDR_BYTES - RN_IPV6_FRAG_BYTES) & ~(size_t)7;
    size_t total = pkt->len;

    hdr->next = RN_PROTO_FRAGMENT;
    for (size_t off = 0; off < total; off += step) {
        size_t len = rn_min_size(step, total - off);
        struct rn_pkt *part = rn_frag_slice(pkt, off, len);

        frag.off_bytes = rn_sat_u16(off);
        frag.more = off + len < total;
        if (part == NULL || !push_fragment_header(part, &frag, tx->out->proto)) {
            rn_pkt_free(part);
            rn_pkt_drop(pkt, RN_DROP_NOMEM);
            return RN_E_NO_BUFFER;
        }
        tx->stack->stats.ip_frag_created++;
        send_with(tx, hdr, part);
    }
    rn_pkt_free(pkt);
    return RN_OK;
}

int rn_ipv6_output(const struct rn_ip_tx *tx, struct rn_pkt *pkt)
{
    struct rn_ipv6_hdr hdr = header_of(tx);
    int err;

    if (pkt->len > RN_IPV6_PAYLOAD_MAX) {
        rn_pkt_drop(pkt, RN_DROP_TOO_BIG);
        return RN_E_MSG_TOO_LONG;
    }
    if (RN_LIKELY(rn_pkt_wire_len(pkt) + RN_IPV6_HDR_BYTES <= tx->mtu)) {
        send_with(tx, &hdr, pkt);
        return RN_OK;
    }
    err = rn_frag_prepare(pkt);
    if (err < 0 || tx->mtu < RN_IPV6_MTU_MIN) {
        rn_pkt_drop(pkt, RN_DROP_TOO_BIG);
        return err < 0 ? err : RN_E_MSG_TOO_LONG;
    }
    return send_fragments(tx, &hdr, pkt);
}
