#include "wire/ipv4.h"

#include "base/checksum.h"
#include "base/writer.h"

#include <runnel/err.h>

enum { FLAG_DF = 0x4000, FLAG_MF = 0x2000, FRAG_OFF_MASK = 0x1fff }; /* RFC 791 §3.1 */
enum { CHECKSUM_AT = 10 };

int rn_ipv4_parse(struct rn_ipv4_hdr *ret, struct rn_view front, size_t pkt_len)
{
    struct rn_reader r = rn_reader_of(front);
    struct rn_view fixed = rn_read_view(&r, RN_IPV4_HDR_BYTES);
    const uint8_t *p = fixed.ptr;
    unsigned hdr_len;
    unsigned total_len;
    unsigned frag;

    if (fixed.len == 0 || p[0] >> 4 != 4)
        return RN_E_MALFORMED;
    hdr_len = (p[0] & 0x0fu) * 4;
    total_len = rn_get_be16(p + 2);
    if (hdr_len < RN_IPV4_HDR_BYTES || hdr_len > front.len)
        return RN_E_MALFORMED;
    if (total_len < hdr_len || total_len > pkt_len)
        return RN_E_MALFORMED;

    frag = rn_get_be16(p + 6);
    ret->tos = p[1];
    ret->total_len = (uint16_t)total_len;
    ret->id = rn_get_be16(p + 4);
    ret->ttl = p[8];
    ret->proto = p[9];
    ret->checksum = rn_get_be16(p + CHECKSUM_AT);
    ret->src = rn_addr_v4(rn_get_be32(p + 12));
    ret->dst = rn_addr_v4(rn_get_be32(p + 16));
    ret->hdr_len = (uint8_t)hdr_len;
    ret->frag_off_bytes = (uint16_t)((frag & FRAG_OFF_MASK) * 8);
    ret->dont_fragment = (frag & FLAG_DF) != 0;
    ret->more_fragments = (frag & FLAG_MF) != 0;
    return RN_OK;
}

struct rn_view rn_ipv4_options(struct rn_view front, const struct rn_ipv4_hdr *hdr)
{
    struct rn_reader r = rn_reader_of(front);

    (void)rn_read_view(&r, RN_IPV4_HDR_BYTES);
    return rn_read_view(&r, hdr->hdr_len - (size_t)RN_IPV4_HDR_BYTES);
}

/* The folded sum of a header without options, as nearly all are: five words. */
static uint16_t sum_fixed(const uint8_t *p)
{
    uint64_t sum = (uint64_t)rn_get_be32(p) + rn_get_be32(p + 4) + rn_get_be32(p + 8) +
                   rn_get_be32(p + 12) + rn_get_be32(p + 16);

    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32); /* at most 0x20002 */
    sum = (sum & 0xffff) + (sum >> 16);                        /* at most 0x10000 */
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

bool rn_ipv4_checksum_ok(struct rn_view front, size_t hdr_len)
{
    /* A right header sums to all ones, its own checksum included (RFC 1071 §1). */
    if (hdr_len == RN_IPV4_HDR_BYTES)
        return front.len >= RN_IPV4_HDR_BYTES && sum_fixed(front.ptr) == 0xffff;
    return hdr_len <= front.len && rn_checksum(front.ptr, hdr_len, 0) == 0xffff;
}

/* @out holds RN_IPV4_HDR_BYTES. */
static void write_fixed(uint8_t *out, const struct rn_ipv4_hdr *hdr, size_t hdr_len)
{
    unsigned frag = (hdr->frag_off_bytes / 8u) & FRAG_OFF_MASK;

    if (hdr->dont_fragment)
        frag |= FLAG_DF;
    if (hdr->more_fragments)
        frag |= FLAG_MF;

    out[0] = (uint8_t)(4u << 4 | hdr_len / 4);
    out[1] = hdr->tos;
    rn_put_be16(out + 2, hdr->total_len);
    rn_put_be16(out + 4, hdr->id);
    rn_put_be16(out + 6, (uint16_t)frag);
    out[8] = hdr->ttl;
    out[9] = hdr->proto;
    rn_put_be16(out + CHECKSUM_AT, 0); /* when all else is there */
    rn_put_be32(out + 12, rn_addr_to_v4(hdr->src));
    rn_put_be32(out + 16, rn_addr_to_v4(hdr->dst));
}

void rn_ipv4_emit(const struct rn_ipv4_hdr *hdr, uint8_t out[RN_IPV4_HDR_BYTES])
{
    write_fixed(out, hdr, RN_IPV4_HDR_BYTES);
    rn_put_be16(out + CHECKSUM_AT, (uint16_t)~sum_fixed(out));
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
    rn_put_be16(out + CHECKSUM_AT, (uint16_t)~rn_checksum(out, hdr_len, 0));
    return (int)hdr_len;
}
