#include "discovery/link_kind.h"

#include "host/nlattr.h"

#include <linux/if_link.h>

/* Also macvtap, whose attributes are the same. */
void rn_link_macvlan_read(struct rn_map_link *link, struct rn_view data)
{
    struct rn_view tb[IFLA_MACVLAN_MAX + 1];

    rn_nlattr_table(data, tb, IFLA_MACVLAN_MAX);
    link->macvlan.mode = rn_nl_u32(tb[IFLA_MACVLAN_MODE]);
    link->macvlan.flags = rn_nl_u16(tb[IFLA_MACVLAN_FLAGS]);
    link->macvlan.n_source_macs = rn_nl_u32(tb[IFLA_MACVLAN_MACADDR_COUNT]);
}

/* Also ipvtap. */
void rn_link_ipvlan_read(struct rn_map_link *link, struct rn_view data)
{
    struct rn_view tb[IFLA_IPVLAN_MAX + 1];

    rn_nlattr_table(data, tb, IFLA_IPVLAN_MAX);
    link->ipvlan.mode = rn_nl_u16(tb[IFLA_IPVLAN_MODE]);
    link->ipvlan.flags = rn_nl_u16(tb[IFLA_IPVLAN_FLAGS]);
}
