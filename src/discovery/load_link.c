/* RTM_NEWLINK: what every link has; its kind's part goes to link_<kind>.c by the table below. */
#include "discovery/link_kind.h"
#include "discovery/load.h"

#include "host/nlattr.h"
#include "host/proc.h"

#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

/* Attributes younger than Debian 12's headers; numbers are uapi. */
enum {
    ATTR_GRO_MAX_BYTES = 58,
    ATTR_TSO_MAX_BYTES = 59,
    ATTR_TSO_MAX_SEGS = 60,
    ATTR_ALLMULTI = 61,
    ATTR_GSO_IPV4_MAX_BYTES = 63,
    ATTR_GRO_IPV4_MAX_BYTES = 64,
    ATTR_MAX = 64,
};

static rn_link_kind_fn *const kind_readers[RN_KIND_N] = {
    [RN_KIND_BRIDGE] = rn_link_bridge_read,   [RN_KIND_BOND] = rn_link_bond_read,
    [RN_KIND_VLAN] = rn_link_vlan_read,       [RN_KIND_MACVLAN] = rn_link_macvlan_read,
    [RN_KIND_MACVTAP] = rn_link_macvlan_read, [RN_KIND_IPVLAN] = rn_link_ipvlan_read,
    [RN_KIND_IPVTAP] = rn_link_ipvlan_read,   [RN_KIND_VXLAN] = rn_link_vxlan_read,
    [RN_KIND_GENEVE] = rn_link_geneve_read,   [RN_KIND_TUNNEL] = rn_link_tunnel_read,
    [RN_KIND_TUNTAP] = rn_link_tuntap_read,   [RN_KIND_VRF] = rn_link_vrf_read,
};

static struct rn_map_hwaddr hwaddr_of(struct rn_view v)
{
    struct rn_map_hwaddr a = { .len = (uint8_t)rn_min_size(v.len, RN_MAP_HWADDR_MAX) };

    if (a.len != 0)
        memcpy(a.b, v.ptr, a.len);
    return a;
}

static void read_names(struct rn_load *l, struct rn_map_link *link, const struct rn_view *tb)
{
    struct rn_view rest = tb[IFLA_PROP_LIST];
    struct rn_nlattr a;

    link->name = rn_load_str(l, tb[IFLA_IFNAME]);
    link->alias = rn_load_str(l, tb[IFLA_IFALIAS]);
    link->qdisc = rn_load_str(l, tb[IFLA_QDISC]);
    link->phys_port_name = rn_load_str(l, tb[IFLA_PHYS_PORT_NAME]);
    link->parent_dev = rn_load_str(l, tb[IFLA_PARENT_DEV_NAME]);
    link->parent_bus = rn_load_str(l, tb[IFLA_PARENT_DEV_BUS_NAME]);
    while (rn_nlattr_next(&rest, &a)) {
        const char **grown;

        if (a.type != IFLA_ALT_IFNAME)
            continue;
        grown = rn_arena_room(&l->map->arena, link->altnames, link->n_altnames, sizeof(*grown));
        if (grown == NULL)
            return;
        link->altnames = grown;
        link->altnames[link->n_altnames++] = rn_load_str(l, a.value);
    }
}

static void read_sizes(struct rn_map_link *link, const struct rn_view *tb)
{
    link->mtu = rn_nl_u32(tb[IFLA_MTU]);
    link->min_mtu = rn_nl_u32(tb[IFLA_MIN_MTU]);
    link->max_mtu = rn_nl_u32(tb[IFLA_MAX_MTU]);
    link->group = rn_nl_u32(tb[IFLA_GROUP]);
    link->txqlen = rn_nl_u32(tb[IFLA_TXQLEN]);
    link->promiscuity = rn_nl_u32(tb[IFLA_PROMISCUITY]);
    link->allmulti = rn_nl_u32(tb[ATTR_ALLMULTI]);
    link->n_tx_queues = rn_nl_u32(tb[IFLA_NUM_TX_QUEUES]);
    link->n_rx_queues = rn_nl_u32(tb[IFLA_NUM_RX_QUEUES]);
    link->gso_max_bytes = rn_nl_u32(tb[IFLA_GSO_MAX_SIZE]);
    link->gso_max_segs = rn_nl_u32(tb[IFLA_GSO_MAX_SEGS]);
    link->gro_max_bytes = rn_nl_u32(tb[ATTR_GRO_MAX_BYTES]);
    link->tso_max_bytes = rn_nl_u32(tb[ATTR_TSO_MAX_BYTES]);
    link->tso_max_segs = rn_nl_u32(tb[ATTR_TSO_MAX_SEGS]);
    link->gso_ipv4_max_bytes = rn_nl_u32(tb[ATTR_GSO_IPV4_MAX_BYTES]);
    link->gro_ipv4_max_bytes = rn_nl_u32(tb[ATTR_GRO_IPV4_MAX_BYTES]);
}

static void read_state(struct rn_map_link *link, const struct rn_view *tb)
{
    link->oper = rn_nl_u8(tb[IFLA_OPERSTATE]);
    link->link_mode = rn_nl_u8(tb[IFLA_LINKMODE]);
    link->carrier = rn_nl_u8(tb[IFLA_CARRIER]);
    link->carrier_changes = rn_nl_u32(tb[IFLA_CARRIER_CHANGES]);
    link->carrier_ups = rn_nl_u32(tb[IFLA_CARRIER_UP_COUNT]);
    link->carrier_downs = rn_nl_u32(tb[IFLA_CARRIER_DOWN_COUNT]);
    link->is_proto_down = rn_nl_u8(tb[IFLA_PROTO_DOWN]) != 0;
    if (tb[IFLA_STATS64].len != 0)
        memcpy(&link->stats, tb[IFLA_STATS64].ptr,
               rn_min_size(tb[IFLA_STATS64].len, sizeof(link->stats)));
}

static void read_xdp(struct rn_map_link *link, struct rn_view nest)
{
    struct rn_view tb[IFLA_XDP_PROG_ID + 1];

    rn_nlattr_table(nest, tb, IFLA_XDP_PROG_ID);
    link->xdp_mode = rn_nl_u8(tb[IFLA_XDP_ATTACHED]);
    link->xdp_prog_id = rn_nl_u32(tb[IFLA_XDP_PROG_ID]);
}

/* IFLA_AF_SPEC { AF_INET6 { IFLA_INET6_ADDR_GEN_MODE } } */
static void read_af_spec(struct rn_map_link *link, struct rn_view nest)
{
    struct rn_nlattr a;

    while (rn_nlattr_next(&nest, &a)) {
        struct rn_view tb[IFLA_INET6_ADDR_GEN_MODE + 1];

        if (a.type != AF_INET6)
            continue;
        rn_nlattr_table(a.value, tb, IFLA_INET6_ADDR_GEN_MODE);
        link->addrgen_mode = rn_nl_u8(tb[IFLA_INET6_ADDR_GEN_MODE]);
    }
}

static void read_kind(struct rn_load *l, struct rn_map_link *link, struct rn_view nest)
{
    struct rn_view tb[IFLA_INFO_MAX + 1];

    rn_nlattr_table(nest, tb, IFLA_INFO_MAX);
    link->kind_name = rn_load_str(l, tb[IFLA_INFO_KIND]);
    link->slave_kind = rn_load_str(l, tb[IFLA_INFO_SLAVE_KIND]);
    link->kind = rn_map_kind_of(rn_nl_str(tb[IFLA_INFO_KIND]));
    if (kind_readers[link->kind] != NULL)
        kind_readers[link->kind](link, tb[IFLA_INFO_DATA]);
    if (strcmp(link->slave_kind, "bridge") == 0)
        rn_link_bridge_port_read(link, tb[IFLA_INFO_SLAVE_DATA]);
    else if (strcmp(link->slave_kind, "bond") == 0)
        rn_link_bond_port_read(link, tb[IFLA_INFO_SLAVE_DATA]);
}

static void read_relations(struct rn_map_link *link, const struct rn_view *tb)
{
    link->link_index = rn_nl_u32(tb[IFLA_LINK]);
    link->master_index = rn_nl_u32(tb[IFLA_MASTER]);
    if (rn_nl_has(tb[IFLA_LINK_NETNSID]))
        link->link_nsid = rn_nl_i32(tb[IFLA_LINK_NETNSID]);
    /* Kernels before 4.20 leave IFLA_LINK out when a peer elsewhere has the same index. */
    if (link->kind == RN_KIND_VETH && link->link_index == 0 && link->link_nsid != RN_MAP_NO_NSID)
        link->link_index = link->index;
}

void rn_load_link(struct rn_load *l, struct rn_view payload)
{
    struct rn_view tb[ATTR_MAX + 1];
    struct rn_map_link *link;
    struct rn_view head;
    uint32_t index;

    if (!rn_nlmsg_take_header(&payload, sizeof(struct ifinfomsg), &head)) {
        l->n_malformed++;
        return;
    }
    index = rn_nl_u32_at(head, offsetof(struct ifinfomsg, ifi_index));
    link = rn_model_add_link(l->map, l->current);
    if (link == NULL)
        return;
    rn_nlattr_table(payload, tb, ATTR_MAX);
    link->index = index;
    link->hw_type = rn_nl_u16_at(head, offsetof(struct ifinfomsg, ifi_type));
    link->flags = rn_nl_u32_at(head, offsetof(struct ifinfomsg, ifi_flags));
    link->hwaddr = hwaddr_of(tb[IFLA_ADDRESS]);
    link->hwbroadcast = hwaddr_of(tb[IFLA_BROADCAST]);
    link->permaddr = hwaddr_of(tb[IFLA_PERM_ADDRESS]);
    read_names(l, link, tb);
    read_sizes(link, tb);
    read_state(link, tb);
    read_xdp(link, tb[IFLA_XDP]);
    read_af_spec(link, tb[IFLA_AF_SPEC]);
    read_kind(l, link, tb[IFLA_LINKINFO]);
    if (link->kind == RN_KIND_DEVICE && (link->flags & IFF_LOOPBACK) != 0)
        link->kind = RN_KIND_LOOPBACK;
    link->is_physical = link->kind == RN_KIND_DEVICE || link->parent_bus[0] != '\0';
    read_relations(link, tb);
}

static const char *fixed_text(struct rn_load *l, struct rn_view all, size_t offset, size_t len)
{
    return rn_load_str(l, rn_view_of(all.ptr + offset, len));
}

void rn_load_driver(struct rn_load *l, struct rn_view payload)
{
    struct rn_reader r = rn_reader_of(payload);
    uint32_t index = rn_read_be32(&r);
    struct rn_view info = rn_dump_read_text(&r);
    uint32_t speed = rn_read_be32(&r);
    uint8_t duplex = rn_read_u8(&r);
    bool is_cut = r.short_read;
    uint8_t sriov = rn_read_u8(&r);
    struct rn_view pf_bus = rn_dump_read_text(&r);
    struct rn_map_link *link = l->current != NULL ? rn_model_link(l->current, index) : NULL;
    struct rn_map_driver *d;

    if (link == NULL || is_cut || info.len < sizeof(struct ethtool_drvinfo)) {
        l->n_malformed++;
        return;
    }
    d = &link->driver;
    d->name = fixed_text(l, info, offsetof(struct ethtool_drvinfo, driver), 32);
    d->version = fixed_text(l, info, offsetof(struct ethtool_drvinfo, version), 32);
    d->firmware =
        fixed_text(l, info, offsetof(struct ethtool_drvinfo, fw_version), ETHTOOL_FWVERS_LEN);
    d->bus = fixed_text(l, info, offsetof(struct ethtool_drvinfo, bus_info), ETHTOOL_BUSINFO_LEN);
    d->rom =
        fixed_text(l, info, offsetof(struct ethtool_drvinfo, erom_version), ETHTOOL_EROMVERS_LEN);
    d->speed_mbit = speed <= INT32_MAX ? (int32_t)speed : -1;
    d->duplex = duplex;
    d->is_known = true;
    link->sriov = sriov <= RN_SRIOV_VF ? (enum rn_map_sriov)sriov : RN_SRIOV_NONE;
    link->pf_bus = rn_load_str(l, pf_bus);
}
