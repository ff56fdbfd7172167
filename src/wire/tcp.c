#include "wire/tcp.h"

#include "base/writer.h"

#include <runnel/err.h>

enum { DATA_OFFSET_SHIFT = 12, FLAGS_MASK = 0x1ff }; /* RFC 9293 §3.1 */

int rn_tcp_parse(struct rn_tcp_hdr *ret, struct rn_view front, size_t seg_len)
{
    struct rn_reader r = rn_reader_of(front);
    struct rn_view fixed = rn_read_view(&r, RN_TCP_HDR_BYTES);
    const uint8_t *p = fixed.ptr;
    unsigned hdr_len;

    if (fixed.len == 0)
        return RN_E_MALFORMED;
    hdr_len = (p[12] >> 4) * 4u;
    if (hdr_len < RN_TCP_HDR_BYTES || hdr_len > front.len || hdr_len > seg_len)
        return RN_E_MALFORMED;

    ret->src_port = rn_get_be16(p);
    ret->dst_port = rn_get_be16(p + 2);
    ret->seq = rn_seq_of(rn_get_be32(p + 4));
    ret->ack = rn_seq_of(rn_get_be32(p + 8));
    ret->flags = rn_get_be16(p + 12) & FLAGS_MASK;
    ret->window = rn_get_be16(p + 14);
    ret->checksum = rn_get_be16(p + RN_TCP_CHECKSUM_AT);
    ret->urgent = rn_get_be16(p + 18);
    ret->hdr_len = (uint8_t)hdr_len;
    return RN_OK;
}

void rn_tcp_emit(const struct rn_tcp_hdr *hdr, uint8_t out[RN_TCP_HDR_BYTES])
{
    struct rn_writer w = rn_writer_of(out, RN_TCP_HDR_BYTES);
    unsigned offset_flags = (hdr->hdr_len / 4u) << DATA_OFFSET_SHIFT | (hdr->flags & FLAGS_MASK);

    rn_write_be16(&w, hdr->src_port);
    rn_write_be16(&w, hdr->dst_port);
    rn_write_be32(&w, hdr->seq.v);
    rn_write_be32(&w, hdr->ack.v);
    rn_write_be16(&w, (uint16_t)offset_flags);
    rn_write_be16(&w, hdr->window);
    rn_write_be16(&w, hdr->checksum);
    rn_write_be16(&w, hdr->urgent);
}
