#include "host/rtnl_addr.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

/* Linux 5.18; Debian 12 has it, older headers do not. */
enum { ATTR_PROTO = 11, ATTR_MAX = ATTR_PROTO };

static int change(struct rn_nl *nl, unsigned type, uint32_t ifindex,
                  const struct rn_addr_plan *plan)
{
    unsigned flags = type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0;
    struct rn_nl_msg msg;
    struct ifaddrmsg *ifa = rn_nl_msg_begin(&msg, type, flags, sizeof(*ifa));

    ifa->ifa_family = rn_addr_is_v4(plan->addr) ? AF_INET : AF_INET6;
    ifa->ifa_prefixlen = plan->prefix_bits;
    ifa->ifa_index = ifindex;
    if (rn_addr_is_loopback(plan->addr))
        ifa->ifa_scope = RT_SCOPE_HOST;
    rn_nl_put_addr(&msg, IFA_LOCAL, plan->addr);
    rn_nl_put_addr(&msg, IFA_ADDRESS, plan->addr);
    if (plan->flags != 0)
        rn_nl_put_u32(&msg, IFA_FLAGS, plan->flags);
    return rn_nl_talk(nl, &msg);
}

int rn_rtnl_addr_add(struct rn_nl *nl, uint32_t ifindex, const struct rn_addr_plan *plan)
{
    return change(nl, RTM_NEWADDR, ifindex, plan);
}

static void read_lifetimes(struct rn_view info, struct rn_rtnl_addr *a)
{
    a->preferred_s = UINT32_MAX;
    a->valid_s = UINT32_MAX;
    if (info.len < sizeof(struct ifa_cacheinfo))
        return;
    a->preferred_s = rn_nl_u32_at(info, offsetof(struct ifa_cacheinfo, ifa_prefered));
    a->valid_s = rn_nl_u32_at(info, offsetof(struct ifa_cacheinfo, ifa_valid));
    a->created_cs = rn_nl_u32_at(info, offsetof(struct ifa_cacheinfo, cstamp));
    a->updated_cs = rn_nl_u32_at(info, offsetof(struct ifa_cacheinfo, tstamp));
}

int rn_rtnl_addr_parse(struct rn_view payload, struct rn_rtnl_addr *ret)
{
    struct rn_rtnl_addr a = { 0 };
    struct rn_view tb[ATTR_MAX + 1];
    struct rn_view head;
    uint8_t family;

    if (!rn_nlmsg_take_header(&payload, sizeof(struct ifaddrmsg), &head))
        return RN_E_MALFORMED;
    family = rn_nl_u8_at(head, offsetof(struct ifaddrmsg, ifa_family));
    if (family != AF_INET && family != AF_INET6)
        return RN_E_ADDR_FAMILY;
    rn_nlattr_table(payload, tb, ATTR_MAX);
    a.ifindex = rn_nl_u32_at(head, offsetof(struct ifaddrmsg, ifa_index));
    a.prefix_bits = rn_nl_u8_at(head, offsetof(struct ifaddrmsg, ifa_prefixlen));
    a.scope = rn_nl_u8_at(head, offsetof(struct ifaddrmsg, ifa_scope));
    a.flags = rn_nl_has(tb[IFA_FLAGS]) ? rn_nl_u32(tb[IFA_FLAGS])
                                       : rn_nl_u8_at(head, offsetof(struct ifaddrmsg, ifa_flags));
    a.local = rn_nl_addr(tb[IFA_LOCAL]);
    a.peer = rn_nl_addr(tb[IFA_ADDRESS]);
    if (!rn_nl_has(tb[IFA_LOCAL]))
        a.local = a.peer;
    if (rn_addr_eq(a.local, a.peer))
        a.peer = rn_addr_none();
    a.anycast = rn_nl_addr(tb[IFA_ANYCAST]);
    if (rn_addr_is_none(a.local))
        a.local = a.anycast;
    a.broadcast = rn_nl_addr(tb[IFA_BROADCAST]);
    a.label = rn_nl_str(tb[IFA_LABEL]);
    a.metric = rn_nl_u32(tb[IFA_RT_PRIORITY]);
    a.proto = rn_nl_u8(tb[ATTR_PROTO]);
    read_lifetimes(tb[IFA_CACHEINFO], &a);
    if (rn_addr_is_none(a.local) || a.prefix_bits > (family == AF_INET ? 32 : 128))
        return RN_E_MALFORMED;
    *ret = a;
    return RN_OK;
}

struct dump {
    rn_rtnl_addr_fn *fn;
    void *arg;
};

static int on_message(const struct nlmsghdr *head, void *arg)
{
    const struct dump *d = arg;
    struct rn_rtnl_addr a;

    if (head->nlmsg_type != RTM_NEWADDR)
        return RN_OK;
    if (rn_rtnl_addr_parse(rn_view_of(NLMSG_DATA(head), head->nlmsg_len - NLMSG_HDRLEN), &a) < 0)
        return RN_OK; /* a family we do not know */
    return d->fn(&a, d->arg);
}

int rn_rtnl_addr_dump(struct rn_nl *nl, rn_rtnl_addr_fn *fn, void *arg)
{
    struct dump d = { fn, arg };
    struct rn_nl_sink sink = { .message = on_message, .arg = &d };
    struct rn_nl_msg msg;

    rn_nl_msg_begin(&msg, RTM_GETADDR, 0, sizeof(struct ifaddrmsg));
    return rn_nl_dump(nl, &msg, &sink);
}
