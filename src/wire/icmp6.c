#include "wire/icmp6.h"

#include "base/writer.h"

#include <runnel/err.h>

int rn_icmp6_parse(struct rn_icmp6_hdr *ret, struct rn_view *ret_payload, struct rn_view msg)
{
    struct rn_reader r = rn_reader_of(msg);
    struct rn_icmp6_hdr h = { 0 };
    uint32_t rest;

    h.type = rn_read_u8(&r);
    h.code = rn_read_u8(&r);
    h.checksum = rn_read_be16(&r);
    rest = rn_read_be32(&r);
    if (r.short_read)
        return RN_E_MALFORMED;

    if (h.type == RN_ICMP6_ECHO || h.type == RN_ICMP6_ECHO_REPLY) {
        h.id = (uint16_t)(rest >> 16);
        h.seq = (uint16_t)rest;
    } else if (h.type == RN_ICMP6_TOO_BIG) {
        h.mtu = rest;
    } else if (h.type == RN_ICMP6_PARAM_PROBLEM) {
        h.pointer = rest;
    }
    *ret = h;
    *ret_payload = r.rest;
    return RN_OK;
}

void rn_icmp6_emit(const struct rn_icmp6_hdr *hdr, uint8_t out[RN_ICMP6_HDR_BYTES])
{
    struct rn_writer w = rn_writer_of(out, RN_ICMP6_HDR_BYTES);
    uint32_t rest = 0;

    if (hdr->type == RN_ICMP6_ECHO || hdr->type == RN_ICMP6_ECHO_REPLY)
        rest = (uint32_t)hdr->id << 16 | hdr->seq;
    else if (hdr->type == RN_ICMP6_TOO_BIG)
        rest = hdr->mtu;
    else if (hdr->type == RN_ICMP6_PARAM_PROBLEM)
        rest = hdr->pointer;

    rn_write_u8(&w, hdr->type);
    rn_write_u8(&w, hdr->code);
    rn_write_be16(&w, hdr->checksum);
    rn_write_be32(&w, rest);
}
