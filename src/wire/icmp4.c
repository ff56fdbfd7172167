#include "wire/icmp4.h"

#include "base/writer.h"

#include <runnel/err.h>

static bool has_id(uint8_t type)
{
    return type == RN_ICMP4_ECHO || type == RN_ICMP4_ECHO_REPLY || type == RN_ICMP4_TIMESTAMP ||
           type == RN_ICMP4_TIMESTAMP_REPLY;
}

static bool has_mtu(uint8_t type, uint8_t code)
{
    return type == RN_ICMP4_UNREACH && code == RN_ICMP4_FRAG_NEEDED;
}

int rn_icmp4_parse(struct rn_icmp4_hdr *ret, struct rn_view *ret_payload, struct rn_view msg)
{
    struct rn_reader r = rn_reader_of(msg);
    struct rn_icmp4_hdr h = { 0 };
    uint32_t rest;

    h.type = rn_read_u8(&r);
    h.code = rn_read_u8(&r);
    h.checksum = rn_read_be16(&r);
    rest = rn_read_be32(&r);
    if (r.short_read)
        return RN_E_MALFORMED;

    if (has_id(h.type)) {
        h.id = (uint16_t)(rest >> 16);
        h.seq = (uint16_t)rest;
    } else if (has_mtu(h.type, h.code)) {
        h.mtu = (uint16_t)rest;
    } else if (h.type == RN_ICMP4_PARAM_PROBLEM) {
        h.pointer = (uint8_t)(rest >> 24);
    } else if (h.type == RN_ICMP4_REDIRECT) {
        h.gateway = rn_addr_v4(rest);
    }
    *ret = h;
    *ret_payload = r.rest;
    return RN_OK;
}

void rn_icmp4_emit(const struct rn_icmp4_hdr *hdr, uint8_t out[RN_ICMP4_HDR_BYTES])
{
    struct rn_writer w = rn_writer_of(out, RN_ICMP4_HDR_BYTES);
    uint32_t rest = 0;

    if (has_id(hdr->type))
        rest = (uint32_t)hdr->id << 16 | hdr->seq;
    else if (has_mtu(hdr->type, hdr->code))
        rest = hdr->mtu;
    else if (hdr->type == RN_ICMP4_PARAM_PROBLEM)
        rest = (uint32_t)hdr->pointer << 24;
    else if (hdr->type == RN_ICMP4_REDIRECT)
        rest = rn_addr_to_v4(hdr->gateway);

    rn_write_u8(&w, hdr->type);
    rn_write_u8(&w, hdr->code);
    rn_write_be16(&w, hdr->checksum);
    rn_write_be32(&w, rest);
}

bool rn_icmp4_is_error(uint8_t type)
{
    return type == RN_ICMP4_UNREACH || type == RN_ICMP4_SOURCE_QUENCH ||
           type == RN_ICMP4_REDIRECT || type == RN_ICMP4_TIME_EXCEEDED ||
           type == RN_ICMP4_PARAM_PROBLEM;
}
