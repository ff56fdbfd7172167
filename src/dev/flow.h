#pragma once
/* What a device that looks inside packets wants to know of one: addresses, protocol, ports, and where the headers are. */
#include "base/hashkey.h"
#include "dev/device.h"

#include <runnel/wrap.h>

/* false: no IPv4 or IPv6 packet, or a malformed one. */
RN_MUST_USE bool rn_flow_of(const struct rn_pkt *pkt, enum rn_link_type link,
                            struct rn_pkt_flow *ret);
/* The same of bytes that begin an IP packet, perhaps cut (the quotation in an ICMP error). */
RN_MUST_USE bool rn_flow_of_view(struct rn_view packet, struct rn_pkt_flow *ret);
/* Same for both directions of a conversation. */
uint64_t rn_flow_hash(const struct rn_hash_key *key, const struct rn_pkt_flow *flow);
