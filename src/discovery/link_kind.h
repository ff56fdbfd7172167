#pragma once
/* What each kind of link says of itself: IFLA_INFO_DATA into the kind's part of rn_map_link. One file per kind. */
#include "discovery/model.h"

/* @data is the content of IFLA_INFO_DATA, which may be empty. */
typedef void rn_link_kind_fn(struct rn_map_link *link, struct rn_view data);

rn_link_kind_fn rn_link_bridge_read;
rn_link_kind_fn rn_link_bond_read;
rn_link_kind_fn rn_link_vlan_read;
rn_link_kind_fn rn_link_macvlan_read;
rn_link_kind_fn rn_link_ipvlan_read;
rn_link_kind_fn rn_link_vxlan_read;
rn_link_kind_fn rn_link_geneve_read;
rn_link_kind_fn rn_link_tunnel_read;
rn_link_kind_fn rn_link_tuntap_read;
rn_link_kind_fn rn_link_vrf_read;

/* IFLA_INFO_SLAVE_DATA of a port, by its slave_kind. */
rn_link_kind_fn rn_link_bridge_port_read;
rn_link_kind_fn rn_link_bond_port_read;
