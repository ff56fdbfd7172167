#pragma once
/*
 * One network interface in the picture: what the kernel says of it, what its kind adds, and how it hangs together
 * with others. Texts are raw bytes of the kernel's or a user's making, NUL-terminated, never NULL: whoever prints
 * them escapes them. Pointers borrow from the same map.
 */
#include "base/view.h"

struct rn_map_netns;
struct rn_map_process;
struct rn_map_addr;
struct rn_map_link;

#define RN_MAP_HWADDR_MAX 32u
#define RN_MAP_NO_NSID    (-1)

enum rn_map_kind {
    RN_KIND_OTHER,  /* see kind_name */
    RN_KIND_DEVICE, /* no kind: hardware, or what claims to be; lo is RN_KIND_LOOPBACK */
    RN_KIND_LOOPBACK,
    RN_KIND_VETH,
    RN_KIND_BRIDGE,
    RN_KIND_BOND,
    RN_KIND_TEAM,
    RN_KIND_VRF,
    RN_KIND_VLAN,
    RN_KIND_MACVLAN,
    RN_KIND_MACVTAP,
    RN_KIND_IPVLAN,
    RN_KIND_IPVTAP,
    RN_KIND_VXLAN,
    RN_KIND_GENEVE,
    RN_KIND_TUNTAP,
    RN_KIND_WIREGUARD,
    RN_KIND_TUNNEL, /* gre, gretap, ipip, sit, ip6tnl, vti ...: kind_name tells which */
    RN_KIND_DUMMY,
    RN_KIND_IFB,
    RN_KIND_NETKIT,
    RN_KIND_N
};

/* operstate, RFC 2863; the numbers are the kernel's IF_OPER_*. */
enum rn_map_oper {
    RN_OPER_UNKNOWN,
    RN_OPER_NOT_PRESENT,
    RN_OPER_DOWN,
    RN_OPER_LOWER_LAYER_DOWN,
    RN_OPER_TESTING,
    RN_OPER_DORMANT,
    RN_OPER_UP,
};

struct rn_map_hwaddr {
    uint8_t len; /* 0: none */
    uint8_t b[RN_MAP_HWADDR_MAX];
};

/* rtnl_link_stats64, in its order. */
struct rn_map_stats {
    uint64_t rx_packets, tx_packets;
    uint64_t rx_bytes, tx_bytes;
    uint64_t rx_errors, tx_errors;
    uint64_t rx_dropped, tx_dropped;
    uint64_t multicast, collisions;
    uint64_t rx_length_errors, rx_over_errors, rx_crc_errors;
    uint64_t rx_frame_errors, rx_fifo_errors, rx_missed_errors;
    uint64_t tx_aborted_errors, tx_carrier_errors, tx_fifo_errors;
    uint64_t tx_heartbeat_errors, tx_window_errors;
    uint64_t rx_compressed, tx_compressed;
    uint64_t rx_nohandler, rx_otherhost_dropped;
};

struct rn_map_driver {
    const char *name; /* "" unknown */
    const char *version;
    const char *firmware;
    const char *bus;
    const char *rom;
    int32_t speed_mbit; /* -1 unknown */
    uint8_t duplex;     /* 0 half, 1 full, 255 unknown */
    bool is_known;
};

/* ---- what kinds add; zero when the kernel did not say ---- */

struct rn_map_bridge {
    uint64_t root_id, bridge_id; /* 2 bytes priority, 6 bytes MAC */
    uint32_t ageing_s, forward_delay_s, hello_s, max_age_s;
    uint32_t root_path_cost;
    uint16_t priority, root_port, default_pvid, vlan_protocol;
    uint8_t stp_state; /* 0 off, 1 kernel, 2 user */
    bool has_vlan_filtering, has_mcast_snooping, has_nf_call_iptables;
};

struct rn_map_bond {
    uint8_t
        mode; /* 0 balance-rr, 1 active-backup, 2 balance-xor, 3 broadcast, 4 802.3ad, 5 tlb, 6 alb */
    uint8_t xmit_policy, lacp_rate, ad_select;
    uint32_t miimon_ms, updelay_ms, downdelay_ms;
    uint32_t active_slave, primary; /* ifindex; 0 none */
};

struct rn_map_vlan {
    uint16_t id, protocol; /* 0x8100, 0x88a8 */
    uint32_t flags;
};

struct rn_map_macvlan { /* and macvtap */
    uint32_t mode;      /* MACVLAN_MODE_*: 1 private, 2 vepa, 4 bridge, 8 passthru, 16 source */
    uint16_t flags;
    uint32_t n_source_macs;
};

struct rn_map_ipvlan { /* and ipvtap */
    uint16_t mode;     /* 0 l2, 1 l3, 2 l3s */
    uint16_t flags;    /* 1 private, 2 vepa */
};

struct rn_map_tunnel {     /* vxlan, geneve, gre ...; what a kind lacks is zero */
    struct rn_addr remote; /* vxlan: remote or group */
    struct rn_addr local;
    uint32_t id; /* VNI; key of gre */
    uint32_t ageing_s, limit, label;
    uint16_t dst_port, src_port_low, src_port_high;
    uint8_t ttl, tos, df;
    bool is_external; /* collect metadata: the remote comes from routes or eBPF */
    bool has_learning, has_proxy, has_rsc, has_l2miss, has_l3miss, has_udp_csum, has_gbp;
    uint32_t lower_index; /* IFLA_VXLAN_LINK; in the link namespace, see link_nsid */
};

struct rn_map_tuntap {
    struct rn_map_process **processors; /* who holds it open */
    size_t n_processors;
    uint32_t owner_uid, group_gid; /* UINT32_MAX: nobody's */
    uint32_t n_queues, n_disabled_queues;
    bool is_tap, is_persistent, is_multi_queue, has_vnet_hdr, has_pi;
};

#define RN_WG_KEY_BYTES 32u

struct rn_map_wg_peer {
    uint8_t key[RN_WG_KEY_BYTES]; /* public */
    struct rn_endpoint endpoint;  /* no address: not known yet */
    struct rn_prefix *allowed;    /* the packets for it, and those taken from it */
    size_t n_allowed;
    uint64_t handshake_unix_s; /* the latest; 0 none yet */
    uint64_t rx_bytes, tx_bytes;
    uint16_t keepalive_s;
};

struct rn_map_wireguard {
    struct rn_map_wg_peer *peers;
    uint32_t n_peers;
    uint32_t fwmark;
    uint16_t listen_port;
    uint8_t key[RN_WG_KEY_BYTES]; /* public; zero: none set */
    bool is_known;                /* reading needs NET_ADMIN in the namespace */
};

/* What being a port adds, by slave_kind "bridge" or "bond". */
struct rn_map_port {
    uint32_t cost;
    uint16_t priority, number, pvid;
    uint8_t
        state; /* bridge: 0 disabled 1 listening 2 learning 3 forwarding 4 blocking; bond: 0 active 1 backup */
    bool is_isolated, has_hairpin, has_learning, has_flood, has_guard;
};

enum rn_map_sriov {
    RN_SRIOV_NONE,
    RN_SRIOV_PF,
    RN_SRIOV_VF,
};

struct rn_map_label {
    const char *key;
    const char *value;
};

struct rn_map_link {
    struct rn_map_netns *netns;
    const char *name;
    const char *alias;
    const char **altnames;
    size_t n_altnames;
    uint32_t index;
    enum rn_map_kind kind;
    const char *kind_name;  /* IFLA_INFO_KIND; "" for hardware and lo */
    const char *slave_kind; /* "bridge", "bond" ...; "" if it is no port */
    const char *qdisc;
    const char *parent_bus; /* "pci" */
    const char *parent_dev; /* "0000:00:03.0" */
    const char *phys_port_name;

    struct rn_map_hwaddr hwaddr, hwbroadcast, permaddr;
    uint16_t hw_type; /* ARPHRD_* */
    uint32_t flags;   /* IFF_* */
    uint8_t oper;     /* enum rn_map_oper */
    uint8_t link_mode, addrgen_mode;
    uint8_t carrier;  /* 0, 1 */
    bool is_physical; /* has hardware: no kind and not loopback, or a driver on a bus */
    bool is_proto_down;
    uint32_t mtu, min_mtu, max_mtu;
    uint32_t group, txqlen, promiscuity, allmulti;
    uint32_t n_tx_queues, n_rx_queues;
    uint32_t gso_max_bytes, gso_max_segs, gro_max_bytes, gso_ipv4_max_bytes, gro_ipv4_max_bytes;
    uint32_t tso_max_bytes, tso_max_segs;
    uint32_t carrier_changes, carrier_ups, carrier_downs;
    uint32_t xdp_prog_id;
    uint8_t xdp_mode; /* 0 none, 1 generic, 2 driver, 3 hardware, 4 several */
    struct rn_map_stats stats;
    struct rn_map_driver driver;

    union {
        struct rn_map_bridge bridge;
        struct rn_map_bond bond;
        struct rn_map_vlan vlan;
        struct rn_map_macvlan macvlan;
        struct rn_map_ipvlan ipvlan;
        struct rn_map_tunnel tunnel; /* RN_KIND_VXLAN, _GENEVE, _TUNNEL */
        struct rn_map_tuntap tuntap;
        struct rn_map_wireguard wireguard;
        uint32_t vrf_table;
    };
    struct rn_map_port port;

    /* As the kernel says; resolved into the pointers below by rn_join(). */
    uint32_t link_index;   /* IFLA_LINK; 0 none */
    int32_t link_nsid;     /* IFLA_LINK_NETNSID: where link_index lives; RN_MAP_NO_NSID: here */
    uint32_t master_index; /* 0 none */

    struct rn_map_link *peer;   /* veth, netkit: the other end; NULL: not found */
    struct rn_map_link *master; /* bridge, bond, team, vrf of which this is a port */
    struct rn_map_link
        *lower; /* on which this stands: macvlan, vlan, ipvlan, vxlan underlay, tunnel */
    struct rn_map_link *pf; /* SR-IOV: physical function of this VF */
    const char *pf_bus;     /* its bus address, also when it was not found; "" */
    enum rn_map_sriov sriov;
    struct rn_map_link **ports; /* of a master, sorted by name */
    size_t n_ports;
    struct rn_map_link **uppers; /* links whose .lower is this, sorted; may live elsewhere */
    size_t n_uppers;

    struct rn_map_addr *addrs; /* a slice of netns->addrs: IPv4 first */
    size_t n_addrs;

    const char *network;         /* the container engine's name for it; "" none */
    struct rn_map_label *labels; /* of that network, sorted by key */
    size_t n_labels;
    bool is_network_internal;
    bool is_network_default; /* Docker's own bridge, on which names are not resolved */
};
