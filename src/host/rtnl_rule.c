#include "host/rtnl_rule.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

static void put_selectors(struct rn_nl_msg *msg, const struct rn_rule_plan *plan)
{
    struct fib_rule_uid_range uids = { plan->uid_from, plan->uid_to };

    if (plan->src.bits != 0)
        rn_nl_put_addr(msg, FRA_SRC, plan->src.addr);
    if (plan->dst.bits != 0)
        rn_nl_put_addr(msg, FRA_DST, plan->dst.addr);
    if (plan->iif != NULL)
        rn_nl_put_str(msg, FRA_IIFNAME, plan->iif);
    if (plan->oif != NULL)
        rn_nl_put_str(msg, FRA_OIFNAME, plan->oif);
    if (plan->fwmark != 0 || plan->fwmask != 0) {
        rn_nl_put_u32(msg, FRA_FWMARK, plan->fwmark);
        rn_nl_put_u32(msg, FRA_FWMASK, plan->fwmask != 0 ? plan->fwmask : UINT32_MAX);
    }
    if (plan->has_uid_range)
        rn_nl_put(msg, FRA_UID_RANGE, &uids, sizeof(uids));
}

static int change(struct rn_nl *nl, unsigned type, const struct rn_rule_plan *plan)
{
    unsigned flags = type == RTM_NEWRULE ? NLM_F_CREATE | NLM_F_EXCL : 0;
    struct rn_nl_msg msg;
    struct fib_rule_hdr *head = rn_nl_msg_begin(&msg, type, flags, sizeof(*head));

    head->family = plan->family == RN_FAMILY_V4 ? AF_INET : AF_INET6;
    head->src_len = plan->src.bits;
    head->dst_len = plan->dst.bits;
    head->action = plan->action != 0 ? plan->action : FR_ACT_TO_TBL;
    head->flags = plan->is_inverted ? FIB_RULE_INVERT : 0;
    put_selectors(&msg, plan);
    if (plan->table != 0)
        rn_nl_put_u32(&msg, FRA_TABLE, plan->table);
    if (plan->priority != 0)
        rn_nl_put_u32(&msg, FRA_PRIORITY, plan->priority);
    if (plan->suppress_prefix_bits_plus_1 != 0)
        rn_nl_put_u32(&msg, FRA_SUPPRESS_PREFIXLEN, plan->suppress_prefix_bits_plus_1 - 1);
    return rn_nl_talk(nl, &msg);
}

int rn_rtnl_rule_add(struct rn_nl *nl, const struct rn_rule_plan *plan)
{
    return change(nl, RTM_NEWRULE, plan);
}

int rn_rtnl_rule_del(struct rn_nl *nl, const struct rn_rule_plan *plan)
{
    return change(nl, RTM_DELRULE, plan);
}

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
    if (rn_nl_has(tb[FRA_SUPPRESS_PREFIXLEN]))
        r.suppress_prefix_bits = rn_nl_u32(tb[FRA_SUPPRESS_PREFIXLEN]);
    read_ranges(tb, &r);
    if (r.src.bits > (af == AF_INET ? 32 : 128) || r.dst.bits > (af == AF_INET ? 32 : 128))
        return RN_E_MALFORMED;
    *ret = r;
    return RN_OK;
}

struct dump {
    rn_rtnl_rule_fn *fn;
    void *arg;
};

static int on_message(const struct nlmsghdr *head, void *arg)
{
    const struct dump *d = arg;
    struct rn_rtnl_rule r;

    if (head->nlmsg_type != RTM_NEWRULE)
        return RN_OK;
    if (rn_rtnl_rule_parse(rn_view_of(NLMSG_DATA(head), head->nlmsg_len - NLMSG_HDRLEN), &r) < 0)
        return RN_OK; /* a family we do not know */
    return d->fn(&r, d->arg);
}

int rn_rtnl_rule_dump(struct rn_nl *nl, rn_rtnl_rule_fn *fn, void *arg)
{
    struct dump d = { fn, arg };
    struct rn_nl_sink sink = { .message = on_message, .arg = &d };
    struct rn_nl_msg msg;

    rn_nl_msg_begin(&msg, RTM_GETRULE, 0, sizeof(struct fib_rule_hdr));
    return rn_nl_dump(nl, &msg, &sink);
}
