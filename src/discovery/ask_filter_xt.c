/* Matches and targets of xtables for a packet that is known: by their binary layout, as portfwd_xt.c. */
#include "discovery/ask_filter_run.h"

#include "host/nlattr.h"
#include "host/proc.h"

#include <linux/rtnetlink.h>

static enum rn_fit of_bool(bool is_so)
{
    return is_so ? RN_FIT_YES : RN_FIT_NO;
}

static enum rn_fit both(enum rn_fit a, enum rn_fit b)
{
    return a < b ? a : b;
}

static bool is_within(uint16_t port, uint16_t from, uint16_t to)
{
    return port >= from && port <= to;
}

/* Of the first packet: SYN alone; RFC 3168's two bits are as the sender likes. */
static enum rn_fit match_tcp_flags(struct rn_view info)
{
    const uint8_t first = 0x02;
    const uint8_t known = 0x3f;
    uint8_t mask = rn_nl_u8_at(info, 9);
    uint8_t wanted = rn_nl_u8_at(info, 10);
    bool is_inverted = rn_nl_u8_at(info, 11) & 4; /* XT_TCP_INV_FLAGS */

    if (((first & mask) ^ wanted) & known)
        return of_bool(is_inverted);
    return (mask | wanted) & ~known ? RN_FIT_MAYBE : of_bool(!is_inverted);
}

/* struct xt_tcp and xt_udp: spts[2] dpts[2]; of TCP then option, flag mask and flags; inverted flags last. */
static enum rn_fit match_ports(const struct rn_filter_packet *p, struct rn_view info,
                               uint8_t ip_proto)
{
    bool is_tcp = ip_proto == 6;
    uint8_t inv = rn_nl_u8_at(info, is_tcp ? 11 : 8);
    bool is_dst = is_within(p->port, rn_nl_u16_at(info, 4), rn_nl_u16_at(info, 6));
    bool asks_src = rn_nl_u16_at(info, 0) != 0 || rn_nl_u16_at(info, 2) != UINT16_MAX;
    enum rn_fit fit = asks_src || (is_tcp && rn_nl_u8_at(info, 8) != 0) ? RN_FIT_MAYBE : RN_FIT_YES;

    if (p->ip_proto != ip_proto || is_dst == ((inv & 2) != 0)) /* XT_*_INV_DSTPT */
        return RN_FIT_NO;
    return is_tcp ? both(fit, match_tcp_flags(info)) : fit;
}

/* struct xt_multiport_v1, see portfwd_xt.c. */
static enum rn_fit match_multiport(const struct rn_filter_packet *p, struct rn_view info)
{
    enum { EITHER = 2, SOURCE = 0 };
    uint8_t flags = rn_nl_u8_at(info, 0);
    uint8_t n = rn_nl_u8_at(info, 1);
    bool is_in = false;

    if (flags == SOURCE || flags > EITHER || n > 15)
        return RN_FIT_MAYBE;
    for (size_t i = 0; i < n; i++) {
        uint16_t from = rn_nl_u16_at(info, 2 + i * 2);

        if (rn_nl_u8_at(info, 32 + i) != 0 && i + 1 < n)
            i++;
        is_in |= is_within(p->port, from, rn_nl_u16_at(info, 2 + i * 2));
    }
    if (flags == EITHER && !is_in)
        return RN_FIT_MAYBE;
    return of_bool(is_in != (rn_nl_u8_at(info, 47) != 0));
}

/* ---- what connection tracking says of it ---- */

enum { XT_INVALID = 1 << 0, XT_NEW = 1 << 3, XT_DNAT = 1 << 7, XT_UNTRACKED = 1 << 8 };

static enum rn_fit match_states(const struct rn_filter_run *run, uint16_t states,
                                uint16_t untracked)
{
    if (rn_filter_is_untracked_yet(run))
        return of_bool(states & XT_INVALID);
    if (run->marks.tracking == RN_FILTER_TRACKING_UNKNOWN)
        return RN_FIT_MAYBE;
    if (run->marks.tracking == RN_FILTER_UNTRACKED)
        return of_bool(states & untracked);
    return of_bool((states & XT_NEW) || ((states & XT_DNAT) && run->packet->is_rewritten));
}

static enum rn_fit invert(enum rn_fit fit, bool is_inverted)
{
    if (!is_inverted || fit == RN_FIT_MAYBE)
        return fit;
    return fit == RN_FIT_YES ? RN_FIT_NO : RN_FIT_YES;
}

/* An address of 16 bytes with its mask behind it; the family's own length counts. */
static bool is_masked_addr(struct rn_addr a, const uint8_t *addr, const uint8_t *mask)
{
    bool is_v4 = rn_addr_is_v4(a);
    const uint8_t *mine = is_v4 ? a.b + 12 : a.b;

    for (size_t i = 0; i < (is_v4 ? 4u : 16u); i++) {
        if ((mine[i] & mask[i]) != addr[i])
            return false;
    }
    return true;
}

/* struct xt_conntrack_mtinfo3: eight addresses, expiry, then protocol and ports at 136, what is asked, inverted, the
 * states and the upper ends of ports. */
static enum rn_fit match_conntrack(const struct rn_filter_run *run, const struct rn_xt_ext *m)
{
    enum { STATE = 1, PROTO = 2, ORIGDST = 8, ORIGDST_PORT = 0x200, DIRECTION = 0x1000 };
    const struct rn_filter_packet *p = run->packet;
    const uint16_t state_alias = 1u << 13; /* how "-m state" was written: says nothing */
    uint16_t asked = rn_nl_u16_at(m->info, 146) & (uint16_t)~state_alias;
    uint16_t inverted = rn_nl_u16_at(m->info, 148);
    const uint16_t known = STATE | PROTO | ORIGDST | ORIGDST_PORT | DIRECTION;
    enum rn_fit fit = asked & ~known ? RN_FIT_MAYBE : RN_FIT_YES;

    if (m->info.len < 164 || (m->revision != 3 && asked != STATE))
        return RN_FIT_MAYBE;
    if (asked & STATE)
        fit = both(fit, invert(match_states(run, rn_nl_u16_at(m->info, 150), XT_UNTRACKED),
                               inverted & STATE));
    if ((asked & ~STATE) == 0)
        return fit;
    if (run->marks.tracking != RN_FILTER_NEW || rn_filter_is_untracked_yet(run))
        return both(fit, RN_FIT_MAYBE);
    if (asked & PROTO)
        fit =
            both(fit, invert(of_bool(rn_nl_u16_at(m->info, 136) == p->ip_proto), inverted & PROTO));
    if (asked & ORIGDST)
        fit = both(fit,
                   invert(of_bool(is_masked_addr(p->first_to, m->info.ptr + 32, m->info.ptr + 48)),
                          inverted & ORIGDST));
    if (asked & ORIGDST_PORT)
        fit = both(fit, invert(of_bool(is_within(p->first_port, rn_nl_u16_at(m->info, 140),
                                                 rn_nl_u16_at(m->info, 156))),
                               inverted & ORIGDST_PORT));
    if (asked &
        DIRECTION) /* set: the original one is asked for; nothing inverts it but its own bit */
        fit = both(fit, of_bool(!(inverted & DIRECTION)));
    return fit;
}

/* ---- addresses and interfaces ---- */

/* struct xt_addrtype_info_v1: bit masks of types of source and destination, flags. */
static enum rn_fit match_addrtype(const struct rn_filter_packet *p, const struct rn_xt_ext *m)
{
    enum { INVERT_SOURCE = 1, INVERT_DEST = 2, BY_INTERFACE = 12 };
    uint16_t src = rn_nl_u16_at(m->info, 0);
    uint16_t dst = rn_nl_u16_at(m->info, 2);
    uint32_t flags = rn_nl_u32_at(m->info, 4);
    uint8_t src_type = rn_filter_addr_type(p->netns, p->from);
    uint8_t dst_type = rn_filter_addr_type(p->netns, p->to);
    enum rn_fit fit = RN_FIT_YES;

    if (m->revision != 1 || (flags & BY_INTERFACE) != 0 || (src != 0 && src_type == 0) ||
        (dst != 0 && dst_type == 0))
        return RN_FIT_MAYBE;
    if (src != 0)
        fit = invert(of_bool(src >> src_type & 1), flags & INVERT_SOURCE);
    if (dst != 0)
        fit = both(fit, invert(of_bool(dst >> dst_type & 1), flags & INVERT_DEST));
    return fit;
}

static enum rn_fit match_range(struct rn_addr a, const uint8_t *ends, bool is_inverted)
{
    bool is_v4 = rn_addr_is_v4(a);
    const uint8_t *mine = is_v4 ? a.b + 12 : a.b;
    size_t len = is_v4 ? 4 : 16;

    if (rn_addr_is_none(a))
        return RN_FIT_MAYBE;
    return invert(of_bool(memcmp(mine, ends, len) >= 0 && memcmp(mine, ends + 16, len) <= 0),
                  is_inverted);
}

/* struct xt_iprange_mtinfo: first and last source, first and last destination, 16 bytes each; flags. */
static enum rn_fit match_iprange(const struct rn_filter_packet *p, struct rn_view info)
{
    enum { SRC = 1, DST = 2, SRC_INV = 16, DST_INV = 32 };
    uint8_t flags = rn_nl_u8_at(info, 64);
    enum rn_fit fit = RN_FIT_YES;

    if (info.len < 65)
        return RN_FIT_MAYBE;
    if (flags & SRC)
        fit = match_range(p->from, info.ptr, flags & SRC_INV);
    if (flags & DST)
        fit = both(fit, match_range(p->to, info.ptr + 32, flags & DST_INV));
    return fit;
}

/* struct xt_mac_info: address, then at 8 an int that inverts. */
static enum rn_fit match_mac(const struct rn_filter_packet *p, struct rn_view info)
{
    if (p->sender == NULL || p->sender->hwaddr.len != 6 || info.len < 12 || p->iif == NULL ||
        p->iif->hw_type != 1) /* ARPHRD_ETHER */
        return RN_FIT_MAYBE;
    return of_bool((memcmp(p->sender->hwaddr.b, info.ptr, 6) == 0) != (rn_nl_u32_at(info, 8) != 0));
}

/* struct xt_rpfilter_info: flags. */
static enum rn_fit match_rpfilter(const struct rn_filter_packet *p, struct rn_view info)
{
    enum { VALID_MARK = 2, INVERT = 8 };
    uint8_t flags = rn_nl_u8_at(info, 0);

    if (flags & ~(INVERT | VALID_MARK))
        return RN_FIT_MAYBE;
    return invert(rn_filter_way_back(p), flags & INVERT);
}

/* struct xt_mark_mtinfo1, and of connmark alike: mark, mask, invert. */
static enum rn_fit match_mark(uint32_t mark, bool is_unknown, struct rn_view info)
{
    if (is_unknown)
        return RN_FIT_MAYBE;
    return of_bool(((mark & rn_nl_u32_at(info, 4)) == rn_nl_u32_at(info, 0)) !=
                   (rn_nl_u8_at(info, 8) != 0));
}

static enum rn_fit match_connmark(const struct rn_filter_run *run, struct rn_view info)
{
    if (rn_filter_is_untracked_yet(run) || run->marks.tracking != RN_FILTER_NEW)
        return RN_FIT_MAYBE;
    return match_mark(run->marks.ct_mark, run->marks.is_ct_mark_unknown, info);
}

/* Matches of a protocol that the packet is not of. */
static bool is_of_other_proto(const struct rn_filter_packet *p, struct rn_view name)
{
    static const char *const others[] = { "icmp", "icmp6", "sctp", "dccp", "esp", "ah" };

    for (size_t i = 0; i < RN_ARRAY_LEN(others); i++) {
        if (rn_view_is(name, others[i]))
            return p->ip_proto == 6 || p->ip_proto == 17;
    }
    return false;
}

enum rn_fit rn_filter_xt_match(const struct rn_filter_run *run, const struct rn_xt_ext *m)
{
    const struct rn_filter_packet *p = run->packet;

    if (p->layer != RN_FILTER_IP) /* of bridges: ebtables' own */
        return rn_view_is(m->name, "comment") ? RN_FIT_YES : RN_FIT_MAYBE;
    if (is_of_other_proto(p, m->name))
        return RN_FIT_NO;
    if (rn_view_is(m->name, "comment"))
        return RN_FIT_YES;
    if (rn_view_is(m->name, "tcp"))
        return match_ports(p, m->info, 6);
    if (rn_view_is(m->name, "udp"))
        return match_ports(p, m->info, 17);
    if (rn_view_is(m->name, "multiport"))
        return match_multiport(p, m->info);
    if (rn_view_is(m->name, "conntrack"))
        return match_conntrack(run, m);
    if (rn_view_is(m->name, "state")) /* struct xt_state_info: the states alone */
        return match_states(run, rn_nl_u16_at(m->info, 0), 1u << 6);
    if (rn_view_is(m->name, "addrtype"))
        return match_addrtype(p, m);
    if (rn_view_is(m->name, "iprange"))
        return match_iprange(p, m->info);
    if (rn_view_is(m->name, "mac"))
        return match_mac(p, m->info);
    if (rn_view_is(m->name, "rpfilter"))
        return match_rpfilter(p, m->info);
    if (rn_view_is(m->name, "mark"))
        return match_mark(run->marks.mark, run->marks.is_mark_unknown, m->info);
    if (rn_view_is(m->name, "connmark"))
        return match_connmark(run, m->info);
    return RN_FIT_MAYBE;
}

/* ---- targets ---- */

/* struct xt_mark_tginfo2: mark, mask. */
static void set_mark(struct rn_filter_marks *marks, const struct rn_xt_ext *t, enum rn_fit fit)
{
    uint32_t mask = rn_nl_u32_at(t->info, 4);

    if (t->revision != 2) {
        marks->is_mark_unknown = true;
        return;
    }
    rn_filter_set_u32(&marks->mark, &marks->is_mark_unknown,
                      (marks->mark & ~mask) ^ rn_nl_u32_at(t->info, 0), fit);
}

/* struct xt_connmark_tginfo1: mark, mask of the connection, mask of the packet, what to do. The second
 * revision can also shift. */
static void set_connmark(struct rn_filter_marks *marks, const struct rn_xt_ext *t, enum rn_fit fit)
{
    enum { SET, SAVE, RESTORE };
    uint32_t ct_mask = rn_nl_u32_at(t->info, 4);
    uint32_t nf_mask = rn_nl_u32_at(t->info, 8);
    uint8_t mode = rn_nl_u8_at(t->info, t->revision > 1 ? 14 : 12);
    bool is_shifted = t->revision > 1 && rn_nl_u8_at(t->info, 13) != 0;
    uint32_t kept = marks->ct_mark & ~ct_mask;

    if (marks->tracking != RN_FILTER_NEW || is_shifted || mode > RESTORE) {
        marks->is_mark_unknown = true;
        marks->is_ct_mark_unknown = true;
    } else if (mode == SET) {
        rn_filter_set_u32(&marks->ct_mark, &marks->is_ct_mark_unknown,
                          kept ^ rn_nl_u32_at(t->info, 0), fit);
    } else if (mode == SAVE) {
        rn_filter_set_u32(&marks->ct_mark, &marks->is_ct_mark_unknown,
                          kept ^ (marks->mark & nf_mask),
                          marks->is_mark_unknown ? RN_FIT_MAYBE : fit);
    } else {
        rn_filter_set_u32(&marks->mark, &marks->is_mark_unknown,
                          (marks->mark & ~nf_mask) ^ (marks->ct_mark & ct_mask),
                          marks->is_ct_mark_unknown ? RN_FIT_MAYBE : fit);
    }
}

/* "NOTRACK", and "CT" whose first flag says the same. */
static void set_tracking(struct rn_filter_marks *marks, const struct rn_xt_ext *t, enum rn_fit fit)
{
    bool is_notrack = rn_view_is(t->name, "NOTRACK") || (rn_nl_u16_at(t->info, 0) & 1) != 0;

    if (is_notrack && marks->tracking != RN_FILTER_UNTRACKED)
        marks->tracking = fit == RN_FIT_YES ? RN_FILTER_UNTRACKED : RN_FILTER_TRACKING_UNKNOWN;
}

enum rn_xt_does rn_filter_xt_target(struct rn_filter_run *run, const struct rn_xt_ext *t,
                                    enum rn_fit fit)
{
    static const char *const harmless[] = { "LOG",  "NFLOG", "CHECKSUM", "TCPMSS",     "TRACE",
                                            "DSCP", "TOS",   "AUDIT",    "CLASSIFY",   "SET",
                                            "HL",   "TTL",   "SECMARK",  "CONNSECMARK" };

    if (rn_view_is(t->name, "REJECT"))
        return RN_XT_DROPS;
    for (size_t i = 0; i < RN_ARRAY_LEN(harmless); i++) {
        if (rn_view_is(t->name, harmless[i]))
            return RN_XT_NOTHING;
    }
    if (rn_view_is(t->name, "MARK"))
        set_mark(&run->marks, t, fit);
    else if (rn_view_is(t->name, "CONNMARK"))
        set_connmark(&run->marks, t, fit);
    else if (rn_view_is(t->name, "CT") || rn_view_is(t->name, "NOTRACK"))
        set_tracking(&run->marks, t, fit);
    else
        return RN_XT_WHO_KNOWS;
    return RN_XT_NOTHING;
}
