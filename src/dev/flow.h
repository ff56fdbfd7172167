#pragma once
/* What a device that looks inside packets wants to know of one: addresses, protocol, ports, and where the headers are. */
#include "base/hashkey.h"
#include "dev/device.h"

struct rn_flow {
    struct rn_addr src;
    struct rn_addr dst;
    uint16_t src_port; /* of TCP and UDP; of ICMP echo: the identifier, in both */
    uint16_t dst_port;
    uint16_t l3_at; /* network header, from packet start */
    uint16_t l4_at; /* what follows it and its extension headers */
    uint16_t tcp_flags;
    uint8_t proto;     /* enum rn_proto */
    uint8_t icmp_type; /* of ICMP and ICMPv6 */
    bool is_v4;
    bool is_fragment;       /* of any kind */
    bool is_later_fragment; /* holds no transport header */
    bool has_transport;     /* ports, flags and type above are true */
};

/* false: no IPv4 or IPv6 packet, or a malformed one. */
RN_MUST_USE bool rn_flow_of(const struct rn_pkt *pkt, enum rn_link_type link, struct rn_flow *ret);
/* The same of bytes that begin an IP packet, perhaps cut (the quotation in an ICMP error). */
RN_MUST_USE bool rn_flow_of_view(struct rn_view packet, struct rn_flow *ret);
/* Same for both directions of a conversation. */
uint64_t rn_flow_hash(const struct rn_hash_key *key, const struct rn_flow *flow);
