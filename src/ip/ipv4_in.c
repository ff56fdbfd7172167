#include "wire/ipv4.h"

#include "ip/arp.h"
#include "ip/forward.h"
#include "ip/ip.h"
#include "ip/state.h"
#include "wire/eth.h"
#include "wire/ipv4_opts.h"

#include <runnel/err.h>

/* Bytes the fixed header has before its options: what an ICMP pointer counts from. */
static void answer_bad_option(struct rn_nic *nic, struct rn_pkt *pkt, unsigned at)
{
    rn_icmp_send_error(nic, pkt, RN_ICMP_PARAM, RN_IPV4_HDR_BYTES + at);
    rn_pkt_drop(pkt, RN_DROP_OPTION);
}

/*
 * Options are walked, none is executed: record route and timestamp want nothing of a host. Source routes are refused
 * without a word (RFC 7126 §4.3). Consumes @pkt when it says false.
 */
static bool accept_options(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ipv4_hdr *hdr)
{
    struct rn_ipv4_opt_iter it = rn_ipv4_opt_iter_of(rn_ipv4_options(rn_pkt_front(pkt), hdr));
    struct rn_ipv4_opt opt;
    int more;

    while ((more = rn_ipv4_opt_next(&it, &opt)) > 0) {
        struct rn_ipv4_opt_route route;
        struct rn_ipv4_opt_ts ts;

        if (opt.type == RN_IPV4_OPT_LOOSE_ROUTE || opt.type == RN_IPV4_OPT_STRICT_ROUTE) {
            rn_pkt_drop(pkt, RN_DROP_OPTION);
            return false;
        }
        if ((opt.type == RN_IPV4_OPT_RECORD_ROUTE && rn_ipv4_opt_route_parse(&route, &opt) < 0) ||
            (opt.type == RN_IPV4_OPT_TIMESTAMP && rn_ipv4_opt_ts_parse(&ts, &opt) < 0)) {
            answer_bad_option(nic, pkt, opt.at);
            return false;
        }
    }
    if (more < 0)
        answer_bad_option(nic, pkt, it.at);
    return more == 0;
}

/* Consumes @pkt. The whole comes back through the NIC's delivery, as if it had never been cut. */
static void reassemble(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ipv4_hdr *hdr)
{
    struct rn_reass_part part = {
        .src = hdr->src,
        .dst = hdr->dst,
        .id = hdr->id,
        .off_bytes = hdr->frag_off_bytes,
        .more = hdr->more_fragments,
        .proto = hdr->proto,
        .hdr_len = hdr->hdr_len,
    };
    struct rn_pkt *whole;

    pkt->tos = hdr->tos;
    whole = rn_reass_input(&rn_ip_state_of(nic->stack, RN_L3_V4)->reass, pkt, &part);
    if (whole != NULL && !rn_stack_gives_away(nic->stack, whole, RN_SHARE_WHOLE))
        rn_nic_deliver(nic, whole);
}

static void deliver(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ipv4_hdr *hdr,
                    enum rn_ip_fate fate)
{
    struct rn_ip_in ip = {
        .src = hdr->src,
        .dst = hdr->dst,
        .proto = hdr->proto,
        .ttl = hdr->ttl,
        .tos = hdr->tos,
        .is_to_many = fate == RN_IP_MANY,
        .is_ours = fate == RN_IP_OURS,
    };

    if (RN_UNLIKELY(rn_ipv4_is_fragment(hdr)))
        reassemble(nic, pkt, hdr);
    else
        rn_ip_deliver(nic, pkt, &ip, hdr->hdr_len);
}

static void ipv4_input(struct rn_nic *nic, struct rn_pkt *pkt)
{
    struct rn_view front = rn_pkt_front(pkt);
    const struct rn_nic_verdict *verdict;
    struct rn_ipv4_hdr hdr;

    nic->stack->stats.ip_in_received++;
    pkt->l3_len = 0;
    if (rn_ipv4_parse(&hdr, front, pkt->len) < 0) {
        rn_pkt_drop(pkt, RN_DROP_MALFORMED);
        return;
    }
    if (!rn_ipv4_checksum_ok(front, hdr.hdr_len)) {
        rn_pkt_drop(pkt, RN_DROP_BAD_CHECKSUM);
        return;
    }
    rn_pkt_trim(pkt, hdr.total_len);
    verdict = rn_ip_judge(nic, hdr.src, hdr.dst, (pkt->flags & RN_PKT_LOOPED) != 0);
    if (verdict->fate == RN_IP_DROP) {
        rn_pkt_drop(pkt, (enum rn_drop)verdict->drop);
        return;
    }
    if (RN_UNLIKELY(hdr.hdr_len > RN_IPV4_HDR_BYTES) && !accept_options(nic, pkt, &hdr))
        return;
    if (verdict->fate == RN_IP_FORWARD)
        rn_ipv4_forward(nic, pkt, hdr.src, hdr.dst);
    else
        deliver(nic, pkt, &hdr, (enum rn_ip_fate)verdict->fate);
}

static int attach(struct rn_stack *stack, void **ret_state)
{
    return rn_ip_state_new(stack, RN_L3_V4, ret_state);
}

/* Consumes @pkt, which starts at its network header: whoever sent it is told (ourselves, by way of the loop). */
static void unreachable(struct rn_nic *nic, struct rn_pkt *pkt)
{
    pkt->l3_len = 0;
    rn_icmp_send_error(nic, pkt, RN_ICMP_HOST_UNREACH, 0);
    rn_pkt_drop(pkt, RN_DROP_NO_NEIGHBOUR);
}

const struct rn_l3_ops rn_ipv4_ops = {
    .l3 = RN_L3_V4,
    .ethertype = RN_ETHERTYPE_IPV4,
    .resolver_ethertype = RN_ETHERTYPE_ARP,
    .name = "ipv4",
    .attach = attach,
    .detach = rn_ip_state_free,
    .input = ipv4_input,
    .resolver_input = rn_arp_input,
    .solicit = rn_arp_solicit,
    .unreachable = unreachable,
    .addr_added = rn_arp_announce,
};
