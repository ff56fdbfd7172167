/* Tunnels whose far end is an address. GRE and IPIP number the same attributes differently. */
#include "discovery/link_kind.h"

#include "host/nlattr.h"

#include <linux/if_link.h>
#include <linux/if_tunnel.h>

void rn_link_geneve_read(struct rn_map_link *link, struct rn_view data)
{
    struct rn_map_tunnel *t = &link->tunnel;
    struct rn_view tb[IFLA_GENEVE_MAX + 1];

    rn_nlattr_table(data, tb, IFLA_GENEVE_MAX);
    t->id = rn_nl_u32(tb[IFLA_GENEVE_ID]);
    t->remote = rn_nl_addr(rn_nl_has(tb[IFLA_GENEVE_REMOTE]) ? tb[IFLA_GENEVE_REMOTE]
                                                             : tb[IFLA_GENEVE_REMOTE6]);
    t->dst_port = rn_nl_be16(tb[IFLA_GENEVE_PORT]);
    t->ttl = rn_nl_u8(tb[IFLA_GENEVE_TTL]);
    t->tos = rn_nl_u8(tb[IFLA_GENEVE_TOS]);
    t->df = rn_nl_u8(tb[IFLA_GENEVE_DF]);
    t->label = rn_nl_be32(tb[IFLA_GENEVE_LABEL]);
    t->is_external = rn_nl_has(tb[IFLA_GENEVE_COLLECT_METADATA]);
    t->has_udp_csum = rn_nl_u8(tb[IFLA_GENEVE_UDP_CSUM]) != 0;
}

static bool is_gre(const struct rn_map_link *link)
{
    static const char *const names[] = { "gre",       "gretap", "ip6gre",
                                         "ip6gretap", "erspan", "ip6erspan" };

    for (size_t i = 0; i < RN_ARRAY_LEN(names); i++) {
        if (strcmp(link->kind_name, names[i]) == 0)
            return true;
    }
    return false;
}

static void read_gre(struct rn_map_link *link, struct rn_view data)
{
    struct rn_map_tunnel *t = &link->tunnel;
    struct rn_view tb[IFLA_GRE_MAX + 1];

    rn_nlattr_table(data, tb, IFLA_GRE_MAX);
    t->lower_index = rn_nl_u32(tb[IFLA_GRE_LINK]);
    t->id = rn_nl_be32(tb[IFLA_GRE_IKEY]);
    t->local = rn_nl_addr(tb[IFLA_GRE_LOCAL]);
    t->remote = rn_nl_addr(tb[IFLA_GRE_REMOTE]);
    t->ttl = rn_nl_u8(tb[IFLA_GRE_TTL]);
    t->tos = rn_nl_u8(tb[IFLA_GRE_TOS]);
    t->is_external = rn_nl_has(tb[IFLA_GRE_COLLECT_METADATA]);
}

static void read_vti(struct rn_map_link *link, struct rn_view data)
{
    struct rn_map_tunnel *t = &link->tunnel;
    struct rn_view tb[IFLA_VTI_MAX + 1];

    rn_nlattr_table(data, tb, IFLA_VTI_MAX);
    t->lower_index = rn_nl_u32(tb[IFLA_VTI_LINK]);
    t->id = rn_nl_be32(tb[IFLA_VTI_IKEY]);
    t->local = rn_nl_addr(tb[IFLA_VTI_LOCAL]);
    t->remote = rn_nl_addr(tb[IFLA_VTI_REMOTE]);
}

static void read_ipip(struct rn_map_link *link, struct rn_view data)
{
    struct rn_map_tunnel *t = &link->tunnel;
    struct rn_view tb[IFLA_IPTUN_MAX + 1];

    rn_nlattr_table(data, tb, IFLA_IPTUN_MAX);
    t->lower_index = rn_nl_u32(tb[IFLA_IPTUN_LINK]);
    t->local = rn_nl_addr(tb[IFLA_IPTUN_LOCAL]);
    t->remote = rn_nl_addr(tb[IFLA_IPTUN_REMOTE]);
    t->ttl = rn_nl_u8(tb[IFLA_IPTUN_TTL]);
    t->tos = rn_nl_u8(tb[IFLA_IPTUN_TOS]);
    t->is_external = rn_nl_has(tb[IFLA_IPTUN_COLLECT_METADATA]);
}

void rn_link_tunnel_read(struct rn_map_link *link, struct rn_view data)
{
    static const char *const ipip_like[] = { "ipip", "sit", "ip6tnl" };

    if (is_gre(link)) {
        read_gre(link, data);
        return;
    }
    if (strcmp(link->kind_name, "vti") == 0 || strcmp(link->kind_name, "vti6") == 0) {
        read_vti(link, data);
        return;
    }
    for (size_t i = 0; i < RN_ARRAY_LEN(ipip_like); i++) {
        if (strcmp(link->kind_name, ipip_like[i]) == 0)
            read_ipip(link, data);
    }
}

void rn_link_vrf_read(struct rn_map_link *link, struct rn_view data)
{
    struct rn_view tb[IFLA_VRF_MAX + 1];

    rn_nlattr_table(data, tb, IFLA_VRF_MAX);
    link->vrf_table = rn_nl_u32(tb[IFLA_VRF_TABLE]);
}
