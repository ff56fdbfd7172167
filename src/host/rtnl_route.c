#include "host/rtnl_route.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

static void begin(struct rn_nl_msg *msg, unsigned type, const struct rn_route_plan *plan)
{
    unsigned flags = type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_EXCL : 0;
    struct rtmsg *rtm = rn_nl_msg_begin(msg, type, flags, sizeof(*rtm));

    rtm->rtm_family = plan->dst.is_v4 ? AF_INET : AF_INET6;
    rtm->rtm_dst_len = plan->dst.bits;
    rtm->rtm_table = plan->table != 0 && plan->table < 256 ? (uint8_t)plan->table : RT_TABLE_MAIN;
    rtm->rtm_type = plan->type != 0 ? plan->type : RTN_UNICAST;
    rtm->rtm_protocol = RTPROT_STATIC;
    rtm->rtm_scope = RT_SCOPE_UNIVERSE;
    if (plan->dst.is_v4 && rtm->rtm_type == RTN_UNICAST && rn_addr_is_none(plan->gateway))
        rtm->rtm_scope = RT_SCOPE_LINK;
    if (plan->is_onlink)
        rtm->rtm_flags = RTNH_F_ONLINK;
    if (type == RTM_DELROUTE)
        rtm->rtm_scope = RT_SCOPE_NOWHERE; /* any scope */
}

static int change(struct rn_nl *nl, unsigned type, const struct rn_route_plan *plan)
{
    struct rn_nl_msg msg;

    begin(&msg, type, plan);
    if (plan->dst.bits != 0)
        rn_nl_put_addr(&msg, RTA_DST, plan->dst.addr);
    if (!rn_addr_is_none(plan->gateway))
        rn_nl_put_addr(&msg, RTA_GATEWAY, plan->gateway);
    if (!rn_addr_is_none(plan->prefsrc))
        rn_nl_put_addr(&msg, RTA_PREFSRC, plan->prefsrc);
    if (plan->ifindex != 0)
        rn_nl_put_u32(&msg, RTA_OIF, plan->ifindex);
    if (plan->priority != 0)
        rn_nl_put_u32(&msg, RTA_PRIORITY, plan->priority);
    if (plan->table >= 256)
        rn_nl_put_u32(&msg, RTA_TABLE, plan->table);
    return rn_nl_talk(nl, &msg);
}

int rn_rtnl_route_add(struct rn_nl *nl, const struct rn_route_plan *plan)
{
    return change(nl, RTM_NEWROUTE, plan);
}

/* RTA_GATEWAY is of the route's family, RTA_VIA (RFC 5549) names its own in front. */
static struct rn_addr gateway_of(const struct rn_view *tb)
{
    struct rn_view via = tb[RTA_VIA];

    if (rn_nl_has(tb[RTA_GATEWAY]))
        return rn_nl_addr(tb[RTA_GATEWAY]);
    if (via.len > sizeof(struct rtvia))
        return rn_nl_addr(
            rn_view_of(via.ptr + sizeof(struct rtvia), via.len - sizeof(struct rtvia)));
    return rn_addr_none();
}

static bool next_hop(struct rn_view *rest, struct rn_rtnl_hop *ret)
{
    struct rn_view tb[RTA_MAX + 1];
    struct rn_view hop;
    size_t len = rn_nl_u16_at(*rest, offsetof(struct rtnexthop, rtnh_len));

    if (len < sizeof(struct rtnexthop) || len > rest->len)
        return false;
    hop = rn_view_of(rest->ptr, len);
    len = rn_min_size((len + 3u) & ~(size_t)3u, rest->len);
    *rest = rn_view_of(rest->ptr + len, rest->len - len);
    ret->ifindex = rn_nl_u32_at(hop, offsetof(struct rtnexthop, rtnh_ifindex));
    ret->flags = rn_nl_u8_at(hop, offsetof(struct rtnexthop, rtnh_flags));
    ret->weight = (uint16_t)(rn_nl_u8_at(hop, offsetof(struct rtnexthop, rtnh_hops)) + 1);
    rn_nlattr_table(
        rn_view_of(hop.ptr + sizeof(struct rtnexthop), hop.len - sizeof(struct rtnexthop)), tb,
        RTA_MAX);
    ret->gateway = gateway_of(tb);
    return true;
}

static void read_multipath(struct rn_view rest, struct rn_rtnl_route *r)
{
    struct rn_rtnl_hop hop;

    while (r->n_hops < UINT16_MAX && next_hop(&rest, &hop)) {
        if (r->n_hops < RN_RTNL_HOPS_MAX)
            r->hops[r->n_hops] = hop;
        r->n_hops++;
    }
}

static void read_metrics(struct rn_view nest, struct rn_rtnl_route *r)
{
    struct rn_view tb[RTAX_MAX + 1];

    if (!rn_nl_has(nest))
        return;
    rn_nlattr_table(nest, tb, RTAX_MAX);
    r->mtu = rn_nl_u32(tb[RTAX_MTU]);
    r->advmss = rn_nl_u32(tb[RTAX_ADVMSS]);
}

static int read_header(struct rn_view head, struct rn_rtnl_route *r)
{
    uint8_t family = rn_nl_u8_at(head, offsetof(struct rtmsg, rtm_family));

    if (family != AF_INET && family != AF_INET6)
        return RN_E_ADDR_FAMILY;
    r->family = family == AF_INET ? RN_FAMILY_V4 : RN_FAMILY_V6;
    r->dst.is_v4 = family == AF_INET;
    r->src.is_v4 = r->dst.is_v4;
    r->dst.bits = rn_nl_u8_at(head, offsetof(struct rtmsg, rtm_dst_len));
    r->src.bits = rn_nl_u8_at(head, offsetof(struct rtmsg, rtm_src_len));
    r->tos = rn_nl_u8_at(head, offsetof(struct rtmsg, rtm_tos));
    r->table = rn_nl_u8_at(head, offsetof(struct rtmsg, rtm_table));
    r->protocol = rn_nl_u8_at(head, offsetof(struct rtmsg, rtm_protocol));
    r->scope = rn_nl_u8_at(head, offsetof(struct rtmsg, rtm_scope));
    r->type = rn_nl_u8_at(head, offsetof(struct rtmsg, rtm_type));
    r->flags = rn_nl_u32_at(head, offsetof(struct rtmsg, rtm_flags));
    return RN_OK;
}

/* The default route has no RTA_DST: its address is the family's zero, not none. */
static struct rn_prefix prefix_of(struct rn_view v, const struct rn_prefix *bits)
{
    struct rn_addr a = rn_nl_has(v) ? rn_nl_addr(v) : rn_addr_none();

    if (rn_addr_is_none(a) && bits->is_v4)
        a = rn_addr_v4(0);
    return (struct rn_prefix){ .addr = a, .bits = bits->bits, .is_v4 = bits->is_v4 };
}

/* Dumps tell it in the cache's part, in hundredths of a second (USER_HZ); RTA_EXPIRES is for requests only. */
static uint32_t expires_s(struct rn_view cacheinfo)
{
    uint32_t cs = rn_nl_u32_at(cacheinfo, offsetof(struct rta_cacheinfo, rta_expires));

    return cs <= INT32_MAX ? cs / 100 : 0;
}

int rn_rtnl_route_parse(struct rn_view payload, struct rn_rtnl_route *ret)
{
    struct rn_view tb[RTA_MAX + 1];
    struct rn_view head;
    int err;

    if (!rn_nlmsg_take_header(&payload, sizeof(struct rtmsg), &head))
        return RN_E_MALFORMED;
    memset(ret, 0, offsetof(struct rn_rtnl_route, hops));
    err = read_header(head, ret);
    if (err < 0)
        return err;
    rn_nlattr_table(payload, tb, RTA_MAX);
    ret->dst = prefix_of(tb[RTA_DST], &ret->dst);
    ret->src = prefix_of(tb[RTA_SRC], &ret->src);
    if (ret->dst.bits > (ret->dst.is_v4 ? 32 : 128))
        return RN_E_MALFORMED;
    ret->gateway = gateway_of(tb);
    ret->prefsrc = rn_nl_addr(tb[RTA_PREFSRC]);
    ret->ifindex = rn_nl_u32(tb[RTA_OIF]);
    ret->iif = rn_nl_u32(tb[RTA_IIF]);
    if (rn_nl_has(tb[RTA_TABLE]))
        ret->table = rn_nl_u32(tb[RTA_TABLE]);
    ret->priority = rn_nl_u32(tb[RTA_PRIORITY]);
    ret->nexthop_id = rn_nl_u32(tb[RTA_NH_ID]);
    ret->pref = rn_nl_u8(tb[RTA_PREF]);
    ret->encap_type = rn_nl_u16(tb[RTA_ENCAP_TYPE]);
    ret->expires_s = expires_s(tb[RTA_CACHEINFO]);
    read_metrics(tb[RTA_METRICS], ret);
    read_multipath(tb[RTA_MULTIPATH], ret);
    return RN_OK;
}

struct dump {
    rn_rtnl_route_fn *fn;
    void *arg;
    struct rn_rtnl_route route; /* reused: it is large */
};

static int on_message(const struct nlmsghdr *head, void *arg)
{
    struct dump *d = arg;
    struct rn_view payload;

    if (head->nlmsg_type != RTM_NEWROUTE)
        return RN_OK;
    payload = rn_view_of(NLMSG_DATA(head), head->nlmsg_len - NLMSG_HDRLEN);
    if (rn_rtnl_route_parse(payload, &d->route) < 0)
        return RN_OK; /* a family we do not know */
    return d->fn(&d->route, d->arg);
}

int rn_rtnl_route_dump(struct rn_nl *nl, rn_rtnl_route_fn *fn, void *arg)
{
    struct dump d = { .fn = fn, .arg = arg };
    struct rn_nl_sink sink = { .message = on_message, .arg = &d };
    struct rn_nl_msg msg;

    rn_nl_msg_begin(&msg, RTM_GETROUTE, 0, sizeof(struct rtmsg));
    return rn_nl_dump(nl, &msg, &sink);
}
