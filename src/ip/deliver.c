#include "ip/ip.h"

void rn_ip_deliver(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ip_in *ip,
                   uint16_t l3_len)
{
    struct rn_stack *stack = nic->stack;
    const struct rn_l4_ops *l4 = stack->l4_by_proto[ip->proto];

    /* Whoever left a checksum to us must mean the transport header that we parsed (never an inner or an earlier one). */
    if (RN_UNLIKELY(pkt->csum == RN_CSUM_PARTIAL && pkt->csum_start != l3_len)) {
        rn_pkt_drop(pkt, RN_DROP_MALFORMED);
        return;
    }
    pkt->l3_len = l3_len;
    pkt->l4_proto = ip->proto;
    pkt->ttl = ip->ttl;
    pkt->tos = ip->tos;
    rn_pkt_pull(pkt, l3_len);
    if (RN_UNLIKELY(l4 == NULL)) {
        if (ip->proto != RN_PROTO_NO_NEXT)
            rn_icmp_send_error(nic, pkt, RN_ICMP_PROTO_UNREACH, 0);
        rn_pkt_drop(pkt, RN_DROP_UNKNOWN_PROTO);
        return;
    }
    stack->stats.ip_in_delivered++;
    l4->input(nic, pkt, ip);
}
