#include "ip/icmp.h"

#include "base/checksum.h"
#include "wire/icmp4.h"

#include <runnel/err.h>

struct rn_view rn_icmp_front(const struct rn_pkt *pkt, uint8_t *buf, size_t max)
{
    struct rn_view front = rn_pkt_front(pkt);
    size_t len = rn_min_size(pkt->len, max);

    if (front.len >= len)
        return rn_view_of(front.ptr, len);
    rn_pkt_copy_out(pkt, 0, buf, len);
    return rn_view_of(buf, len);
}

void rn_echo_answer(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ip_in *ip,
                    uint8_t reply_type)
{
    struct rn_ip_out out = {
        .src = ip->dst, .dst = ip->src, .proto = ip->proto, .tos = ip->tos, .is_spoofed = true
    };
    struct rn_flow flow = { 0 };
    uint8_t *icmp;
    uint16_t sum;

    if (pkt->csum == RN_CSUM_PARTIAL && !rn_pkt_complete_checksum(pkt)) {
        rn_pkt_drop(pkt, RN_DROP_MALFORMED);
        return;
    }
    icmp = rn_pkt_own_front(pkt, RN_ICMP4_HDR_BYTES);
    if (icmp == NULL) {
        rn_pkt_drop(pkt, RN_DROP_NOMEM);
        return;
    }
    /* Only the type changes (and two addresses trade places, which a sum does not see). */
    sum = rn_get_be16(icmp + RN_ICMP4_CHECKSUM_AT);
    sum = rn_checksum_update16(sum, (uint16_t)(icmp[0] << 8 | icmp[1]),
                               (uint16_t)(reply_type << 8 | icmp[1]));
    icmp[0] = reply_type;
    rn_put_be16(icmp + RN_ICMP4_CHECKSUM_AT, sum);
    pkt->csum = RN_CSUM_NONE;
    pkt->flags = 0;
    pkt->time_ns = 0;
    if (rn_addr_is_link_local(ip->src))
        out.nic = nic->id;
    nic->stack->stats.icmp_out_echo_reply++;
    (void)rn_ip_output(nic->stack, &flow, &out, pkt);
    rn_flow_release(&flow);
}

void rn_icmp_tell(struct rn_nic *nic, const struct rn_quote *q, struct rn_icmp_err *err)
{
    struct rn_stack *stack = nic->stack;
    bool is_echo = q->proto == RN_PROTO_ICMP4 || q->proto == RN_PROTO_ICMP6;
    const struct rn_l4_ops *l4 = stack->l4_by_proto[q->proto];

    err->proto = q->proto;
    err->local = (struct rn_endpoint){ .addr = q->src, .port = q->src_port };
    err->remote = (struct rn_endpoint){ .addr = q->dst, .port = q->dst_port };
    err->has_seq = q->proto == RN_PROTO_TCP && q->has_transport;
    err->seq = q->tcp_seq;
    if (!q->has_transport)
        return;
    if (is_echo) {
        if (stack->protos->echo != NULL)
            stack->protos->echo->error(stack, err);
    } else if (l4 != NULL && l4->error != NULL) {
        l4->error(stack, err);
    }
}
