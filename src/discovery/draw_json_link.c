#include "discovery/draw_json.h"

#include "discovery/name.h"
#include "discovery/wireguard.h"

static void hwaddr(struct rn_json *j, const char *key, const struct rn_map_hwaddr *hw)
{
    char buf[RN_NAME_BYTES];

    if (hw->len == 0)
        rn_json_null(j, key);
    else
        rn_json_text(j, key, rn_name_hwaddr(hw, buf));
}

struct counter {
    const char *name;
    size_t offset;
};

#define COUNTER(name)                                                                              \
    {                                                                                              \
#name, offsetof(struct rn_map_stats, name)                                                 \
    }
static const struct counter counters[] = {
    COUNTER(rx_packets),
    COUNTER(tx_packets),
    COUNTER(rx_bytes),
    COUNTER(tx_bytes),
    COUNTER(rx_errors),
    COUNTER(tx_errors),
    COUNTER(rx_dropped),
    COUNTER(tx_dropped),
    COUNTER(multicast),
    COUNTER(collisions),
    COUNTER(rx_length_errors),
    COUNTER(rx_over_errors),
    COUNTER(rx_crc_errors),
    COUNTER(rx_frame_errors),
    COUNTER(rx_fifo_errors),
    COUNTER(rx_missed_errors),
    COUNTER(tx_aborted_errors),
    COUNTER(tx_carrier_errors),
    COUNTER(tx_fifo_errors),
    COUNTER(tx_heartbeat_errors),
    COUNTER(tx_window_errors),
    COUNTER(rx_compressed),
    COUNTER(tx_compressed),
    COUNTER(rx_nohandler),
    COUNTER(rx_otherhost_dropped),
};

static void stats(struct rn_json *j, const struct rn_map_stats *s)
{
    rn_json_open(j, "stats", '{');
    for (size_t i = 0; i < RN_ARRAY_LEN(counters); i++) {
        uint64_t v;

        memcpy(&v, (const uint8_t *)s + counters[i].offset, sizeof(v));
        rn_json_u64(j, counters[i].name, v);
    }
    rn_json_close(j, '}');
}

static void driver(struct rn_json *j, const struct rn_map_driver *d)
{
    if (!d->is_known) {
        rn_json_null(j, "driver");
        return;
    }
    rn_json_open(j, "driver", '{');
    rn_json_text(j, "name", d->name);
    rn_json_text(j, "version", d->version);
    rn_json_text(j, "firmware", d->firmware);
    rn_json_text(j, "bus", d->bus);
    rn_json_text(j, "rom", d->rom);
    rn_json_int(j, "speed_mbit", d->speed_mbit);
    rn_json_text(j, "duplex", d->duplex == 0 ? "half" : d->duplex == 1 ? "full" : "unknown");
    rn_json_close(j, '}');
}

/* ---- what kinds add: members of "attributes" ---- */

static void bridge_id(struct rn_json *j, const char *key, uint64_t id)
{
    char buf[32];

    (void)snprintf(buf, sizeof(buf), "%04x.%012llx", (unsigned)(id >> 48),
                   (unsigned long long)(id & 0xffffffffffffull));
    rn_json_text(j, key, buf);
}

static void bridge(struct rn_json *j, const struct rn_map_bridge *b)
{
    bridge_id(j, "bridge_id", b->bridge_id);
    bridge_id(j, "root_id", b->root_id);
    rn_json_int(j, "root_port", b->root_port);
    rn_json_int(j, "root_path_cost", b->root_path_cost);
    rn_json_int(j, "priority", b->priority);
    rn_json_int(j, "stp_state", b->stp_state);
    rn_json_int(j, "ageing_s", b->ageing_s);
    rn_json_int(j, "forward_delay_s", b->forward_delay_s);
    rn_json_int(j, "hello_s", b->hello_s);
    rn_json_int(j, "max_age_s", b->max_age_s);
    rn_json_bool(j, "vlan_filtering", b->has_vlan_filtering);
    rn_json_int(j, "vlan_protocol", b->vlan_protocol);
    rn_json_int(j, "default_pvid", b->default_pvid);
    rn_json_bool(j, "mcast_snooping", b->has_mcast_snooping);
    rn_json_bool(j, "nf_call_iptables", b->has_nf_call_iptables);
}

static void bond(struct rn_json *j, const struct rn_map_bond *b)
{
    static const char *const modes[] = { "balance-rr", "active-backup", "balance-xor", "broadcast",
                                         "802.3ad",    "balance-tlb",   "balance-alb" };

    rn_json_text(j, "mode", b->mode < RN_ARRAY_LEN(modes) ? modes[b->mode] : "unknown");
    rn_json_int(j, "xmit_policy", b->xmit_policy);
    rn_json_int(j, "lacp_rate", b->lacp_rate);
    rn_json_int(j, "ad_select", b->ad_select);
    rn_json_int(j, "miimon_ms", b->miimon_ms);
    rn_json_int(j, "updelay_ms", b->updelay_ms);
    rn_json_int(j, "downdelay_ms", b->downdelay_ms);
    rn_json_int(j, "active_slave", b->active_slave);
    rn_json_int(j, "primary", b->primary);
}

static void tunnel(struct rn_json *j, const struct rn_map_tunnel *t)
{
    rn_json_int(j, "id", t->id);
    rn_json_addr(j, "remote", t->remote);
    rn_json_addr(j, "local", t->local);
    rn_json_int(j, "dst_port", t->dst_port);
    rn_json_int(j, "src_port_low", t->src_port_low);
    rn_json_int(j, "src_port_high", t->src_port_high);
    rn_json_int(j, "ttl", t->ttl);
    rn_json_int(j, "tos", t->tos);
    rn_json_int(j, "df", t->df);
    rn_json_int(j, "label", t->label);
    rn_json_int(j, "ageing_s", t->ageing_s);
    rn_json_int(j, "limit", t->limit);
    rn_json_bool(j, "external", t->is_external);
    rn_json_bool(j, "learning", t->has_learning);
    rn_json_bool(j, "proxy", t->has_proxy);
    rn_json_bool(j, "rsc", t->has_rsc);
    rn_json_bool(j, "l2miss", t->has_l2miss);
    rn_json_bool(j, "l3miss", t->has_l3miss);
    rn_json_bool(j, "udp_csum", t->has_udp_csum);
    rn_json_bool(j, "gbp", t->has_gbp);
}

static void id_or_null(struct rn_json *j, const char *key, uint32_t id)
{
    if (id == UINT32_MAX)
        rn_json_null(j, key);
    else
        rn_json_int(j, key, id);
}

static void tuntap(struct rn_json *j, const struct rn_map_tuntap *t)
{
    rn_json_text(j, "mode", t->is_tap ? "tap" : "tun");
    rn_json_pids(j, "processors", t->processors, t->n_processors);
    id_or_null(j, "owner_uid", t->owner_uid);
    id_or_null(j, "group_gid", t->group_gid);
    rn_json_int(j, "queues", t->n_queues);
    rn_json_int(j, "disabled_queues", t->n_disabled_queues);
    rn_json_bool(j, "persistent", t->is_persistent);
    rn_json_bool(j, "multi_queue", t->is_multi_queue);
    rn_json_bool(j, "vnet_hdr", t->has_vnet_hdr);
    rn_json_bool(j, "pi", t->has_pi);
}

static void wireguard(struct rn_json *j, const struct rn_map_wireguard *wg)
{
    char key[48];

    rn_json_text(j, "public_key", rn_wireguard_key_text(wg->key, key));
    rn_json_open(j, "peer_list", '[');
    for (uint32_t i = 0; i < wg->n_peers; i++) {
        const struct rn_map_wg_peer *p = &wg->peers[i];

        rn_json_open(j, NULL, '{');
        rn_json_text(j, "public_key", rn_wireguard_key_text(p->key, key));
        rn_json_addr(j, "endpoint", p->endpoint.addr);
        rn_json_int(j, "endpoint_port", p->endpoint.port);
        rn_json_open(j, "allowed", '[');
        for (size_t k = 0; k < p->n_allowed; k++)
            rn_json_prefix(j, NULL, &p->allowed[k]);
        rn_json_close(j, ']');
        rn_json_u64(j, "handshake_unix_s", p->handshake_unix_s);
        rn_json_u64(j, "rx_bytes", p->rx_bytes);
        rn_json_u64(j, "tx_bytes", p->tx_bytes);
        rn_json_int(j, "keepalive_s", p->keepalive_s);
        rn_json_close(j, '}');
    }
    rn_json_close(j, ']');
}

static void small_kinds(struct rn_json *j, const struct rn_map_link *link)
{
    if (link->kind == RN_KIND_VLAN) {
        rn_json_int(j, "id", link->vlan.id);
        rn_json_int(j, "protocol", link->vlan.protocol);
        rn_json_int(j, "flags", link->vlan.flags);
    } else if (link->kind == RN_KIND_MACVLAN || link->kind == RN_KIND_MACVTAP) {
        rn_json_int(j, "mode", link->macvlan.mode);
        rn_json_int(j, "flags", link->macvlan.flags);
        rn_json_int(j, "source_macs", link->macvlan.n_source_macs);
    } else if (link->kind == RN_KIND_IPVLAN || link->kind == RN_KIND_IPVTAP) {
        rn_json_int(j, "mode", link->ipvlan.mode);
        rn_json_int(j, "flags", link->ipvlan.flags);
    } else if (link->kind == RN_KIND_VRF) {
        rn_json_int(j, "table", link->vrf_table);
    } else if (link->kind == RN_KIND_WIREGUARD && link->wireguard.is_known) {
        rn_json_int(j, "listen_port", link->wireguard.listen_port);
        rn_json_int(j, "fwmark", link->wireguard.fwmark);
        rn_json_int(j, "peers", link->wireguard.n_peers);
        wireguard(j, &link->wireguard);
    }
}

static void attributes(struct rn_json *j, const struct rn_map_link *link)
{
    rn_json_open(j, "attributes", '{');
    if (link->kind == RN_KIND_BRIDGE)
        bridge(j, &link->bridge);
    else if (link->kind == RN_KIND_BOND)
        bond(j, &link->bond);
    else if (link->kind == RN_KIND_VXLAN || link->kind == RN_KIND_GENEVE ||
             link->kind == RN_KIND_TUNNEL)
        tunnel(j, &link->tunnel);
    else if (link->kind == RN_KIND_TUNTAP)
        tuntap(j, &link->tuntap);
    else
        small_kinds(j, link);
    rn_json_close(j, '}');
}

/* ---- relations and the rest ---- */

static void port(struct rn_json *j, const struct rn_map_link *link)
{
    if (link->slave_kind[0] == '\0') {
        rn_json_null(j, "port");
        return;
    }
    rn_json_open(j, "port", '{');
    rn_json_text(j, "kind", link->slave_kind);
    rn_json_int(j, "state", link->port.state);
    rn_json_int(j, "cost", link->port.cost);
    rn_json_int(j, "priority", link->port.priority);
    rn_json_int(j, "number", link->port.number);
    rn_json_int(j, "pvid", link->port.pvid);
    rn_json_bool(j, "isolated", link->port.is_isolated);
    rn_json_bool(j, "hairpin", link->port.has_hairpin);
    rn_json_bool(j, "learning", link->port.has_learning);
    rn_json_bool(j, "flood", link->port.has_flood);
    rn_json_bool(j, "guard", link->port.has_guard);
    rn_json_close(j, '}');
}

static void refs(struct rn_json *j, const char *key, const struct rn_map *map,
                 struct rn_map_link *const *list, size_t n)
{
    rn_json_open(j, key, '[');
    for (size_t i = 0; i < n; i++)
        rn_json_link_ref(j, NULL, map, list[i]);
    rn_json_close(j, ']');
}

static void relations(struct rn_json *j, const struct rn_map *map, const struct rn_map_link *link)
{
    static const char *const roles[] = { "", "pf", "vf" };

    rn_json_link_ref(j, "peer", map, link->peer);
    rn_json_link_ref(j, "master", map, link->master);
    rn_json_link_ref(j, "lower", map, link->lower);
    refs(j, "ports", map, link->ports, link->n_ports);
    refs(j, "uppers", map, link->uppers, link->n_uppers);
    rn_json_text(j, "sriov", (unsigned)link->sriov < RN_ARRAY_LEN(roles) ? roles[link->sriov] : "");
    rn_json_link_ref(j, "pf", map, link->pf);
    rn_json_int(j, "link_index", link->link_index);
    if (link->link_nsid == RN_MAP_NO_NSID)
        rn_json_null(j, "link_nsid");
    else
        rn_json_int(j, "link_nsid", link->link_nsid);
    rn_json_int(j, "master_index", link->master_index);
}

static void addrs(struct rn_json *j, const struct rn_map_link *link)
{
    rn_json_open(j, "addresses", '[');
    for (size_t i = 0; i < link->n_addrs; i++) {
        const struct rn_map_addr *a = &link->addrs[i];

        rn_json_open(j, NULL, '{');
        rn_json_addr(j, "address", a->addr);
        rn_json_int(j, "family", rn_addr_is_v4(a->addr) ? 4 : 6);
        rn_json_int(j, "prefix", a->prefix_bits);
        rn_json_addr(j, "peer", a->peer);
        rn_json_addr(j, "broadcast", a->broadcast);
        rn_json_addr(j, "anycast", a->anycast);
        rn_json_int(j, "scope", a->scope);
        rn_json_int(j, "flags", a->flags);
        rn_json_text(j, "label", a->label);
        rn_json_int(j, "metric", a->metric);
        rn_json_int(j, "proto", a->proto);
        id_or_null(j, "valid_s", a->valid_s); /* null: forever */
        id_or_null(j, "preferred_s", a->preferred_s);
        rn_json_close(j, '}');
    }
    rn_json_close(j, ']');
}

static void numbers(struct rn_json *j, const struct rn_map_link *link)
{
    static const char *const xdp_modes[] = { "none", "generic", "driver", "hardware", "several" };

    rn_json_int(j, "flags", link->flags);
    rn_json_int(j, "mtu", link->mtu);
    rn_json_int(j, "min_mtu", link->min_mtu);
    rn_json_int(j, "max_mtu", link->max_mtu);
    rn_json_int(j, "group", link->group);
    rn_json_int(j, "txqlen", link->txqlen);
    rn_json_int(j, "promiscuity", link->promiscuity);
    rn_json_int(j, "allmulti", link->allmulti);
    rn_json_int(j, "tx_queues", link->n_tx_queues);
    rn_json_int(j, "rx_queues", link->n_rx_queues);
    rn_json_int(j, "gso_max_size", link->gso_max_bytes);
    rn_json_int(j, "gso_max_segs", link->gso_max_segs);
    rn_json_int(j, "gro_max_size", link->gro_max_bytes);
    rn_json_int(j, "gso_ipv4_max_size", link->gso_ipv4_max_bytes);
    rn_json_int(j, "gro_ipv4_max_size", link->gro_ipv4_max_bytes);
    rn_json_int(j, "tso_max_size", link->tso_max_bytes);
    rn_json_int(j, "tso_max_segs", link->tso_max_segs);
    rn_json_int(j, "carrier", link->carrier);
    rn_json_int(j, "carrier_changes", link->carrier_changes);
    rn_json_int(j, "carrier_up_count", link->carrier_ups);
    rn_json_int(j, "carrier_down_count", link->carrier_downs);
    rn_json_int(j, "link_mode", link->link_mode);
    rn_json_int(j, "addrgen_mode", link->addrgen_mode);
    rn_json_bool(j, "proto_down", link->is_proto_down);
    rn_json_int(j, "xdp_prog_id", link->xdp_prog_id);
    rn_json_text(j, "xdp_mode",
                 link->xdp_mode < RN_ARRAY_LEN(xdp_modes) ? xdp_modes[link->xdp_mode] : "none");
}

void rn_json_link(struct rn_json *j, const struct rn_map *map, const struct rn_map_link *link)
{
    rn_json_open(j, NULL, '{');
    rn_json_int(j, "index", link->index);
    rn_json_text(j, "name", link->name);
    rn_json_text(j, "kind", rn_map_kind_text(link->kind));
    rn_json_text(j, "kind_name", link->kind_name);
    rn_json_text(j, "alias", link->alias);
    rn_json_open(j, "altnames", '[');
    for (size_t i = 0; i < link->n_altnames; i++)
        rn_json_text(j, NULL, link->altnames[i]);
    rn_json_close(j, ']');
    rn_json_text(j, "operstate", rn_map_oper_text(link->oper));
    rn_json_bool(j, "physical", link->is_physical);
    rn_json_int(j, "hw_type", link->hw_type);
    hwaddr(j, "address", &link->hwaddr);
    hwaddr(j, "broadcast", &link->hwbroadcast);
    hwaddr(j, "permaddr", &link->permaddr);
    addrs(j, link);
    numbers(j, link);
    rn_json_text(j, "qdisc", link->qdisc);
    rn_json_text(j, "parent_bus", link->parent_bus);
    rn_json_text(j, "parent_dev", link->parent_dev);
    rn_json_text(j, "phys_port_name", link->phys_port_name);
    relations(j, map, link);
    port(j, link);
    attributes(j, link);
    driver(j, &link->driver);
    rn_json_text(j, "network", link->network);
    rn_json_bool(j, "network_internal", link->is_network_internal);
    rn_json_bool(j, "network_default", link->is_network_default);
    rn_json_labels(j, "labels", link->labels, link->n_labels);
    stats(j, &link->stats);
    rn_json_close(j, '}');
}
