#pragma once
/*
 * The beginning of the offending packet that every ICMP error carries (RFC 792; RFC 4443 §3). It is a sender's claim
 * about a packet of ours: lengths inside it are read by nobody, and only those who find the flow may act on it.
 */
#include "base/seq.h"
#include "base/view.h"
#include <runnel/addr.h>

/* RFC 792: the IP header and 64 bits of what follows. */
#define RN_QUOTE_TRANSPORT_BYTES 8u

struct rn_quote {
    struct rn_addr src;
    struct rn_addr dst;
    uint8_t proto;          /* transport, behind any extension headers */
    bool has_transport;     /* the fields below were there and understood */
    bool is_later_fragment; /* not the first fragment: holds no transport header */
    uint16_t src_port;      /* of TCP and UDP; of ICMP echo: the identifier */
    uint16_t dst_port;      /* of ICMP echo: the sequence number */
    uint8_t icmp_type;      /* of ICMP */
    rn_seq tcp_seq;
    uint16_t total_len;       /* of the packet that failed, as it claims */
    struct rn_view transport; /* borrowed: what is there of the transport header and its payload */
};

/* @packet is what follows the eight bytes of an ICMPv4 or ICMPv6 error. Errors: MALFORMED. */
RN_MUST_USE int rn_quote_parse4(struct rn_quote *ret, struct rn_view packet);
RN_MUST_USE int rn_quote_parse6(struct rn_quote *ret, struct rn_view packet);
