#include "wire/ipv4.h"

#include "base/checksum.h"
#include "base/writer.h"

#include <runnel/err.h>

enum { FLAG_DF = 0x4000, FLAG_MF = 0x2000, FRAG_OFF_MASK = 0x1fff }; /* RFC 791 §3.1 */
enum { CHECKSUM_AT = 10 };

int rn_ipv4_parse(struct rn_ipv4_hdr *ret, struct rn_view front, size_t pkt_len)
{
    struct rn_reader r = rn_reader_of(rn_view_of(front.ptr, RN_IPV4_HDR_BYTES));
    struct rn_ipv4_hdr h;
    uint8_t version_ihl;
    uint16_t frag;

    if (front.len < RN_IPV4_HDR_BYTES)
        return RN_E_MALFORMED;
    version_ihl = rn_read_u8(&r);
    h.tos = rn_read_u8(&r);
    h.total_len = rn_read_be16(&r);
    h.id = rn_read_be16(&r);
    frag = rn_read_be16(&r);
    h.ttl = rn_read_u8(&r);
    h.proto = rn_read_u8(&r);
    h.checksum = rn_read_be16(&r);
    h.src = rn_read_addr4(&r);
    h.dst = rn_read_addr4(&r);
    h.hdr_len = (uint8_t)((version_ihl & 0x0f) * 4);
    h.frag_off_bytes = (uint16_t)((frag & FRAG_OFF_MASK) * 8);
    h.dont_fragment = (frag & FLAG_DF) != 0;
    h.more_fragments = (frag & FLAG_MF) != 0;

    if (version_ihl >> 4 != 4)
        return RN_E_MALFORMED;
    if (h.hdr_len < RN_IPV4_HDR_BYTES || h.hdr_len > front.len)
        return RN_E_MALFORMED;
    if (h.total_len < h.hdr_len || h.total_len > pkt_len)
        return RN_E_MALFORMED;

    *ret = h;
    return RN_OK;
}

struct rn_view rn_ipv4_options(struct rn_view front, const struct rn_ipv4_hdr *hdr)
{
    struct rn_reader r = rn_reader_of(front);

    (void)rn_read_view(&r, RN_IPV4_HDR_BYTES);
    return rn_read_view(&r, hdr->hdr_len - (size_t)RN_IPV4_HDR_BYTES);
}

bool rn_ipv4_checksum_ok(struct rn_view front, size_t hdr_len)
{
    /* A right header sums to all ones, its own checksum included (RFC 1071 §1). */
    return hdr_len <= front.len && rn_checksum(front.ptr, hdr_len, 0) == 0xffff;
}

static void write_fixed(uint8_t out[RN_IPV4_HDR_BYTES], const struct rn_ipv4_hdr *hdr,
                        size_t hdr_len)
{
    struct rn_writer w = rn_writer_of(out, RN_IPV4_HDR_BYTES);
    unsigned frag = (hdr->frag_off_bytes / 8u) & FRAG_OFF_MASK;

    if (hdr->dont_fragment)
        frag |= FLAG_DF;
    if (hdr->more_fragments)
        frag |= FLAG_MF;

    rn_write_u8(&w, (uint8_t)(4u << 4 | hdr_len / 4));
    rn_write_u8(&w, hdr->tos);
    rn_write_be16(&w, hdr->total_len);
    rn_write_be16(&w, hdr->id);
    rn_write_be16(&w, (uint16_t)frag);
    rn_write_u8(&w, hdr->ttl);
    rn_write_u8(&w, hdr->proto);
    rn_write_be16(&w, 0); /* the checksum, when all else is there */
    rn_write_addr4(&w, hdr->src);
    rn_write_addr4(&w, hdr->dst);
}

static void put_checksum(uint8_t *out, size_t hdr_len)
{
    rn_put_be16(out + CHECKSUM_AT, (uint16_t)~rn_checksum(out, hdr_len, 0));
}

void rn_ipv4_emit(const struct rn_ipv4_hdr *hdr, uint8_t out[RN_IPV4_HDR_BYTES])
{
    write_fixed(out, hdr, RN_IPV4_HDR_BYTES);
    put_checksum(out, RN_IPV4_HDR_BYTES);
}

int rn_ipv4_emit_options(const struct rn_ipv4_hdr *hdr, struct rn_view options, uint8_t *out,
                         size_t cap)
{
    struct rn_writer w = rn_writer_of(out, cap);
    size_t padding = (4 - options.len % 4) % 4;
    size_t hdr_len;

    if (options.len > RN_IPV4_HDR_MAX_BYTES - RN_IPV4_HDR_BYTES)
        return RN_E_MSG_TOO_LONG;

    hdr_len = RN_IPV4_HDR_BYTES + options.len + padding;
    (void)rn_write_room(&w, RN_IPV4_HDR_BYTES);
    rn_write_bytes(&w, options.ptr, options.len);
    rn_write_zeros(&w, padding);
    if (w.overflow)
        return RN_E_MSG_TOO_LONG;
    write_fixed(out, hdr, hdr_len);
    put_checksum(out, hdr_len);
    return (int)hdr_len;
}
