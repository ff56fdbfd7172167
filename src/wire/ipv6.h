#pragma once
/* The fixed IPv6 header (RFC 8200 §3). Extension headers are in ipv6_ext.h. Jumbograms (RFC 2675) are not spoken. */
#include "base/view.h"
#include "wire/proto.h"
#include <runnel/addr.h>

#define RN_IPV6_HDR_BYTES   40u
#define RN_IPV6_MTU_MIN     1280u /* RFC 8200 §5 */
#define RN_IPV6_PAYLOAD_MAX 65535u

struct rn_ipv6_hdr {
    struct rn_addr src;
    struct rn_addr dst;
    uint32_t flow_label;  /* 20 bits */
    uint16_t payload_len; /* extension headers included, bytes */
    uint8_t next;         /* enum rn_proto */
    uint8_t hop_limit;
    uint8_t traffic_class; /* DSCP and ECN */
};

/*
 * @front is the contiguous beginning of a packet of @pkt_len bytes. Bytes beyond the payload are link padding. A
 * v4-mapped address comes out as the IPv4 value it looks like: who receives from a wire must treat rn_addr_is_v4 of
 * either address as martian. Errors: MALFORMED.
 */
RN_MUST_USE int rn_ipv6_parse(struct rn_ipv6_hdr *ret, struct rn_view front, size_t pkt_len);
void rn_ipv6_emit(const struct rn_ipv6_hdr *hdr, uint8_t out[RN_IPV6_HDR_BYTES]);
