#pragma once
/* What a network namespace holds beside its links: addresses, routes, rules, neighbours, sockets, forwarded ports. */
#include "base/view.h"

struct rn_map_link;
struct rn_map_netns;
struct rn_map_process;

#define RN_MAP_FOREVER UINT32_MAX

struct rn_map_addr {
    struct rn_map_link *link; /* NULL: the link vanished during the dump */
    struct rn_addr addr;
    struct rn_addr peer;      /* none, or the far end of a point-to-point address */
    struct rn_addr broadcast; /* none if not set */
    struct rn_addr anycast;
    const char *label; /* IPv4; "" if there is none */
    uint32_t link_index;
    uint32_t flags;                /* IFA_F_* */
    uint32_t valid_s, preferred_s; /* RN_MAP_FOREVER */
    uint32_t metric;
    uint8_t prefix_bits;
    uint8_t scope; /* RT_SCOPE_* */
    uint8_t proto;
};

struct rn_map_hop {
    struct rn_map_link *link;
    struct rn_addr gateway; /* none: on link */
    uint32_t link_index;
    uint16_t weight;
    uint8_t flags; /* RTNH_F_* */
};

struct rn_map_route {
    struct rn_prefix dst;
    struct rn_prefix src;   /* IPv6 source routing; zero bits: any */
    struct rn_addr gateway; /* none: on link, or see hops; may be of the other family */
    struct rn_addr prefsrc;
    struct rn_map_link *link; /* NULL: none, or several */
    struct rn_map_hop *hops;  /* multipath, also of a nexthop object; NULL for a plain route */
    size_t n_hops;
    uint32_t link_index; /* 0: none */
    uint32_t table;      /* 253 default, 254 main, 255 local */
    uint32_t priority;
    uint32_t flags;
    uint32_t nexthop_id; /* 0: none */
    uint32_t mtu, advmss, expires_s;
    uint16_t encap_type;
    uint8_t family; /* RN_FAMILY_V4, _V6 */
    uint8_t type;   /* RTN_* */
    uint8_t scope;
    uint8_t protocol; /* RTPROT_* */
    uint8_t tos;
    uint8_t pref; /* RFC 4191: 0 medium, 1 high, 3 low */
};

struct rn_map_nexthop {
    struct rn_map_hop hop; /* of a plain one */
    uint32_t id;
    uint32_t *group_ids; /* members, else NULL */
    uint16_t *group_weights;
    size_t n_group;
    uint8_t family; /* 0 for groups */
    uint8_t protocol;
    bool is_blackhole, is_fdb;
};

struct rn_map_rule {           /* of policy routing, `ip rule` */
    struct rn_prefix src, dst; /* zero bits: any */
    const char *iif, *oif;     /* "" any */
    uint32_t priority, table, fwmark, fwmask, goto_priority, flags;
    uint32_t uid_from, uid_to;                           /* has_uid_range */
    uint16_t sport_from, sport_to, dport_from, dport_to; /* zero: any */
    int32_t suppress_prefix_bits;                        /* -1: not set */
    uint32_t suppress_group;                             /* has_suppress_group */
    uint64_t tun_id;                                     /* 0: any */
    uint8_t family;
    uint8_t action; /* FR_ACT_*: 1 to table, 2 goto, 6 blackhole, 7 unreachable, 8 prohibit */
    uint8_t tos, ip_proto, protocol, l3mdev;
    bool has_uid_range, has_suppress_group, is_inverted;
};

struct rn_map_neigh { /* neighbour or, with is_fdb, bridge forwarding entry */
    struct rn_map_link *link;
    struct rn_addr addr; /* neighbour, or far end of a vxlan FDB entry */
    uint8_t hwaddr[32];
    uint8_t hwaddr_len;
    uint8_t flags;  /* NTF_* */
    uint16_t state; /* NUD_* */
    uint16_t vlan;
    uint16_t port; /* of a vxlan FDB entry; 0 default */
    uint32_t vni;
    uint32_t link_index, master_index;
    uint32_t ext_flags;
    uint8_t protocol;
};

enum rn_map_proto {
    RN_PROTO_TCP,
    RN_PROTO_UDP,
    RN_PROTO_UDPLITE,
    RN_PROTO_MPTCP,
    RN_PROTO_SCTP,
    RN_PROTO_RAW,
    RN_PROTO_PING,
    RN_PROTO_PACKET,
    RN_PROTO_UNIX,
    RN_PROTO_N
};

/* TCP's numbers in the kernel; UDP uses ESTABLISHED (connected) and CLOSE (unconnected: "listening"). */
enum rn_map_state {
    RN_STATE_UNKNOWN,
    RN_STATE_ESTABLISHED,
    RN_STATE_SYN_SENT,
    RN_STATE_SYN_RECV,
    RN_STATE_FIN_WAIT1,
    RN_STATE_FIN_WAIT2,
    RN_STATE_TIME_WAIT,
    RN_STATE_CLOSE,
    RN_STATE_CLOSE_WAIT,
    RN_STATE_LAST_ACK,
    RN_STATE_LISTEN,
    RN_STATE_CLOSING,
    RN_STATE_NEW_SYN_RECV,
};

struct rn_map_sock {
    struct rn_addr local, remote;   /* none means "any" of .family */
    const char *path;               /* unix: as bound, '@' for abstract; "" else */
    struct rn_map_process **owners; /* sorted by pid; may live in other namespaces */
    size_t n_owners;
    struct rn_map_link *link; /* bound to this device; NULL: not */
    uint64_t inode;           /* 0: none (TIME_WAIT) */
    uint64_t cookie;
    uint64_t cgroup_id;  /* 0 unknown */
    uint64_t peer_inode; /* unix */
    uint32_t uid;
    uint32_t rx_queue_bytes, tx_queue_bytes;
    uint32_t link_index; /* 0 any */
    uint32_t mark;
    uint16_t local_port, remote_port;
    uint16_t protocol_num; /* IP protocol of a raw, Ethernet protocol of a packet socket */
    uint8_t family;        /* RN_FAMILY_V4, _V6, or none for packet and unix */
    uint8_t proto;         /* enum rn_map_proto */
    uint8_t state;         /* enum rn_map_state */
    uint8_t type;          /* SOCK_* of packet and unix */
    uint8_t shutdown;
    bool is_v6only;
    bool
        is_dual; /* an IPv6 socket that takes IPv4 traffic too: not v6only, bound to any or to a v4-mapped address */
};

enum rn_map_fwd_origin {
    RN_FWD_NFT,      /* nf_tables: native expressions */
    RN_FWD_IPTABLES, /* iptables-nft: xtables targets in nf_tables */
    RN_FWD_LEGACY,   /* iptables-legacy */
    RN_FWD_PROXY,    /* a userland proxy: docker-proxy, rootlessport, slirp4netns, pasta */
};

/* One way in: traffic to (addr, port range, proto) ends up at (to, to_port...). */
struct rn_map_fwd {
    struct rn_map_netns *netns;        /* where the rule is */
    struct rn_prefix addr;             /* zero bits: any local address */
    struct rn_addr to;                 /* none: the machine itself (redirect) or unknown */
    uint16_t port_from, port_to;       /* 0-0: all */
    uint16_t to_port_from, to_port_to; /* 0-0: unchanged */
    uint8_t family;
    uint8_t ip_proto; /* 6, 17 ...; 0 any */
    uint8_t
        hooks; /* 1 << NF_INET_PRE_ROUTING (0): from outside; 1 << NF_INET_LOCAL_OUT (3): from here */
    enum rn_map_fwd_origin origin;
    bool is_conditional; /* the rule has a condition that is not understood; .rule says which */
    const char *iif;     /* "" any; "!x" for not x */
    const char *rule;    /* "ip nat DOCKER handle 12", or the proxy's command */
    const char *comment; /* the rule's own, "" none */
    struct rn_map_netns *to_netns; /* resolved; NULL: cannot tell, .why says */
    struct rn_map_link *to_link;
    struct rn_map_process **owners; /* who serves it; empty: nobody listens */
    size_t n_owners;
    struct rn_map_process *proxy; /* RN_FWD_PROXY */
    const char *why;
};
