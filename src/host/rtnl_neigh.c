#include "host/rtnl_neigh.h"

#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

int rn_rtnl_neigh_parse(struct rn_view payload, struct rn_rtnl_neigh *ret)
{
    struct rn_rtnl_neigh n = { 0 };
    struct rn_view tb[NDA_MAX + 1];
    struct rn_view head;
    uint8_t af;

    if (!rn_nlmsg_take_header(&payload, sizeof(struct ndmsg), &head))
        return RN_E_MALFORMED;
    af = rn_nl_u8_at(head, offsetof(struct ndmsg, ndm_family));
    if (af != AF_INET && af != AF_INET6 && af != AF_BRIDGE)
        return RN_E_ADDR_FAMILY;
    rn_nlattr_table(payload, tb, NDA_MAX);
    n.is_fdb = af == AF_BRIDGE;
    n.ifindex = rn_nl_u32_at(head, offsetof(struct ndmsg, ndm_ifindex));
    n.state = rn_nl_u16_at(head, offsetof(struct ndmsg, ndm_state));
    n.flags = rn_nl_u8_at(head, offsetof(struct ndmsg, ndm_flags));
    n.type = rn_nl_u8_at(head, offsetof(struct ndmsg, ndm_type));
    n.addr = rn_nl_addr(tb[NDA_DST]);
    n.hwaddr_len = (uint8_t)rn_min_size(tb[NDA_LLADDR].len, RN_RTNL_HWADDR_MAX);
    if (n.hwaddr_len != 0)
        memcpy(n.hwaddr, tb[NDA_LLADDR].ptr, n.hwaddr_len);
    n.vlan = rn_nl_u16(tb[NDA_VLAN]);
    n.port = rn_nl_be16(tb[NDA_PORT]);
    n.vni = rn_nl_u32(tb[NDA_VNI]);
    n.master = rn_nl_u32(tb[NDA_MASTER]);
    n.ext_flags = rn_nl_u32(tb[NDA_FLAGS_EXT]);
    n.protocol = rn_nl_u8(tb[NDA_PROTOCOL]);
    *ret = n;
    return RN_OK;
}

static void read_group(struct rn_view group, struct rn_rtnl_nexthop *n)
{
    const size_t step = sizeof(struct nexthop_grp);

    while (n->n_group < RN_RTNL_NH_GROUP_MAX && group.len >= step) {
        n->group_ids[n->n_group] = rn_nl_u32_at(group, offsetof(struct nexthop_grp, id));
        n->group_weights[n->n_group] =
            (uint16_t)(rn_nl_u8_at(group, offsetof(struct nexthop_grp, weight)) + 1);
        n->n_group++;
        group = rn_view_of(group.ptr + step, group.len - step);
    }
}

int rn_rtnl_nexthop_parse(struct rn_view payload, struct rn_rtnl_nexthop *ret)
{
    struct rn_view tb[NHA_MAX + 1];
    struct rn_view head;
    uint8_t af;

    if (!rn_nlmsg_take_header(&payload, sizeof(struct nhmsg), &head))
        return RN_E_MALFORMED;
    *ret = (struct rn_rtnl_nexthop){ 0 };
    af = rn_nl_u8_at(head, offsetof(struct nhmsg, nh_family));
    rn_nlattr_table(payload, tb, NHA_MAX);
    if (af == AF_INET)
        ret->family = RN_FAMILY_V4;
    else if (af == AF_INET6)
        ret->family = RN_FAMILY_V6;
    ret->protocol = rn_nl_u8_at(head, offsetof(struct nhmsg, nh_protocol));
    ret->flags = (uint8_t)rn_nl_u32_at(head, offsetof(struct nhmsg, nh_flags));
    ret->id = rn_nl_u32(tb[NHA_ID]);
    ret->ifindex = rn_nl_u32(tb[NHA_OIF]);
    ret->gateway = rn_nl_addr(tb[NHA_GATEWAY]);
    ret->is_blackhole = rn_nl_has(tb[NHA_BLACKHOLE]);
    ret->is_fdb = rn_nl_has(tb[NHA_FDB]);
    read_group(tb[NHA_GROUP], ret);
    return RN_OK;
}
