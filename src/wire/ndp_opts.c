#include "wire/ndp_opts.h"

#include <runnel/err.h>

enum { UNIT_BYTES = 8, HEAD_BYTES = 2 }; /* RFC 4861 §4.6: lengths count 8 bytes */
enum { PREFIX_ON_LINK = 0x80, PREFIX_AUTONOMOUS = 0x40 }; /* RFC 4861 §4.6.2 */
enum { PREFIX_UNITS = 4, MTU_UNITS = 1, LLA_UNITS = 1 };

static bool read_head(struct rn_reader *r, struct rn_ndp_opt *o)
{
    uint8_t units;

    o->type = rn_read_u8(r);
    units = rn_read_u8(r);
    if (units == 0)
        return false;
    o->body = rn_read_view(r, (size_t)units * UNIT_BYTES - HEAD_BYTES);
    return !r->short_read;
}

bool rn_ndp_opts_ok(struct rn_view options)
{
    struct rn_reader r = rn_reader_of(options);
    struct rn_ndp_opt o;

    while (r.rest.len != 0) {
        if (!read_head(&r, &o))
            return false;
    }
    return true;
}

static bool read_lla(struct rn_ndp_opt *o, struct rn_reader *body)
{
    rn_read_bytes(body, o->lla.b, sizeof(o->lla.b));
    return !body->short_read && body->rest.len == 0;
}

static bool read_prefix(struct rn_ndp_opt *o, struct rn_reader *body)
{
    uint8_t bits = rn_read_u8(body);
    uint8_t flags = rn_read_u8(body);
    struct rn_addr addr;

    o->prefix.valid_s = rn_read_be32(body);
    o->prefix.preferred_s = rn_read_be32(body);
    (void)rn_read_be32(body); /* reserved */
    addr = rn_read_addr6(body);
    /* A v4-mapped prefix is no IPv6 prefix to this house (addr.h), and bits would mean something else. */
    if (body->short_read || body->rest.len != 0 || bits > 128 || rn_addr_is_v4(addr))
        return false;
    o->prefix.prefix = rn_prefix_of(addr, bits);
    o->prefix.on_link = (flags & PREFIX_ON_LINK) != 0;
    o->prefix.autonomous = (flags & PREFIX_AUTONOMOUS) != 0;
    return true;
}

static bool read_mtu(struct rn_ndp_opt *o, struct rn_reader *body)
{
    (void)rn_read_be16(body); /* reserved */
    o->mtu = rn_read_be32(body);
    return !body->short_read && body->rest.len == 0;
}

static bool read_redirected(struct rn_ndp_opt *o, struct rn_reader *body)
{
    (void)rn_read_view(body, 6); /* reserved */
    o->redirected = body->rest;
    return !body->short_read;
}

static bool read_rdnss(struct rn_ndp_opt *o, struct rn_reader *body)
{
    struct rn_ndp_rdnss rdnss = { 0 };

    (void)rn_read_be16(body); /* reserved */
    rdnss.lifetime_s = rn_read_be32(body);
    if (body->short_read || body->rest.len == 0 || body->rest.len % sizeof(struct rn_addr) != 0)
        return false;
    while (body->rest.len != 0 && rdnss.n_servers < RN_NDP_RDNSS_MAX)
        rdnss.servers[rdnss.n_servers++] = rn_read_addr6(body);
    o->rdnss = rdnss;
    return true;
}

static bool read_body(struct rn_ndp_opt *o)
{
    struct rn_reader body = rn_reader_of(o->body);

    switch (o->type) {
    case RN_NDP_OPT_SOURCE_LLA:
    case RN_NDP_OPT_TARGET_LLA:
        return read_lla(o, &body);
    case RN_NDP_OPT_PREFIX:
        return read_prefix(o, &body);
    case RN_NDP_OPT_MTU:
        return read_mtu(o, &body);
    case RN_NDP_OPT_REDIRECTED:
        return read_redirected(o, &body);
    case RN_NDP_OPT_RDNSS:
        return read_rdnss(o, &body);
    case RN_NDP_OPT_NONCE:
        o->nonce = o->body;
        return true;
    default:
        return true;
    }
}

int rn_ndp_opt_next(struct rn_reader *options, struct rn_ndp_opt *ret)
{
    while (options->rest.len != 0) {
        struct rn_ndp_opt o = { 0 };

        if (!read_head(options, &o))
            return RN_E_MALFORMED;
        if (!read_body(&o))
            continue;
        *ret = o;
        return 1;
    }
    return 0;
}

static void write_head(struct rn_writer *w, enum rn_ndp_opt_type type, unsigned units)
{
    rn_write_u8(w, (uint8_t)type);
    rn_write_u8(w, (uint8_t)units);
}

void rn_ndp_opt_lla_emit(enum rn_ndp_opt_type type, struct rn_mac lla, struct rn_writer *w)
{
    write_head(w, type, LLA_UNITS);
    rn_write_bytes(w, lla.b, sizeof(lla.b));
}

void rn_ndp_opt_prefix_emit(const struct rn_ndp_prefix_info *info, struct rn_writer *w)
{
    unsigned flags = 0;

    if (info->on_link)
        flags |= PREFIX_ON_LINK;
    if (info->autonomous)
        flags |= PREFIX_AUTONOMOUS;

    write_head(w, RN_NDP_OPT_PREFIX, PREFIX_UNITS);
    rn_write_u8(w, info->prefix.bits);
    rn_write_u8(w, (uint8_t)flags);
    rn_write_be32(w, info->valid_s);
    rn_write_be32(w, info->preferred_s);
    rn_write_be32(w, 0);
    rn_write_addr6(w, info->prefix.addr);
}

void rn_ndp_opt_mtu_emit(uint32_t mtu, struct rn_writer *w)
{
    write_head(w, RN_NDP_OPT_MTU, MTU_UNITS);
    rn_write_be16(w, 0);
    rn_write_be32(w, mtu);
}

void rn_ndp_opt_rdnss_emit(const struct rn_ndp_rdnss *rdnss, struct rn_writer *w)
{
    write_head(w, RN_NDP_OPT_RDNSS, 1 + 2u * rdnss->n_servers);
    rn_write_be16(w, 0);
    rn_write_be32(w, rdnss->lifetime_s);
    for (unsigned i = 0; i < rdnss->n_servers; i++)
        rn_write_addr6(w, rdnss->servers[i]);
}

void rn_ndp_opt_nonce_emit(const uint8_t nonce[RN_NDP_NONCE_BYTES], struct rn_writer *w)
{
    write_head(w, RN_NDP_OPT_NONCE, 1);
    rn_write_bytes(w, nonce, RN_NDP_NONCE_BYTES);
}
