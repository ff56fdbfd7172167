#include "discovery/link_kind.h"

#include "host/nlattr.h"

#include <linux/if_link.h>
#include <linux/if_tun.h>

void rn_link_tuntap_read(struct rn_map_link *link, struct rn_view data)
{
    struct rn_map_tuntap *t = &link->tuntap;
    struct rn_view tb[IFLA_TUN_MAX + 1];

    rn_nlattr_table(data, tb, IFLA_TUN_MAX);
    t->owner_uid = rn_nl_has(tb[IFLA_TUN_OWNER]) ? rn_nl_u32(tb[IFLA_TUN_OWNER]) : UINT32_MAX;
    t->group_gid = rn_nl_has(tb[IFLA_TUN_GROUP]) ? rn_nl_u32(tb[IFLA_TUN_GROUP]) : UINT32_MAX;
    t->is_tap = rn_nl_u8(tb[IFLA_TUN_TYPE]) == IFF_TAP;
    t->has_pi = rn_nl_u8(tb[IFLA_TUN_PI]) != 0;
    t->has_vnet_hdr = rn_nl_u8(tb[IFLA_TUN_VNET_HDR]) != 0;
    t->is_persistent = rn_nl_u8(tb[IFLA_TUN_PERSIST]) != 0;
    t->is_multi_queue = rn_nl_u8(tb[IFLA_TUN_MULTI_QUEUE]) != 0;
    t->n_queues = rn_nl_u32(tb[IFLA_TUN_NUM_QUEUES]);
    t->n_disabled_queues = rn_nl_u32(tb[IFLA_TUN_NUM_DISABLED_QUEUES]);
}
