#include "wire/ndp.h"

#include "wire/icmp6.h"
#include "wire/ndp_opts.h"

#include <runnel/err.h>

/* RFC 4861 §4.2 and §4.4; the preference is RFC 4191 §2.2. */
enum { RA_MANAGED = 0x80, RA_OTHER = 0x40, RA_PREF_SHIFT = 3, RA_PREF_MASK = 3 };
enum { RA_PREF_RESERVED = 2 };
#define NA_ROUTER    0x80000000u
#define NA_SOLICITED 0x40000000u
#define NA_OVERRIDE  0x20000000u

static bool read_head(struct rn_reader *r, enum rn_icmp6_type type)
{
    uint8_t got_type = rn_read_u8(r);
    uint8_t code = rn_read_u8(r);

    (void)rn_read_be16(r); /* checksum */
    return got_type == type && code == 0;
}

static void write_head(struct rn_writer *w, enum rn_icmp6_type type)
{
    rn_write_u8(w, (uint8_t)type);
    rn_write_u8(w, 0);
    rn_write_be16(w, 0);
}

int rn_ndp_ns_parse(struct rn_ndp_ns *ret, struct rn_view *ret_options, struct rn_view msg)
{
    struct rn_reader r = rn_reader_of(msg);
    bool is_ns = read_head(&r, RN_ICMP6_NEIGH_SOLICIT);
    struct rn_ndp_ns ns;

    (void)rn_read_be32(&r); /* reserved */
    ns.target = rn_read_addr6(&r);
    if (r.short_read || !is_ns || rn_addr_is_multicast(ns.target) || !rn_ndp_opts_ok(r.rest))
        return RN_E_MALFORMED;

    *ret = ns;
    *ret_options = r.rest;
    return RN_OK;
}

void rn_ndp_ns_emit(const struct rn_ndp_ns *ns, struct rn_writer *w)
{
    write_head(w, RN_ICMP6_NEIGH_SOLICIT);
    rn_write_be32(w, 0);
    rn_write_addr6(w, ns->target);
}

int rn_ndp_na_parse(struct rn_ndp_na *ret, struct rn_view *ret_options, struct rn_view msg)
{
    struct rn_reader r = rn_reader_of(msg);
    bool is_na = read_head(&r, RN_ICMP6_NEIGH_ADVERT);
    uint32_t flags = rn_read_be32(&r);
    struct rn_ndp_na na;

    na.target = rn_read_addr6(&r);
    na.is_router = (flags & NA_ROUTER) != 0;
    na.is_solicited = (flags & NA_SOLICITED) != 0;
    na.may_override = (flags & NA_OVERRIDE) != 0;
    if (r.short_read || !is_na || rn_addr_is_multicast(na.target) || !rn_ndp_opts_ok(r.rest))
        return RN_E_MALFORMED;

    *ret = na;
    *ret_options = r.rest;
    return RN_OK;
}

void rn_ndp_na_emit(const struct rn_ndp_na *na, struct rn_writer *w)
{
    uint32_t flags = 0;

    if (na->is_router)
        flags |= NA_ROUTER;
    if (na->is_solicited)
        flags |= NA_SOLICITED;
    if (na->may_override)
        flags |= NA_OVERRIDE;

    write_head(w, RN_ICMP6_NEIGH_ADVERT);
    rn_write_be32(w, flags);
    rn_write_addr6(w, na->target);
}

int rn_ndp_rs_parse(struct rn_view *ret_options, struct rn_view msg)
{
    struct rn_reader r = rn_reader_of(msg);
    bool is_rs = read_head(&r, RN_ICMP6_ROUTER_SOLICIT);

    (void)rn_read_be32(&r); /* reserved */
    if (r.short_read || !is_rs || !rn_ndp_opts_ok(r.rest))
        return RN_E_MALFORMED;

    *ret_options = r.rest;
    return RN_OK;
}

void rn_ndp_rs_emit(struct rn_writer *w)
{
    write_head(w, RN_ICMP6_ROUTER_SOLICIT);
    rn_write_be32(w, 0);
}

static uint8_t preference_of(uint8_t flags)
{
    uint8_t pref = (flags >> RA_PREF_SHIFT) & RA_PREF_MASK;

    return pref == RA_PREF_RESERVED ? RN_NDP_PREF_MEDIUM : pref;
}

int rn_ndp_ra_parse(struct rn_ndp_ra *ret, struct rn_view *ret_options, struct rn_view msg)
{
    struct rn_reader r = rn_reader_of(msg);
    bool is_ra = read_head(&r, RN_ICMP6_ROUTER_ADVERT);
    struct rn_ndp_ra ra;
    uint8_t flags;

    ra.hop_limit = rn_read_u8(&r);
    flags = rn_read_u8(&r);
    ra.lifetime_s = rn_read_be16(&r);
    ra.reachable_ms = rn_read_be32(&r);
    ra.retrans_ms = rn_read_be32(&r);
    ra.is_managed = (flags & RA_MANAGED) != 0;
    ra.has_other_config = (flags & RA_OTHER) != 0;
    ra.preference = preference_of(flags);
    if (r.short_read || !is_ra || !rn_ndp_opts_ok(r.rest))
        return RN_E_MALFORMED;

    *ret = ra;
    *ret_options = r.rest;
    return RN_OK;
}

void rn_ndp_ra_emit(const struct rn_ndp_ra *ra, struct rn_writer *w)
{
    unsigned flags = (unsigned)(ra->preference & RA_PREF_MASK) << RA_PREF_SHIFT;

    if (ra->is_managed)
        flags |= RA_MANAGED;
    if (ra->has_other_config)
        flags |= RA_OTHER;

    write_head(w, RN_ICMP6_ROUTER_ADVERT);
    rn_write_u8(w, ra->hop_limit);
    rn_write_u8(w, (uint8_t)flags);
    rn_write_be16(w, ra->lifetime_s);
    rn_write_be32(w, ra->reachable_ms);
    rn_write_be32(w, ra->retrans_ms);
}

int rn_ndp_redirect_parse(struct rn_ndp_redirect *ret, struct rn_view *ret_options,
                          struct rn_view msg)
{
    struct rn_reader r = rn_reader_of(msg);
    bool is_redirect = read_head(&r, RN_ICMP6_REDIRECT);
    struct rn_ndp_redirect rd;

    (void)rn_read_be32(&r); /* reserved */
    rd.target = rn_read_addr6(&r);
    rd.dst = rn_read_addr6(&r);
    if (r.short_read || !is_redirect || rn_addr_is_multicast(rd.dst) || !rn_ndp_opts_ok(r.rest))
        return RN_E_MALFORMED;

    *ret = rd;
    *ret_options = r.rest;
    return RN_OK;
}

void rn_ndp_redirect_emit(const struct rn_ndp_redirect *rd, struct rn_writer *w)
{
    write_head(w, RN_ICMP6_REDIRECT);
    rn_write_be32(w, 0);
    rn_write_addr6(w, rd->target);
    rn_write_addr6(w, rd->dst);
}

struct rn_addr rn_ndp_solicited_node(struct rn_addr target)
{
    struct rn_addr a = { .b = { 0xff, 0x02, [11] = 1, [12] = 0xff } };

    memcpy(a.b + 13, target.b + 13, 3);
    return a;
}
