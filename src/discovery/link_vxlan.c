#include "discovery/link_kind.h"

#include "host/nlattr.h"

#include <linux/if_link.h>

void rn_link_vxlan_read(struct rn_map_link *link, struct rn_view data)
{
    struct rn_map_tunnel *t = &link->tunnel;
    struct rn_view tb[IFLA_VXLAN_MAX + 1];

    rn_nlattr_table(data, tb, IFLA_VXLAN_MAX);
    t->id = rn_nl_u32(tb[IFLA_VXLAN_ID]);
    t->remote =
        rn_nl_addr(rn_nl_has(tb[IFLA_VXLAN_GROUP]) ? tb[IFLA_VXLAN_GROUP] : tb[IFLA_VXLAN_GROUP6]);
    t->local =
        rn_nl_addr(rn_nl_has(tb[IFLA_VXLAN_LOCAL]) ? tb[IFLA_VXLAN_LOCAL] : tb[IFLA_VXLAN_LOCAL6]);
    /* IFLA_LINK of a vxlan is its own index: only this one names the underlay, as of the link namespace. */
    t->lower_index = rn_nl_u32(tb[IFLA_VXLAN_LINK]);
    t->dst_port = rn_nl_be16(tb[IFLA_VXLAN_PORT]);
    t->src_port_low = rn_nl_be16(tb[IFLA_VXLAN_PORT_RANGE]);
    if (tb[IFLA_VXLAN_PORT_RANGE].len >= 4)
        t->src_port_high = rn_get_be16(tb[IFLA_VXLAN_PORT_RANGE].ptr + 2);
    t->ttl = rn_nl_u8(tb[IFLA_VXLAN_TTL]);
    t->tos = rn_nl_u8(tb[IFLA_VXLAN_TOS]);
    t->df = rn_nl_u8(tb[IFLA_VXLAN_DF]);
    t->label = rn_nl_be32(tb[IFLA_VXLAN_LABEL]);
    t->ageing_s = rn_nl_u32(tb[IFLA_VXLAN_AGEING]);
    t->limit = rn_nl_u32(tb[IFLA_VXLAN_LIMIT]);
    t->is_external = rn_nl_u8(tb[IFLA_VXLAN_COLLECT_METADATA]) != 0;
    t->has_learning = rn_nl_u8(tb[IFLA_VXLAN_LEARNING]) != 0;
    t->has_proxy = rn_nl_u8(tb[IFLA_VXLAN_PROXY]) != 0;
    t->has_rsc = rn_nl_u8(tb[IFLA_VXLAN_RSC]) != 0;
    t->has_l2miss = rn_nl_u8(tb[IFLA_VXLAN_L2MISS]) != 0;
    t->has_l3miss = rn_nl_u8(tb[IFLA_VXLAN_L3MISS]) != 0;
    t->has_udp_csum = rn_nl_u8(tb[IFLA_VXLAN_UDP_CSUM]) != 0;
    t->has_gbp = rn_nl_has(tb[IFLA_VXLAN_GBP]);
}
