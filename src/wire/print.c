#include "wire/print.h"

#include "wire/arp.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/ipv6_ext.h"
#include "wire/print_transport.h"
#include "wire/vlan.h"

#include <runnel/err.h>

enum { VLAN_TAGS_MAX = 2 }; /* 802.1ad stacks two; more is noise */

static struct rn_view after(struct rn_view bytes, size_t n)
{
    struct rn_reader r = rn_reader_of(bytes);

    (void)rn_read_view(&r, n);
    return r.rest;
}

static void print_fragment(struct rn_text *out, const struct rn_print_flow *flow, uint32_t id,
                           uint32_t off_bytes)
{
    rn_print_addrs(out, flow);
    rn_print_proto(out, flow->proto);
    rn_text_str(out, " fragment, id ");
    rn_text_u64(out, id);
    rn_text_str(out, ", offset ");
    rn_text_u64(out, off_bytes);
    rn_print_length(out, flow->len);
}

static void print_ipv4(struct rn_text *out, struct rn_view pkt)
{
    struct rn_ipv4_hdr ip;
    struct rn_print_flow flow;

    if (rn_ipv4_parse(&ip, pkt, RN_IPV4_TOTAL_MAX) < 0) {
        rn_text_str(out, "IP [|ip]");
        rn_print_length(out, pkt.len);
        return;
    }
    flow = (struct rn_print_flow){ .src = ip.src, .dst = ip.dst, .proto = ip.proto };
    flow.len = ip.total_len - (size_t)ip.hdr_len;
    flow.bytes = after(pkt, ip.hdr_len);
    flow.bytes.len = rn_min_size(flow.bytes.len, flow.len); /* no link padding */
    rn_text_str(out, "IP ");
    if (ip.frag_off_bytes != 0)
        print_fragment(out, &flow, ip.id, ip.frag_off_bytes);
    else
        rn_print_transport(out, &flow);
}

/* Passes the extension headers; false if they cannot be read. */
static bool pass_extensions(struct rn_ipv6_ext_iter *it, struct rn_ipv6_frag *last_frag)
{
    struct rn_ipv6_ext ext;
    int more;

    while ((more = rn_ipv6_ext_next(it, &ext)) > 0) {
        if (ext.type == RN_PROTO_FRAGMENT)
            *last_frag = ext.frag;
    }
    return more == 0;
}

static void print_ipv6(struct rn_text *out, struct rn_view pkt)
{
    struct rn_ipv6_hdr ip;
    struct rn_ipv6_ext_iter it;
    struct rn_ipv6_frag frag = { 0 };
    struct rn_print_flow flow;
    struct rn_view rest;

    if (rn_ipv6_parse(&ip, pkt, RN_IPV6_HDR_BYTES + (size_t)RN_IPV6_PAYLOAD_MAX) < 0) {
        rn_text_str(out, "IP6 [|ip6]");
        rn_print_length(out, pkt.len);
        return;
    }
    rest = after(pkt, RN_IPV6_HDR_BYTES);
    rest.len = rn_min_size(rest.len, ip.payload_len);
    it = rn_ipv6_ext_iter_of(ip.next, rest);
    flow = (struct rn_print_flow){ .src = ip.src, .dst = ip.dst };
    rn_text_str(out, "IP6 ");
    if (!pass_extensions(&it, &frag)) {
        rn_print_addrs(out, &flow);
        rn_text_str(out, "[|extension]");
        rn_print_length(out, ip.payload_len);
        return;
    }
    flow.proto = it.next;
    flow.bytes = it.rest.rest;
    flow.len = ip.payload_len - (size_t)it.at;
    if (it.is_later_fragment)
        print_fragment(out, &flow, frag.id, frag.off_bytes);
    else
        rn_print_transport(out, &flow);
}

static void print_arp(struct rn_text *out, struct rn_view pkt)
{
    struct rn_arp arp;

    rn_text_str(out, "ARP, ");
    if (rn_arp_parse(&arp, pkt) < 0) {
        rn_text_str(out, "[|arp]");
    } else if (arp.op == RN_ARP_REQUEST) {
        rn_text_str(out, "Request who-has ");
        rn_text_addr(out, arp.target_ip);
        rn_text_str(out, " tell ");
        rn_text_addr(out, arp.sender_ip);
    } else if (arp.op == RN_ARP_REPLY) {
        rn_text_str(out, "Reply ");
        rn_text_addr(out, arp.sender_ip);
        rn_text_str(out, " is-at ");
        rn_text_mac(out, arp.sender_mac);
    } else {
        rn_text_str(out, "op ");
        rn_text_u64(out, arp.op);
    }
    rn_print_length(out, pkt.len);
}

static void print_raw(struct rn_text *out, struct rn_view pkt)
{
    struct rn_reader r = rn_reader_of(pkt);
    uint8_t version = rn_read_u8(&r) >> 4;

    if (version == 4) {
        print_ipv4(out, pkt);
    } else if (version == 6) {
        print_ipv6(out, pkt);
    } else {
        rn_text_str(out, "[|ip] version ");
        rn_text_u64(out, version);
        rn_print_length(out, pkt.len);
    }
}

static void print_other_frame(struct rn_text *out, const struct rn_eth_hdr *eth, size_t len)
{
    rn_text_mac(out, eth->src);
    rn_text_str(out, " > ");
    rn_text_mac(out, eth->dst);
    if (eth->type < RN_ETH_TYPE_MIN) {
        rn_text_str(out, ", 802.3");
    } else {
        rn_text_str(out, ", ethertype 0x");
        rn_text_hex(out, eth->type, 4);
    }
    rn_print_length(out, len);
}

static bool is_vlan(uint16_t type)
{
    return type == RN_ETHERTYPE_VLAN || type == RN_ETHERTYPE_QINQ;
}

/* Strips the tags off @eth and @body, telling each. */
static void print_vlan_tags(struct rn_text *out, struct rn_eth_hdr *eth, struct rn_view *body)
{
    struct rn_vlan_tag tag;

    for (unsigned i = 0; i < VLAN_TAGS_MAX && is_vlan(eth->type); i++) {
        if (rn_vlan_parse(&tag, body, *body) < 0)
            return;
        rn_text_str(out, "vlan ");
        rn_text_u64(out, tag.id);
        rn_text_str(out, ", ");
        eth->type = tag.type;
    }
}

static void print_ethernet(struct rn_text *out, struct rn_view frame)
{
    struct rn_eth_hdr eth;
    struct rn_view body;

    if (rn_eth_parse(&eth, &body, frame) < 0) {
        rn_text_str(out, "[|ether]");
        rn_print_length(out, frame.len);
        return;
    }
    print_vlan_tags(out, &eth, &body);
    if (eth.type == RN_ETHERTYPE_IPV4)
        print_ipv4(out, body);
    else if (eth.type == RN_ETHERTYPE_IPV6)
        print_ipv6(out, body);
    else if (eth.type == RN_ETHERTYPE_ARP)
        print_arp(out, body);
    else
        print_other_frame(out, &eth, frame.len);
}

void rn_print_packet(struct rn_text *out, struct rn_view pkt, enum rn_print_link link)
{
    if (link == RN_PRINT_ETHERNET)
        print_ethernet(out, pkt);
    else
        print_raw(out, pkt);
}
