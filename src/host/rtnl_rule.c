#include "host/rtnl_rule.h"

#include <linux/fib_rules.h>
#include <sys/socket.h>

static struct rn_prefix prefix_of(struct rn_view v, uint8_t bits, uint8_t family)
{
    struct rn_addr a = rn_nl_addr(v);

    if (rn_addr_is_none(a) && family == RN_FAMILY_V4)
        a = rn_addr_v4(0);
    return (struct rn_prefix){ .addr = a, .bits = bits, .is_v4 = family == RN_FAMILY_V4 };
}

static void read_ranges(const struct rn_view *tb, struct rn_rtnl_rule *r)
{
    r->sport_from = rn_nl_u16_at(tb[FRA_SPORT_RANGE], 0);
    r->sport_to = rn_nl_u16_at(tb[FRA_SPORT_RANGE], 2);
    r->dport_from = rn_nl_u16_at(tb[FRA_DPORT_RANGE], 0);
    r->dport_to = rn_nl_u16_at(tb[FRA_DPORT_RANGE], 2);
    r->has_uid_range = tb[FRA_UID_RANGE].len >= sizeof(struct fib_rule_uid_range);
    r->uid_from = rn_nl_u32_at(tb[FRA_UID_RANGE], 0);
    r->uid_to = rn_nl_u32_at(tb[FRA_UID_RANGE], 4);
}

int rn_rtnl_rule_parse(struct rn_view payload, struct rn_rtnl_rule *ret)
{
    struct rn_rtnl_rule r = { .suppress_prefix_bits = UINT32_MAX };
    struct rn_view tb[FRA_MAX + 1];
    struct rn_view head;
    uint8_t af;

    if (!rn_nlmsg_take_header(&payload, sizeof(struct fib_rule_hdr), &head))
        return RN_E_MALFORMED;
    af = rn_nl_u8_at(head, offsetof(struct fib_rule_hdr, family));
    if (af != AF_INET && af != AF_INET6)
        return RN_E_ADDR_FAMILY;
    rn_nlattr_table(payload, tb, FRA_MAX);
    r.family = af == AF_INET ? RN_FAMILY_V4 : RN_FAMILY_V6;
    r.src =
        prefix_of(tb[FRA_SRC], rn_nl_u8_at(head, offsetof(struct fib_rule_hdr, src_len)), r.family);
    r.dst =
        prefix_of(tb[FRA_DST], rn_nl_u8_at(head, offsetof(struct fib_rule_hdr, dst_len)), r.family);
    r.tos = rn_nl_u8_at(head, offsetof(struct fib_rule_hdr, tos));
    r.action = rn_nl_u8_at(head, offsetof(struct fib_rule_hdr, action));
    r.table = rn_nl_has(tb[FRA_TABLE]) ? rn_nl_u32(tb[FRA_TABLE])
                                       : rn_nl_u8_at(head, offsetof(struct fib_rule_hdr, table));
    r.flags = rn_nl_u32_at(head, offsetof(struct fib_rule_hdr, flags));
    r.is_inverted = r.flags & FIB_RULE_INVERT;
    r.iif = rn_nl_str(tb[FRA_IIFNAME]);
    r.oif = rn_nl_str(tb[FRA_OIFNAME]);
    r.priority = rn_nl_u32(tb[FRA_PRIORITY]);
    r.fwmark = rn_nl_u32(tb[FRA_FWMARK]);
    r.fwmask = rn_nl_u32(tb[FRA_FWMASK]);
    r.goto_priority = rn_nl_u32(tb[FRA_GOTO]);
    r.ip_proto = rn_nl_u8(tb[FRA_IP_PROTO]);
    r.protocol = rn_nl_u8(tb[FRA_PROTOCOL]);
    r.l3mdev = rn_nl_u8(tb[FRA_L3MDEV]);
    r.tun_id = rn_nl_be64(tb[FRA_TUN_ID]);
    r.has_suppress_group = rn_nl_has(tb[FRA_SUPPRESS_IFGROUP]);
    r.suppress_group = rn_nl_u32(tb[FRA_SUPPRESS_IFGROUP]);
    if (rn_nl_has(tb[FRA_SUPPRESS_PREFIXLEN]))
        r.suppress_prefix_bits = rn_nl_u32(tb[FRA_SUPPRESS_PREFIXLEN]);
    read_ranges(tb, &r);
    if (r.src.bits > (af == AF_INET ? 32 : 128) || r.dst.bits > (af == AF_INET ? 32 : 128))
        return RN_E_MALFORMED;
    *ret = r;
    return RN_OK;
}
