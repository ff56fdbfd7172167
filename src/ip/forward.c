#include "ip/forward.h"

#include "base/checksum.h"
#include "ip/out.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

#include <runnel/err.h>

/* RFC 3927 §7, RFC 4291 §2.5.6: link-local traffic stays on its link; groups would need multicast routing. */
static bool may_travel(const struct rn_pkt *pkt, struct rn_addr src, struct rn_addr dst)
{
    return (pkt->flags & RN_PKT_BROADCAST) == 0 && !rn_addr_is_any(src) &&
           !rn_addr_is_link_local(src) && !rn_addr_is_link_local(dst) && !rn_addr_is_loopback(dst);
}

/* The way on for @pkt; answers and drops (false) when there is none. */
static bool find_way(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ip_out *out,
                     struct rn_flow *flow)
{
    struct rn_addr src;

    if (!may_travel(pkt, out->src, out->dst)) {
        rn_pkt_drop(pkt, RN_DROP_MARTIAN);
        return false;
    }
    if (out->ttl <= 1) {
        rn_icmp_send_error(nic, pkt, RN_ICMP_TTL, 0);
        rn_pkt_drop(pkt, RN_DROP_TTL_EXCEEDED);
        return false;
    }
    if (rn_flow_find(nic->stack, flow, out, &src) < 0) {
        rn_icmp_send_error(nic, pkt, RN_ICMP_NET_UNREACH, 0);
        rn_pkt_drop(pkt, RN_DROP_NO_ROUTE);
        return false;
    }
    return true;
}

static void send_on(struct rn_nic *nic, const struct rn_flow *flow, const struct rn_ip_out *out,
                    struct rn_pkt *pkt)
{
    pkt->flags |= RN_PKT_FORWARDED;
    pkt->l4_proto = out->proto;
    nic->stack->stats.ip_forwarded++;
    rn_ip_send(nic->stack, flow, out, pkt);
}

/* RFC 1812 §5.3.1; the checksum follows by RFC 1624. */
static bool count_hop4(struct rn_pkt *pkt, size_t hdr_len)
{
    uint8_t *hdr = rn_pkt_own_front(pkt, hdr_len);
    uint16_t old;

    if (hdr == NULL)
        return false;
    old = rn_get_be16(hdr + 8);
    hdr[8]--;
    rn_put_be16(hdr + 10, rn_checksum_update16(rn_get_be16(hdr + 10), old, rn_get_be16(hdr + 8)));
    return true;
}

/* RFC 1191 §4, RFC 8200 §5: who sent it must make it smaller. */
static bool fits(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_flow *flow)
{
    if (rn_pkt_wire_len(pkt) <= flow->mtu)
        return true;
    rn_icmp_send_error(nic, pkt, RN_ICMP_TOO_BIG, flow->mtu);
    rn_pkt_drop(pkt, RN_DROP_TOO_BIG);
    return false;
}

/* RFC 791 §3.2: whole packets without DF and options. Fragments of fragments are refused like DF. */
static bool may_cut(const struct rn_pkt *pkt, const struct rn_ipv4_hdr *hdr,
                    const struct rn_flow *flow)
{
    return rn_pkt_wire_len(pkt) > flow->mtu && !hdr->dont_fragment && !rn_ipv4_is_fragment(hdr) &&
           hdr->hdr_len == RN_IPV4_HDR_BYTES && pkt->gso == RN_GSO_NONE;
}

/* Consumes @pkt. */
static void forward_cut(struct rn_nic *nic, const struct rn_flow *flow, struct rn_ip_out *out,
                        struct rn_pkt *pkt)
{
    struct rn_ip_tx tx = {
        .stack = nic->stack, .flow = flow, .out = out, .src = out->src, .mtu = flow->mtu
    };

    out->ttl--;
    rn_pkt_pull(pkt, RN_IPV4_HDR_BYTES);
    pkt->flags = RN_PKT_FORWARDED;
    nic->stack->stats.ip_forwarded++;
    (void)rn_ipv4_output(&tx, pkt);
}

void rn_ipv4_forward(struct rn_nic *nic, struct rn_pkt *pkt, struct rn_addr src, struct rn_addr dst)
{
    struct rn_ip_out out = { .src = src, .dst = dst, .is_spoofed = true };
    struct rn_flow flow = { 0 };
    struct rn_ipv4_hdr hdr;

    if (rn_ipv4_parse(&hdr, rn_pkt_front(pkt), pkt->len) < 0) {
        rn_pkt_drop(pkt, RN_DROP_MALFORMED);
        return;
    }
    out.proto = hdr.proto;
    out.ttl = hdr.ttl;
    out.tos = hdr.tos;
    if (!find_way(nic, pkt, &out, &flow))
        return;
    if (may_cut(pkt, &hdr, &flow)) {
        forward_cut(nic, &flow, &out, pkt);
    } else if (fits(nic, pkt, &flow)) {
        if (count_hop4(pkt, hdr.hdr_len))
            send_on(nic, &flow, &out, pkt);
        else
            rn_pkt_drop(pkt, RN_DROP_NOMEM);
    }
    rn_flow_release(&flow);
}

void rn_ipv6_forward(struct rn_nic *nic, struct rn_pkt *pkt, struct rn_addr src, struct rn_addr dst)
{
    struct rn_ip_out out = { .src = src, .dst = dst, .is_spoofed = true };
    struct rn_flow flow = { 0 };
    struct rn_ipv6_hdr hdr;
    uint8_t *at;

    if (rn_ipv6_parse(&hdr, rn_pkt_front(pkt), pkt->len) < 0) {
        rn_pkt_drop(pkt, RN_DROP_MALFORMED);
        return;
    }
    out.proto = hdr.next;
    out.ttl = hdr.hop_limit;
    if (!find_way(nic, pkt, &out, &flow))
        return;
    if (fits(nic, pkt, &flow)) {
        at = rn_pkt_own_front(pkt, RN_IPV6_HDR_BYTES);
        if (at != NULL) {
            at[7]--; /* hop limit: RFC 8200 §3 */
            send_on(nic, &flow, &out, pkt);
        } else {
            rn_pkt_drop(pkt, RN_DROP_NOMEM);
        }
    }
    rn_flow_release(&flow);
}
