#include "wire/ipv6_ext.h"

#include <runnel/err.h>

enum {
    FRAG_MORE = 1,
    FRAG_OFF_MASK = 0xfff8
}; /* RFC 8200 §4.5; the field counts 8-byte units, so it is bytes */

struct rn_ipv6_ext_iter rn_ipv6_ext_iter_of(uint8_t first, struct rn_view bytes)
{
    return (struct rn_ipv6_ext_iter){ .rest = rn_reader_of(bytes), .next = first };
}

static bool is_extension(uint8_t proto)
{
    return proto == RN_PROTO_HOP_BY_HOP || proto == RN_PROTO_ROUTING ||
           proto == RN_PROTO_FRAGMENT || proto == RN_PROTO_DST_OPTS || proto == RN_PROTO_AH;
}

/* Bytes after next header and length. Each kind counts its length in a way of its own. */
static size_t body_bytes(uint8_t type, uint8_t len_field)
{
    if (type == RN_PROTO_FRAGMENT)
        return RN_IPV6_FRAG_BYTES - 2;
    if (type == RN_PROTO_AH)
        return ((size_t)len_field + 2) * 4 - 2; /* RFC 4302 §2.2 */
    return ((size_t)len_field + 1) * 8 - 2;
}

static struct rn_ipv6_frag read_frag(struct rn_view body)
{
    struct rn_reader r = rn_reader_of(body);
    uint16_t off_more = rn_read_be16(&r);
    uint32_t id = rn_read_be32(&r);

    return (struct rn_ipv6_frag){ .off_bytes = off_more & FRAG_OFF_MASK,
                                  .more = (off_more & FRAG_MORE) != 0,
                                  .id = id };
}

static void read_routing(struct rn_ipv6_ext *e)
{
    struct rn_reader r = rn_reader_of(e->body);

    e->routing_type = rn_read_u8(&r);
    e->segments_left = rn_read_u8(&r);
}

int rn_ipv6_ext_next(struct rn_ipv6_ext_iter *it, struct rn_ipv6_ext *ret)
{
    struct rn_ipv6_ext e = { .type = it->next, .next_at = it->next_at, .at = it->at };
    struct rn_reader r = it->rest;
    uint8_t next;
    size_t body_len;

    if (it->is_later_fragment || !is_extension(it->next))
        return 0;
    next = rn_read_u8(&r);
    body_len = body_bytes(e.type, rn_read_u8(&r));
    e.body = rn_read_view(&r, body_len);
    if (r.short_read || it->n_seen == RN_IPV6_EXT_MAX ||
        body_len + 2 > RN_IPV6_EXT_MAX_BYTES - it->at)
        return RN_E_MALFORMED;

    if (e.type == RN_PROTO_FRAGMENT)
        e.frag = read_frag(e.body);
    if (e.type == RN_PROTO_ROUTING)
        read_routing(&e);
    it->is_later_fragment = e.frag.off_bytes != 0;
    it->next = next;
    it->next_at = it->at;
    it->at = (uint16_t)(it->at + body_len + 2);
    it->n_seen++;
    it->rest = r;
    *ret = e;
    return 1;
}

void rn_ipv6_frag_emit(const struct rn_ipv6_frag *frag, uint8_t next,
                       uint8_t out[RN_IPV6_FRAG_BYTES])
{
    struct rn_writer w = rn_writer_of(out, RN_IPV6_FRAG_BYTES);
    unsigned off_more = frag->off_bytes & FRAG_OFF_MASK;

    if (frag->more)
        off_more |= FRAG_MORE;
    rn_write_u8(&w, next);
    rn_write_u8(&w, 0);
    rn_write_be16(&w, (uint16_t)off_more);
    rn_write_be32(&w, frag->id);
}

struct rn_ipv6_opt_iter rn_ipv6_opt_iter_of(struct rn_view body)
{
    return (struct rn_ipv6_opt_iter){ .rest = rn_reader_of(body) };
}

int rn_ipv6_opt_next(struct rn_ipv6_opt_iter *it, struct rn_ipv6_opt *ret)
{
    while (it->rest.rest.len != 0) {
        struct rn_ipv6_opt o = { .at = it->at };
        uint8_t len;

        o.type = rn_read_u8(&it->rest);
        it->at++;
        if (o.type == RN_IPV6_OPT_PAD1)
            continue;
        len = rn_read_u8(&it->rest);
        o.data = rn_read_view(&it->rest, len);
        if (it->rest.short_read)
            return RN_E_MALFORMED;
        it->at = (uint16_t)(it->at + 1 + len);
        if (o.type == RN_IPV6_OPT_PADN)
            continue;
        *ret = o;
        return 1;
    }
    return 0;
}

enum rn_ipv6_opt_action rn_ipv6_opt_action(uint8_t type)
{
    return (enum rn_ipv6_opt_action)(type >> 6);
}
