/* Matches of xtables for a packet that is known: by their binary layout, as portfwd_xt.c. */
#include "discovery/ask_filter.h"

#include "host/nlattr.h"
#include "host/proc.h"

#include <linux/rtnetlink.h>

static enum rn_fit of_bool(bool is_so)
{
    return is_so ? RN_FIT_YES : RN_FIT_NO;
}

static bool is_within(uint16_t port, uint16_t from, uint16_t to)
{
    return port >= from && port <= to;
}

/* struct xt_tcp and xt_udp: spts[2] dpts[2]; of TCP then option, flag mask and flags; inverted flags last. */
static enum rn_fit match_ports(const struct rn_filter_packet *p, struct rn_view info,
                               uint8_t ip_proto)
{
    bool is_tcp = ip_proto == 6;
    uint8_t inv = rn_nl_u8_at(info, is_tcp ? 11 : 8);
    bool is_dst = is_within(p->port, rn_nl_u16_at(info, 4), rn_nl_u16_at(info, 6));
    bool asks_src = rn_nl_u16_at(info, 0) != 0 || rn_nl_u16_at(info, 2) != UINT16_MAX;
    bool asks_more = is_tcp && (rn_nl_u8_at(info, 8) != 0 || rn_nl_u8_at(info, 9) != 0);

    if (p->ip_proto != ip_proto || is_dst == ((inv & 2) != 0)) /* XT_*_INV_DSTPT */
        return RN_FIT_NO;
    return asks_src || asks_more ? RN_FIT_MAYBE : RN_FIT_YES;
}

/* struct xt_multiport_v1, see portfwd_xt.c. */
static enum rn_fit match_multiport(const struct rn_filter_packet *p, struct rn_view info)
{
    uint8_t n = rn_nl_u8_at(info, 1);
    bool is_in = false;

    if (rn_nl_u8_at(info, 0) != 1 || n > 15)
        return RN_FIT_MAYBE;
    for (size_t i = 0; i < n; i++) {
        uint16_t from = rn_nl_u16_at(info, 2 + i * 2);

        if (rn_nl_u8_at(info, 32 + i) != 0 && i + 1 < n)
            i++;
        is_in |= is_within(p->port, from, rn_nl_u16_at(info, 2 + i * 2));
    }
    return of_bool(is_in != (rn_nl_u8_at(info, 47) != 0));
}

/* struct xt_conntrack_mtinfo2 and 3: eight addresses, expiry, ports; then what is asked, inverted, and the states. */
static enum rn_fit match_conntrack(const struct rn_filter_packet *p, struct rn_view info)
{
    enum { STATE = 1 << 0, IS_NEW = 1 << 3, IS_DNAT = 1 << 7 };
    uint16_t asked = rn_nl_u16_at(info, 146);
    bool is_inverted = rn_nl_u16_at(info, 148) & STATE;
    uint16_t states = rn_nl_u16_at(info, 150);
    bool is_so = (states & IS_NEW) != 0 || ((states & IS_DNAT) != 0 && p->is_rewritten);

    if (asked != STATE)
        return RN_FIT_MAYBE;
    return of_bool(is_so != is_inverted);
}

/* struct xt_state_info: the states alone. */
static enum rn_fit match_state(struct rn_view info)
{
    return of_bool((rn_nl_u32_at(info, 0) & (1u << 3)) != 0);
}

/* struct xt_addrtype_info_v1: bit masks of types of source and destination, flags. */
static enum rn_fit match_addrtype(const struct rn_filter_packet *p, struct rn_view info)
{
    uint16_t src = rn_nl_u16_at(info, 0);
    uint16_t dst = rn_nl_u16_at(info, 2);
    uint32_t flags = rn_nl_u32_at(info, 4);
    uint8_t type = rn_filter_addr_type(p->netns, p->to);

    if (src != 0 || flags != 0 || dst == 0 || type == 0)
        return RN_FIT_MAYBE;
    return of_bool(dst >> type & 1);
}

enum rn_fit rn_filter_xt_match(const struct rn_filter_packet *p, struct rn_view name,
                               struct rn_view info)
{
    if (rn_view_is(name, "comment"))
        return RN_FIT_YES;
    if (rn_view_is(name, "tcp"))
        return match_ports(p, info, 6);
    if (rn_view_is(name, "udp"))
        return match_ports(p, info, 17);
    if (rn_view_is(name, "multiport"))
        return match_multiport(p, info);
    if (rn_view_is(name, "conntrack"))
        return match_conntrack(p, info);
    if (rn_view_is(name, "state"))
        return match_state(info);
    if (rn_view_is(name, "addrtype"))
        return match_addrtype(p, info);
    if (rn_view_is(name, "mark")) /* struct xt_mark_mtinfo1: mark, mask, invert */
        return of_bool((rn_nl_u32_at(info, 0) == 0) != (rn_nl_u8_at(info, 8) != 0));
    return RN_FIT_MAYBE;
}
