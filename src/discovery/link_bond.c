#include "discovery/link_kind.h"

#include "host/nlattr.h"

#include <linux/if_link.h>

void rn_link_bond_read(struct rn_map_link *link, struct rn_view data)
{
    struct rn_map_bond *b = &link->bond;
    struct rn_view tb[IFLA_BOND_MAX + 1];

    rn_nlattr_table(data, tb, IFLA_BOND_MAX);
    b->mode = rn_nl_u8(tb[IFLA_BOND_MODE]);
    b->xmit_policy = rn_nl_u8(tb[IFLA_BOND_XMIT_HASH_POLICY]);
    b->lacp_rate = rn_nl_u8(tb[IFLA_BOND_AD_LACP_RATE]);
    b->ad_select = rn_nl_u8(tb[IFLA_BOND_AD_SELECT]);
    b->miimon_ms = rn_nl_u32(tb[IFLA_BOND_MIIMON]);
    b->updelay_ms = rn_nl_u32(tb[IFLA_BOND_UPDELAY]);
    b->downdelay_ms = rn_nl_u32(tb[IFLA_BOND_DOWNDELAY]);
    b->active_slave = rn_nl_u32(tb[IFLA_BOND_ACTIVE_SLAVE]);
    b->primary = rn_nl_u32(tb[IFLA_BOND_PRIMARY]);
}

void rn_link_bond_port_read(struct rn_map_link *link, struct rn_view data)
{
    struct rn_view tb[IFLA_BOND_SLAVE_MAX + 1];

    rn_nlattr_table(data, tb, IFLA_BOND_SLAVE_MAX);
    link->port.state = rn_nl_u8(tb[IFLA_BOND_SLAVE_STATE]);
    if (rn_nl_has(tb[IFLA_BOND_SLAVE_PERM_HWADDR]) && link->permaddr.len == 0) {
        struct rn_view perm = tb[IFLA_BOND_SLAVE_PERM_HWADDR];

        link->permaddr.len = (uint8_t)rn_min_size(perm.len, RN_MAP_HWADDR_MAX);
        memcpy(link->permaddr.b, perm.ptr, link->permaddr.len);
    }
}
