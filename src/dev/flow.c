#include "dev/flow.h"

#include "wire/eth.h"
#include "wire/icmp4.h"
#include "wire/icmp6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/ipv6_ext.h"
#include "wire/tcp.h"
#include "wire/udp.h"

/* Link, network and transport header lie in this much of every packet that is not out to hide them. */
#define LOOK_BYTES RN_PKT_HEAD_BYTES
/* Ports, or type and identifier: all that an ICMP error is sure to quote (RFC 792). */
#define TRANSPORT_MIN_BYTES 8u
#define TCP_FLAGS_MASK      0x1ffu

static struct rn_view skip(struct rn_view v, size_t n)
{
    return rn_view_of(v.ptr + n, v.len - n);
}

/* A quotation is shorter than its total length says: lengths are not looked at here. */
static bool network4(struct rn_view v, struct rn_pkt_flow *f)
{
    struct rn_ipv4_hdr hdr;

    if (rn_ipv4_parse(&hdr, v, UINT16_MAX) < 0)
        return false;
    f->is_v4 = true;
    f->src = hdr.src;
    f->dst = hdr.dst;
    f->proto = hdr.proto;
    f->is_fragment = rn_ipv4_is_fragment(&hdr);
    f->is_later_fragment = hdr.frag_off_bytes != 0;
    f->l4_at = hdr.hdr_len;
    return true;
}

static bool network6(struct rn_view v, struct rn_pkt_flow *f)
{
    struct rn_ipv6_ext_iter it;
    struct rn_ipv6_ext ext;
    struct rn_ipv6_hdr hdr;
    int more;

    if (rn_ipv6_parse(&hdr, v, RN_IPV6_HDR_BYTES + RN_IPV6_PAYLOAD_MAX) < 0)
        return false;
    f->src = hdr.src;
    f->dst = hdr.dst;
    it = rn_ipv6_ext_iter_of(hdr.next, skip(v, RN_IPV6_HDR_BYTES));
    while (!it.is_later_fragment && (more = rn_ipv6_ext_next(&it, &ext)) != 0) {
        if (more < 0)
            return false;
        f->is_fragment |= ext.type == RN_PROTO_FRAGMENT;
    }
    f->is_later_fragment = it.is_later_fragment;
    f->proto = it.next;
    f->l4_at = (uint16_t)(RN_IPV6_HDR_BYTES + it.at);
    return true;
}

static bool is_echo(const struct rn_pkt_flow *f)
{
    if (f->is_v4)
        return f->icmp_type == RN_ICMP4_ECHO || f->icmp_type == RN_ICMP4_ECHO_REPLY;
    return f->icmp_type == RN_ICMP6_ECHO || f->icmp_type == RN_ICMP6_ECHO_REPLY;
}

static void transport(struct rn_view l4, struct rn_pkt_flow *f)
{
    if (f->is_later_fragment || l4.len < TRANSPORT_MIN_BYTES)
        return;
    f->has_transport = true;
    if (f->proto == RN_PROTO_TCP || f->proto == RN_PROTO_UDP) {
        f->src_port = rn_get_be16(l4.ptr);
        f->dst_port = rn_get_be16(l4.ptr + 2);
        if (f->proto == RN_PROTO_TCP && l4.len >= RN_TCP_HDR_BYTES)
            f->tcp_flags = rn_get_be16(l4.ptr + 12) & TCP_FLAGS_MASK;
    } else if (f->proto == (f->is_v4 ? RN_PROTO_ICMP4 : RN_PROTO_ICMP6)) {
        f->icmp_type = l4.ptr[0];
        f->src_port = is_echo(f) ? rn_get_be16(l4.ptr + 4) : 0;
        f->dst_port = f->src_port;
    } else {
        f->has_transport = false;
    }
}

bool rn_flow_of_view(struct rn_view packet, struct rn_pkt_flow *ret)
{
    struct rn_pkt_flow f = { 0 };
    unsigned version = packet.len != 0 ? packet.ptr[0] >> 4 : 0u;
    bool ok = version == 4 ? network4(packet, &f) : version == 6 && network6(packet, &f);

    if (!ok)
        return false;
    transport(skip(packet, rn_min_size(f.l4_at, packet.len)), &f);
    *ret = f;
    return true;
}

bool rn_flow_of(const struct rn_pkt *pkt, enum rn_link_type link, struct rn_pkt_flow *ret)
{
    size_t l3_at = link == RN_LINK_ETHERNET ? RN_ETH_HDR_BYTES : 0;
    uint8_t bytes[LOOK_BYTES];
    size_t len = rn_min_size(pkt->len, sizeof(bytes));

    if (len <= l3_at)
        return false;
    rn_pkt_copy_out(pkt, 0, bytes, len);
    if (l3_at != 0) {
        uint16_t type = rn_get_be16(bytes + 12);

        if (type != RN_ETHERTYPE_IPV4 && type != RN_ETHERTYPE_IPV6)
            return false;
    }
    if (!rn_flow_of_view(rn_view_of(bytes + l3_at, len - l3_at), ret))
        return false;
    ret->l3_at = (uint16_t)l3_at;
    ret->l4_at = (uint16_t)(ret->l4_at + l3_at);
    return true;
}

uint64_t rn_flow_hash(const struct rn_hash_key *key, const struct rn_pkt_flow *flow)
{
    int order = rn_addr_cmp(flow->src, flow->dst);
    bool is_swapped = order > 0 || (order == 0 && flow->src_port > flow->dst_port);
    const struct rn_addr *lo = is_swapped ? &flow->dst : &flow->src;
    const struct rn_addr *hi = is_swapped ? &flow->src : &flow->dst;
    uint64_t lo_port = is_swapped ? flow->dst_port : flow->src_port;
    uint64_t hi_port = is_swapped ? flow->src_port : flow->dst_port;
    uint64_t words[5] = { lo->w[0], lo->w[1], hi->w[0], hi->w[1],
                          lo_port << 32 | hi_port << 16 | flow->proto };

    return rn_siphash13_words(key, words, RN_ARRAY_LEN(words));
}
