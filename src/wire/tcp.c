#include "wire/tcp.h"

#include "base/writer.h"

#include <runnel/err.h>

enum { DATA_OFFSET_SHIFT = 12, FLAGS_MASK = 0x1ff }; /* RFC 9293 §3.1 */

int rn_tcp_parse(struct rn_tcp_hdr *ret, struct rn_view front, size_t seg_len)
{
    struct rn_reader r = rn_reader_of(rn_view_of(front.ptr, RN_TCP_HDR_BYTES));
    struct rn_tcp_hdr h;
    uint16_t offset_flags;

    if (front.len < RN_TCP_HDR_BYTES)
        return RN_E_MALFORMED;
    h.src_port = rn_read_be16(&r);
    h.dst_port = rn_read_be16(&r);
    h.seq = rn_seq_of(rn_read_be32(&r));
    h.ack = rn_seq_of(rn_read_be32(&r));
    offset_flags = rn_read_be16(&r);
    h.window = rn_read_be16(&r);
    h.checksum = rn_read_be16(&r);
    h.urgent = rn_read_be16(&r);
    h.flags = offset_flags & FLAGS_MASK;
    h.hdr_len = (uint8_t)((offset_flags >> DATA_OFFSET_SHIFT) * 4);

    if (h.hdr_len < RN_TCP_HDR_BYTES || h.hdr_len > front.len || h.hdr_len > seg_len)
        return RN_E_MALFORMED;

    *ret = h;
    return RN_OK;
}

struct rn_view rn_tcp_options(struct rn_view front, const struct rn_tcp_hdr *hdr)
{
    struct rn_reader r = rn_reader_of(front);

    (void)rn_read_view(&r, RN_TCP_HDR_BYTES);
    return rn_read_view(&r, hdr->hdr_len - (size_t)RN_TCP_HDR_BYTES);
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
