#include "wire/ipv6.h"

#include "base/writer.h"

#include <runnel/err.h>

/* RFC 8200 §3: version 4 bits, traffic class 8, flow label 20. */
enum { VERSION_SHIFT = 28, CLASS_SHIFT = 20, FLOW_MASK = 0xfffff };

int rn_ipv6_parse(struct rn_ipv6_hdr *ret, struct rn_view front, size_t pkt_len)
{
    struct rn_reader r = rn_reader_of(rn_view_of(front.ptr, RN_IPV6_HDR_BYTES));
    struct rn_ipv6_hdr h;
    uint32_t first;

    if (front.len < RN_IPV6_HDR_BYTES)
        return RN_E_MALFORMED;
    first = rn_read_be32(&r);
    h.payload_len = rn_read_be16(&r);
    h.next = rn_read_u8(&r);
    h.hop_limit = rn_read_u8(&r);
    h.src = rn_read_addr6(&r);
    h.dst = rn_read_addr6(&r);
    h.traffic_class = (uint8_t)(first >> CLASS_SHIFT);
    h.flow_label = first & FLOW_MASK;

    if (first >> VERSION_SHIFT != 6)
        return RN_E_MALFORMED;
    if (pkt_len < RN_IPV6_HDR_BYTES || h.payload_len > pkt_len - RN_IPV6_HDR_BYTES)
        return RN_E_MALFORMED;

    *ret = h;
    return RN_OK;
}

void rn_ipv6_emit(const struct rn_ipv6_hdr *hdr, uint8_t out[RN_IPV6_HDR_BYTES])
{
    struct rn_writer w = rn_writer_of(out, RN_IPV6_HDR_BYTES);

    rn_write_be32(&w, 6u << VERSION_SHIFT | (uint32_t)hdr->traffic_class << CLASS_SHIFT |
                          (hdr->flow_label & FLOW_MASK));
    rn_write_be16(&w, hdr->payload_len);
    rn_write_u8(&w, hdr->next);
    rn_write_u8(&w, hdr->hop_limit);
    rn_write_addr6(&w, hdr->src);
    rn_write_addr6(&w, hdr->dst);
}
