#include "ip/group.h"

#include "wire/ndp.h"

#define ALL_HOSTS4 0xe0000001u /* 224.0.0.1 */

static bool is_all_nodes6(struct rn_addr group)
{
    static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };

    return memcmp(group.b, all_nodes, sizeof(all_nodes)) == 0;
}

static bool is_solicited_node(const struct rn_nic *nic, struct rn_addr group)
{
    struct rn_list *it;

    rn_list_for_each (it, &nic->addrs) {
        const struct rn_nic_addr *own = rn_list_entry(it, struct rn_nic_addr, link);

        if (!rn_addr_is_v4(own->addr) && rn_addr_eq(rn_ndp_solicited_node(own->addr), group))
            return true;
    }
    return false;
}

bool rn_group_is_joined(const struct rn_nic *nic, struct rn_addr group)
{
    if (rn_addr_is_v4(group))
        return rn_addr_to_v4(group) == ALL_HOSTS4;
    return is_all_nodes6(group) || is_solicited_node(nic, group);
}
