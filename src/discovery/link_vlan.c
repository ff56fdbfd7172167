#include "discovery/link_kind.h"

#include "host/nlattr.h"

#include <linux/if_link.h>
#include <linux/if_vlan.h>

void rn_link_vlan_read(struct rn_map_link *link, struct rn_view data)
{
    struct rn_view tb[IFLA_VLAN_MAX + 1];

    rn_nlattr_table(data, tb, IFLA_VLAN_MAX);
    link->vlan.id = rn_nl_u16(tb[IFLA_VLAN_ID]);
    link->vlan.protocol = rn_nl_be16(tb[IFLA_VLAN_PROTOCOL]);
    link->vlan.flags = rn_nl_u32_at(tb[IFLA_VLAN_FLAGS], offsetof(struct ifla_vlan_flags, flags));
}
