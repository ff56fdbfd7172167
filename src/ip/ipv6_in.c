#include "ip/dad.h"
#include "ip/exthdr.h"
#include "ip/forward.h"
#include "ip/ip.h"
#include "ip/nd.h"
#include "ip/state.h"
#include "wire/eth.h"
#include "wire/ipv6.h"

#include <runnel/err.h>

static bool is_extension(uint8_t next)
{
    return next != RN_PROTO_TCP && next != RN_PROTO_UDP && next != RN_PROTO_ICMP6;
}

static void deliver(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ipv6_hdr *hdr,
                    enum rn_ip_fate fate)
{
    struct rn_ip_in ip = {
        .src = hdr->src,
        .dst = hdr->dst,
        .proto = hdr->next,
        .ttl = hdr->hop_limit,
        .tos = hdr->traffic_class,
        .is_to_many = fate == RN_IP_MANY,
        .is_ours = fate == RN_IP_OURS,
    };
    uint16_t l3_len = RN_IPV6_HDR_BYTES;

    if (RN_UNLIKELY(is_extension(hdr->next)) && !rn_exthdr_walk(nic, pkt, &ip, hdr->next, &l3_len))
        return;
    rn_ip_deliver(nic, pkt, &ip, l3_len);
}

static void ipv6_input(struct rn_nic *nic, struct rn_pkt *pkt)
{
    const struct rn_nic_verdict *verdict;
    struct rn_ipv6_hdr hdr;

    nic->stack->stats.ip_in_received++;
    pkt->l3_len = 0;
    if (rn_ipv6_parse(&hdr, rn_pkt_front(pkt), pkt->len) < 0) {
        rn_pkt_drop(pkt, RN_DROP_MALFORMED);
        return;
    }
    /* Inside the stack a v4-mapped address is an IPv4 one; on a wire nobody may pretend (RFC 4942 §2.2). */
    if (rn_addr_is_v4(hdr.src) || rn_addr_is_v4(hdr.dst)) {
        rn_pkt_drop(pkt, RN_DROP_MARTIAN);
        return;
    }
    rn_pkt_trim(pkt, RN_IPV6_HDR_BYTES + (size_t)hdr.payload_len);
    verdict = rn_ip_judge(nic, hdr.src, hdr.dst, (pkt->flags & RN_PKT_LOOPED) != 0);
    if (verdict->fate == RN_IP_DROP)
        rn_pkt_drop(pkt, (enum rn_drop)verdict->drop);
    else if (verdict->fate == RN_IP_FORWARD)
        rn_ipv6_forward(nic, pkt, hdr.src, hdr.dst);
    else
        deliver(nic, pkt, &hdr, (enum rn_ip_fate)verdict->fate);
}

static int attach(struct rn_stack *stack, void **ret_state)
{
    return rn_ip_state_new(stack, RN_L3_V6, ret_state);
}

/* Consumes @pkt, which starts at its network header (RFC 4861 §7.2.2: address unreachable). */
static void unreachable(struct rn_nic *nic, struct rn_pkt *pkt)
{
    pkt->l3_len = 0;
    rn_icmp_send_error(nic, pkt, RN_ICMP_HOST_UNREACH, 0);
    rn_pkt_drop(pkt, RN_DROP_NO_NEIGHBOUR);
}

const struct rn_l3_ops rn_ipv6_ops = {
    .l3 = RN_L3_V6,
    .ethertype = RN_ETHERTYPE_IPV6,
    .name = "ipv6",
    .attach = attach,
    .detach = rn_ip_state_free,
    .input = ipv6_input,
    .solicit = rn_nd_solicit,
    .unreachable = unreachable,
    .addr_added = rn_dad_start,
    .addr_removed = rn_dad_stop,
};
