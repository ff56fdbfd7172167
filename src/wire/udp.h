#pragma once
/* UDP (RFC 768). Checksums are the caller's: rn_checksum_pseudo and rn_pkt_checksum. */
#include "base/view.h"
#include <runnel/attr.h>

#define RN_UDP_HDR_BYTES   8u
#define RN_UDP_CHECKSUM_AT 6u

struct rn_udp_hdr {
    uint16_t src_port;
    uint16_t dst_port;
    uint16_t len_bytes; /* header and payload */
    uint16_t checksum;  /* 0: none was computed, legal over IPv4 only (RFC 768, RFC 8200 §8.1) */
};

/* @front begins a datagram of @dgram_len bytes; what lies beyond len_bytes is not part of it. Errors: MALFORMED. */
RN_MUST_USE int rn_udp_parse(struct rn_udp_hdr *ret, struct rn_view front, size_t dgram_len);
void rn_udp_emit(const struct rn_udp_hdr *hdr, uint8_t out[RN_UDP_HDR_BYTES]);

/* The field value for a complemented sum: a computed zero is sent as all ones (RFC 768). */
static inline uint16_t rn_udp_checksum_field(uint16_t folded_sum)
{
    return folded_sum == 0xffff ? 0xffff : (uint16_t)~folded_sum;
}
