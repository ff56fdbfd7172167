#include "wire/udp.h"

#include "base/writer.h"

#include <runnel/err.h>

int rn_udp_parse(struct rn_udp_hdr *ret, struct rn_view front, size_t dgram_len)
{
    struct rn_reader r = rn_reader_of(front);
    struct rn_udp_hdr h;

    h.src_port = rn_read_be16(&r);
    h.dst_port = rn_read_be16(&r);
    h.len_bytes = rn_read_be16(&r);
    h.checksum = rn_read_be16(&r);

    if (r.short_read || h.len_bytes < RN_UDP_HDR_BYTES || h.len_bytes > dgram_len)
        return RN_E_MALFORMED;

    *ret = h;
    return RN_OK;
}

void rn_udp_emit(const struct rn_udp_hdr *hdr, uint8_t out[RN_UDP_HDR_BYTES])
{
    struct rn_writer w = rn_writer_of(out, RN_UDP_HDR_BYTES);

    rn_write_be16(&w, hdr->src_port);
    rn_write_be16(&w, hdr->dst_port);
    rn_write_be16(&w, hdr->len_bytes);
    rn_write_be16(&w, hdr->checksum);
}
