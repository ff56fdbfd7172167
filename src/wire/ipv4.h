#pragma once
/* The IPv4 header (RFC 791 §3.1). Options are in ipv4_opts.h. */
#include "base/view.h"
#include "wire/proto.h"
#include <runnel/addr.h>

#define RN_IPV4_HDR_BYTES     20u
#define RN_IPV4_HDR_MAX_BYTES 60u
#define RN_IPV4_TOTAL_MAX     65535u
/* Every link carries this unfragmented (RFC 791 §3.2), every host takes this reassembled. */
#define RN_IPV4_MTU_MIN   68u
#define RN_IPV4_REASS_MIN 576u

#define RN_IP_ECN_MASK 0x03u /* of tos and traffic class, RFC 3168 §5 */

enum rn_ip_ecn { RN_ECN_NONE = 0, RN_ECN_ECT1 = 1, RN_ECN_ECT0 = 2, RN_ECN_CE = 3 };

struct rn_ipv4_hdr {
    struct rn_addr src;
    struct rn_addr dst;
    uint16_t total_len; /* header and payload, bytes */
    uint16_t id;
    uint16_t frag_off_bytes; /* a multiple of 8 */
    uint16_t checksum;       /* as received; the emitter computes its own */
    uint8_t tos;             /* DSCP and ECN */
    uint8_t ttl;
    uint8_t proto;   /* enum rn_proto */
    uint8_t hdr_len; /* bytes with options; set by the parser and read by nobody else */
    bool dont_fragment;
    bool more_fragments;
};

/*
 * @front is the contiguous beginning of a packet of @pkt_len bytes and must hold the header with its options. Bytes
 * beyond total_len are link padding: the caller trims them. The checksum is not looked at. Errors: MALFORMED.
 */
RN_MUST_USE int rn_ipv4_parse(struct rn_ipv4_hdr *ret, struct rn_view front, size_t pkt_len);
/* The option bytes between the fixed header and the payload; empty for most packets. */
struct rn_view rn_ipv4_options(struct rn_view front, const struct rn_ipv4_hdr *hdr);
bool rn_ipv4_checksum_ok(struct rn_view front, size_t hdr_len);

/* Writes a header without options and its checksum. hdr_len and checksum of @hdr are not read. */
void rn_ipv4_emit(const struct rn_ipv4_hdr *hdr, uint8_t out[RN_IPV4_HDR_BYTES]);
/* The same with @options, padded with end-of-list to a multiple of 4. Returns bytes written.
 * Errors: MSG_TOO_LONG (over 40 bytes of options, or over @cap). */
RN_MUST_USE int rn_ipv4_emit_options(const struct rn_ipv4_hdr *hdr, struct rn_view options,
                                     uint8_t *out, size_t cap);

static inline bool rn_ipv4_is_fragment(const struct rn_ipv4_hdr *hdr)
{
    return hdr->more_fragments || hdr->frag_off_bytes != 0;
}
