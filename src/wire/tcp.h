#pragma once
/* The TCP header (RFC 9293 §3.1). Options are in tcp_opts.h, checksums are the caller's. */
#include "base/seq.h"
#include "base/view.h"
#include <runnel/attr.h>

#define RN_TCP_HDR_BYTES     20u
#define RN_TCP_HDR_MAX_BYTES 60u
#define RN_TCP_CHECKSUM_AT   16u

enum rn_tcp_flag {
    RN_TCP_FIN = 1,
    RN_TCP_SYN = 2,
    RN_TCP_RST = 4,
    RN_TCP_PSH = 8,
    RN_TCP_ACK = 16,
    RN_TCP_URG = 32,
    RN_TCP_ECE = 64,  /* RFC 3168 §6.1 */
    RN_TCP_CWR = 128, /* RFC 3168 §6.1 */
    RN_TCP_AE = 256,  /* RFC 9768: Accurate ECN, once NS */
};

struct rn_tcp_hdr {
    uint16_t src_port;
    uint16_t dst_port;
    rn_seq seq;
    rn_seq ack;
    uint16_t flags;  /* enum rn_tcp_flag */
    uint16_t window; /* unscaled, as on the wire */
    uint16_t checksum;
    uint16_t urgent;
    uint8_t hdr_len; /* bytes with options */
};

/* @front begins a segment of @seg_len bytes and must hold the header with its options. Errors: MALFORMED. */
RN_MUST_USE int rn_tcp_parse(struct rn_tcp_hdr *ret, struct rn_view front, size_t seg_len);
/* The option bytes, for rn_tcp_opts_parse. */
static inline struct rn_view rn_tcp_options(struct rn_view front, const struct rn_tcp_hdr *hdr)
{
    struct rn_reader r = rn_reader_of(front);

    (void)rn_read_view(&r, RN_TCP_HDR_BYTES);
    return rn_read_view(&r, hdr->hdr_len - (size_t)RN_TCP_HDR_BYTES);
}
/* The fixed part. hdr_len must be a multiple of 4, 20..60: options follow by rn_tcp_opts_emit. */
void rn_tcp_emit(const struct rn_tcp_hdr *hdr, uint8_t out[RN_TCP_HDR_BYTES]);
