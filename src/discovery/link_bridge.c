#include "discovery/link_kind.h"

#include "host/nlattr.h"

#include <linux/if_link.h>

/* Bridge times are in hundredths of a second (USER_HZ). */
#define CS_PER_S 100u

void rn_link_bridge_read(struct rn_map_link *link, struct rn_view data)
{
    struct rn_map_bridge *b = &link->bridge;
    struct rn_view tb[IFLA_BR_MAX + 1];

    rn_nlattr_table(data, tb, IFLA_BR_MAX);
    b->root_id = rn_nl_be64(tb[IFLA_BR_ROOT_ID]);
    b->bridge_id = rn_nl_be64(tb[IFLA_BR_BRIDGE_ID]);
    b->ageing_s = rn_nl_u32(tb[IFLA_BR_AGEING_TIME]) / CS_PER_S;
    b->forward_delay_s = rn_nl_u32(tb[IFLA_BR_FORWARD_DELAY]) / CS_PER_S;
    b->hello_s = rn_nl_u32(tb[IFLA_BR_HELLO_TIME]) / CS_PER_S;
    b->max_age_s = rn_nl_u32(tb[IFLA_BR_MAX_AGE]) / CS_PER_S;
    b->root_path_cost = rn_nl_u32(tb[IFLA_BR_ROOT_PATH_COST]);
    b->priority = rn_nl_u16(tb[IFLA_BR_PRIORITY]);
    b->root_port = rn_nl_u16(tb[IFLA_BR_ROOT_PORT]);
    b->default_pvid = rn_nl_u16(tb[IFLA_BR_VLAN_DEFAULT_PVID]);
    b->vlan_protocol = rn_nl_be16(tb[IFLA_BR_VLAN_PROTOCOL]);
    b->stp_state = rn_sat_u8(rn_nl_u32(tb[IFLA_BR_STP_STATE]));
    b->has_vlan_filtering = rn_nl_u8(tb[IFLA_BR_VLAN_FILTERING]) != 0;
    b->has_mcast_snooping = rn_nl_u8(tb[IFLA_BR_MCAST_SNOOPING]) != 0;
    b->has_nf_call_iptables = rn_nl_u8(tb[IFLA_BR_NF_CALL_IPTABLES]) != 0;
}

void rn_link_bridge_port_read(struct rn_map_link *link, struct rn_view data)
{
    struct rn_map_port *p = &link->port;
    struct rn_view tb[IFLA_BRPORT_MAX + 1];

    rn_nlattr_table(data, tb, IFLA_BRPORT_MAX);
    p->state = rn_nl_u8(tb[IFLA_BRPORT_STATE]);
    p->cost = rn_nl_u32(tb[IFLA_BRPORT_COST]);
    p->priority = rn_nl_u16(tb[IFLA_BRPORT_PRIORITY]);
    p->number = rn_nl_u16(tb[IFLA_BRPORT_NO]);
    p->has_hairpin = rn_nl_u8(tb[IFLA_BRPORT_MODE]) != 0;
    p->has_guard = rn_nl_u8(tb[IFLA_BRPORT_GUARD]) != 0;
    p->has_learning = rn_nl_u8(tb[IFLA_BRPORT_LEARNING]) != 0;
    p->has_flood = rn_nl_u8(tb[IFLA_BRPORT_UNICAST_FLOOD]) != 0;
    p->is_isolated = rn_nl_u8(tb[IFLA_BRPORT_ISOLATED]) != 0;
}
