/* xtables matches and targets by their binary layout (linux/netfilter/x_tables.h and friends), as iptables-nft keeps
 * them in nf_tables and as iptables-legacy's table blob has them; and the walk through that blob. */
#include "discovery/portfwd.h"
#include "discovery/xt_blob.h"

#include "base/text.h"
#include "host/nlattr.h"
#include "host/proc.h"

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

/* ---- matches ---- */

/* struct xt_tcp and xt_udp: spts[2] dpts[2] in host order; inverted flags behind. */
static void match_ports(struct rn_fwd_packet *p, struct rn_view info, uint8_t ip_proto)
{
    size_t inv_at = ip_proto == 6 ? 11 : 8;
    uint16_t spt_from = rn_nl_u16_at(info, 0);
    uint16_t spt_to = rn_nl_u16_at(info, 2);

    rn_fwd_match_proto(p, ip_proto);
    if (spt_from != 0 || spt_to != UINT16_MAX || rn_nl_u8_at(info, inv_at) != 0)
        p->is_conditional = true;
    if ((rn_nl_u8_at(info, inv_at) & 2) == 0) /* XT_*_INV_DSTPT */
        rn_fwd_match_ports(p, rn_nl_u16_at(info, 4), rn_nl_u16_at(info, 6));
}

/* struct xt_multiport_v1: flags (0 source, 1 destination, 2 either), count, ports[15], pflags[15], invert. A port with
 * its flag set begins a range that the next one ends. */
static void match_multiport(struct rn_fwd_packet *p, struct rn_view info)
{
    uint8_t flags = rn_nl_u8_at(info, 0);
    uint8_t n = rn_nl_u8_at(info, 1);

    if (flags != 1 || n == 0 || n > RN_FWD_MULTI_MAX || rn_nl_u8_at(info, 47) != 0 ||
        p->n_multi != 0) {
        p->is_conditional = true;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint16_t *range = p->multi[p->n_multi++];

        range[0] = rn_nl_u16_at(info, 2 + i * 2);
        if (rn_nl_u8_at(info, 32 + i) != 0 && i + 1 < n)
            i++;
        range[1] = rn_nl_u16_at(info, 2 + i * 2);
    }
}

/* Matches that say nothing about who may come in: text, and "to an address of this machine" (struct
 * xt_addrtype_info_v1: source and destination type as bit masks; 1 << RTN_LOCAL), which is what a port is. */
static bool is_harmless(struct rn_view name, struct rn_view info)
{
    const uint16_t local = 1u << 2;

    if (rn_view_is(name, "addrtype"))
        return rn_nl_u16_at(info, 0) == 0 && rn_nl_u16_at(info, 2) == local;
    return rn_view_is(name, "comment");
}

void rn_fwd_xt_match(struct rn_fwd_packet *p, struct rn_view name, struct rn_view info)
{
    if (rn_view_is(name, "tcp")) {
        match_ports(p, info, 6);
    } else if (rn_view_is(name, "udp")) {
        match_ports(p, info, 17);
    } else if (rn_view_is(name, "multiport")) {
        match_multiport(p, info);
    } else if (!is_harmless(name, info)) {
        p->is_conditional = true;
    }
    if (rn_view_is(name, "comment")) {
        struct rn_text t = rn_text_of(p->comment, sizeof(p->comment));
        struct rn_view text = rn_nl_str(info);

        rn_text_strn(&t, (const char *)text.ptr, text.len);
    }
}

/* ---- targets ---- */

enum {
    RANGE_MAP_IPS = 1,         /* NF_NAT_RANGE_MAP_IPS */
    RANGE_PROTO_SPECIFIED = 2, /* NF_NAT_RANGE_PROTO_SPECIFIED */
};

static uint16_t be16_at(struct rn_view v, size_t offset)
{
    return offset < v.len ? rn_nl_be16(rn_view_of(v.ptr + offset, v.len - offset)) : 0;
}

/* nf_nat_ipv4_multi_range_compat: count, flags, min_ip, max_ip, min, max. */
static void read_range_v4(struct rn_view info, struct rn_fwd_target *to)
{
    uint32_t flags = rn_nl_u32_at(info, 4);

    if (flags & RANGE_MAP_IPS && info.len >= 16) {
        to->addr = rn_nl_addr(rn_view_of(info.ptr + 8, 4));
        to->last = rn_nl_addr(rn_view_of(info.ptr + 12, 4));
    }
    if (flags & RANGE_PROTO_SPECIFIED) {
        to->port_from = be16_at(info, 16);
        to->port_to = be16_at(info, 18);
    }
}

/* nf_nat_range and nf_nat_range2: flags, min_addr[16], max_addr[16], min, max. */
static void read_range(struct rn_view info, uint8_t family, struct rn_fwd_target *to)
{
    uint32_t flags = rn_nl_u32_at(info, 0);

    size_t len = family == RN_FAMILY_V6 ? 16 : 4;

    if (flags & RANGE_MAP_IPS && info.len >= 36) {
        to->addr = rn_nl_addr(rn_view_of(info.ptr + 4, len));
        to->last = rn_nl_addr(rn_view_of(info.ptr + 20, len));
    }
    if (flags & RANGE_PROTO_SPECIFIED) {
        to->port_from = be16_at(info, 36);
        to->port_to = be16_at(info, 38);
    }
}

/* xt_tproxy_target_info: mark mask, mark, address (4 bytes, of revision 1 on 16), port. */
static void read_tproxy(struct rn_view info, uint32_t revision, uint8_t family,
                        struct rn_fwd_target *to)
{
    size_t room = revision == 0 ? 4 : 16;
    size_t len = family == RN_FAMILY_V6 ? 16 : 4;

    if (info.len < 8 + room + 2 || len > room)
        return;
    to->addr = rn_nl_addr(rn_view_of(info.ptr + 8, len));
    if (rn_addr_is_any(to->addr))
        to->addr = rn_addr_none();
    to->port_from = be16_at(info, 8 + room);
    to->port_to = to->port_from;
}

enum rn_fwd_xt rn_fwd_xt_target(struct rn_view name, uint32_t revision, struct rn_view info,
                                const struct rn_fwd_packet *p, struct rn_fwd_target *ret)
{
    bool is_netmap = rn_view_is(name, "NETMAP");

    *ret = (struct rn_fwd_target){ .is_mapped = is_netmap };
    if (rn_view_is(name, "TPROXY")) {
        read_tproxy(info, revision, p->family, ret);
        return RN_FWD_XT_DNAT;
    }
    if (!is_netmap && !rn_view_is(name, "DNAT") && !rn_view_is(name, "REDIRECT"))
        return RN_FWD_XT_CONTINUE;
    if (p->family == RN_FAMILY_V6 || revision == 2)
        read_range(info, p->family, ret);
    else
        read_range_v4(info, ret);
    if (is_netmap)
        ret->last = rn_addr_none();
    return RN_FWD_XT_DNAT;
}

/* ---- iptables-legacy ---- */

struct legacy {
    struct rn_fwd_run run;
    const struct rn_xt_layout *at;
    struct rn_view table;
    char name[64]; /* "iptables -t nat" */
};

static uint8_t prefix_bits(struct rn_view mask)
{
    uint8_t bits = 0;

    for (size_t i = 0; i < mask.len; i++)
        bits = (uint8_t)(bits + __builtin_popcount(mask.ptr[i]));
    return bits;
}

static void match_header(const struct legacy *g, struct rn_view e, struct rn_fwd_packet *p)
{
    size_t len = g->at->family == RN_FAMILY_V4 ? 4 : 16;
    struct rn_addr dst = rn_nl_addr(rn_view_of(e.ptr + g->at->dst_at, len));
    uint8_t bits = prefix_bits(rn_view_of(e.ptr + g->at->dst_mask_at, len));
    uint16_t proto = rn_nl_u16_at(e, g->at->proto_at);
    uint8_t inv = rn_nl_u8_at(e, g->at->inv_at);
    struct rn_prefix prefix = rn_prefix_of(dst, bits);

    if (inv & ~IPT_INV_VIA_IN)
        p->is_conditional = true;
    if (bits != 0 && !(inv & IPT_INV_DSTIP))
        rn_fwd_match_daddr(p, &prefix);
    if (proto != 0 && !(inv & IPT_INV_PROTO))
        rn_fwd_match_proto(p, rn_sat_u8(proto));
    if (e.ptr[g->at->iif_at] != 0) {
        struct rn_view name = rn_view_of(e.ptr + g->at->iif_at, IFNAMSIZ);
        struct rn_view mask = rn_view_of(e.ptr + g->at->iif_mask_at, IFNAMSIZ);

        /* "eth+" masks three bytes, "eth0" masks its NUL as well. */
        name.len = prefix_bits(mask) / 8u;
        rn_fwd_match_iif(p, name, inv & IPT_INV_VIA_IN);
    }
}

static void walk_legacy(struct legacy *g, size_t offset, const struct rn_fwd_packet *in,
                        unsigned depth);

/* False: the walk through this chain ends behind an unconditional verdict.
 * NOLINTNEXTLINE(misc-no-recursion): RN_FWD_DEPTH_MAX deep, see walk_legacy() */
static bool apply_target(struct legacy *g, const struct rn_xt_ext *target, struct rn_fwd_packet *p,
                         unsigned depth)
{
    struct rn_fwd_target to;
    int32_t verdict;

    if (target->name.len == 0) { /* XT_STANDARD_TARGET: >= 0 jumps there, < 0 is a verdict */
        verdict = rn_nl_i32(target->info);
        if (verdict >= 0) {
            walk_legacy(g, (size_t)verdict, p, depth + 1);
            return true;
        }
        return p->daddr.bits != 0 || p->ip_proto != 0 || p->iif[0] != '\0' || p->is_conditional;
    }
    if (rn_fwd_xt_target(target->name, target->revision, target->info, p, &to) == RN_FWD_XT_DNAT)
        rn_fwd_emit(&g->run, p, &to, g->name);
    return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): RN_FWD_DEPTH_MAX deep, the kernel's own limit of jumps */
static void walk_legacy(struct legacy *g, size_t offset, const struct rn_fwd_packet *in,
                        unsigned depth)
{
    struct rn_view e;

    if (depth > RN_FWD_DEPTH_MAX)
        return;
    while (rn_xt_entry_at(g->at, g->table, offset, &e) && rn_fwd_step(&g->run)) {
        struct rn_view rest = rn_xt_matches(g->at, e);
        struct rn_fwd_packet p = *in;
        struct rn_xt_ext ext;

        match_header(g, e, &p);
        while (rn_xt_ext_next(&rest, &ext))
            rn_fwd_xt_match(&p, ext.name, ext.info);
        if (!rn_xt_target(g->at, e, &ext) || rn_view_is(ext.name, XT_ERROR_TARGET))
            return; /* the head of the next chain */
        if (!p.is_dead && !apply_target(g, &ext, &p, depth))
            return;
        offset += e.len;
    }
}

/* For whoever asks whether a packet passes. */
static void keep_table(struct rn_load *l, const struct rn_fact_blob *blob)
{
    struct rn_map_netns *ns = blob->netns;
    struct rn_old_table *grown =
        rn_arena_room(&l->map->arena, ns->old_tables, ns->n_old_tables, sizeof(*grown));

    if (grown == NULL)
        return;
    ns->old_tables = grown;
    grown[ns->n_old_tables++] = (struct rn_old_table){ (uint8_t)blob->kind, blob->bytes };
}

static void put_name(struct legacy *g, struct rn_view info)
{
    struct rn_text t = rn_text_of(g->name, sizeof(g->name));
    struct rn_view table = rn_nl_str(rn_view_of(info.ptr, XT_TABLE_MAXNAMELEN));

    rn_text_str(&t, g->at->family == RN_FAMILY_V4 ? "iptables -t " : "ip6tables -t ");
    rn_text_strn(&t, (const char *)table.ptr, table.len);
}

void rn_portfwd_legacy(struct rn_load *l, const struct rn_fact_blob *blob)
{
    struct legacy g = { .run = { .load = l, .netns = blob->netns, .origin = RN_FWD_LEGACY } };
    static const uint8_t hooks[] = { 0, 3 }; /* NF_INET_PRE_ROUTING, NF_INET_LOCAL_OUT */
    struct rn_view info =
        rn_view_of(blob->bytes.ptr, rn_min_size(blob->bytes.len, sizeof(struct ipt_getinfo)));

    if (info.len < sizeof(struct ipt_getinfo))
        return;
    keep_table(l, blob);
    g.at = rn_xt_layout_of((uint8_t)blob->kind);
    g.table = rn_view_of(blob->bytes.ptr + info.len, blob->bytes.len - info.len);
    put_name(&g, info);
    for (size_t i = 0; i < RN_ARRAY_LEN(hooks); i++) {
        struct rn_fwd_packet p = { .port_to = UINT16_MAX,
                                   .family = g.at->family,
                                   .hook = hooks[i] };
        uint32_t valid = rn_nl_u32_at(info, offsetof(struct ipt_getinfo, valid_hooks));
        size_t at = offsetof(struct ipt_getinfo, hook_entry) + hooks[i] * sizeof(unsigned);

        if (valid >> hooks[i] & 1)
            walk_legacy(&g, rn_nl_u32_at(info, at), &p, 0);
    }
}
