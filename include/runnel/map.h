#pragma once
/*
 * The picture of every network on this machine: namespaces, interfaces, who lives there, how all hangs together. A map is
 * of one moment and does not change; whatever is got from it lives until rn_map_free(). Texts are raw bytes of kernels,
 * files and strangers, never NULL: escape them before they are shown (rn_map_display_name() has done it).
 * An empty list means "none" only where is_entered says that the namespace was visited.
 *
 *     struct rn_map *map;
 *     int err = rn_map_discover(&map);
 *     for (size_t i = 0; err == 0 && i < rn_map_n_netns(map); i++)
 *         puts(rn_map_display_name(map, rn_map_netns_at(map, i), buf, sizeof(buf)));
 *     rn_map_free(map);
 */
#include <runnel/addr.h>

struct rn_map;
struct rn_map_netns;
struct rn_map_link;

/* ---- making one ---- */

/* Looks at this machine, as far as the caller may. Errors: NOMEM, LIMIT, host. */
RN_PUBLIC RN_MUST_USE int rn_map_discover(struct rn_map **ret);
/* Reads what `runnel map --save` wrote (borrows @fd). Errors: also VERSION. */
RN_PUBLIC RN_MUST_USE int rn_map_read(int fd, struct rn_map **ret);
/* NULL is fine. */
RN_PUBLIC void rn_map_free(struct rn_map *map);
/* Draws it: "tree", "json" (runnel.map/1), "gostwire", "dot" or "svg". Errors: NOT_FOUND (no such form), NOMEM, host. */
RN_PUBLIC RN_MUST_USE int rn_map_draw(const struct rn_map *map, const char *form, int fd);

/* What exists, or may, and could not be read. */
struct rn_map_gap {
    const char *what; /* "netns", "sockets" */
    const char *id;
    const char *why;
    const char *needs;          /* the remedy; "" if there is none */
    struct rn_map_netns *netns; /* whose part it is; NULL: the machine's */
};

RN_PUBLIC size_t rn_map_n_gaps(const struct rn_map *map);
RN_PUBLIC void rn_map_gap_at(const struct rn_map *map, size_t at, struct rn_map_gap *ret);

/* ---- namespaces: the machine's own first, then by whom they belong to ---- */

struct rn_map_netns_info {
    uint64_t dev, ino;
    uint64_t cookie;  /* never reused; 0 before Linux 5.14 */
    const char *name; /* below /run/netns; "" none */
    const char *path; /* leads into it; "" none */
    uint32_t n_processes;
    bool is_initial, is_current, is_entered;
    size_t n_links, n_routes, n_sockets, n_forwards, n_tenants;
};

RN_PUBLIC size_t rn_map_n_netns(const struct rn_map *map);
/* NULL beyond the end; so below. */
RN_PUBLIC struct rn_map_netns *rn_map_netns_at(const struct rn_map *map, size_t at);
RN_PUBLIC struct rn_map_netns *rn_map_netns_by_process(const struct rn_map *map, uint32_t pid);
/* By a container's name, or the start of its id. NULL also if several fit. */
RN_PUBLIC struct rn_map_netns *rn_map_netns_by_container(const struct rn_map *map,
                                                         const char *name);
RN_PUBLIC void rn_map_netns_get(const struct rn_map_netns *netns, struct rn_map_netns_info *ret);
/* "web, sidecar", "sshd(812)", "blue": harmless text, cut at @cap. Returns @buf. */
RN_PUBLIC char *rn_map_display_name(const struct rn_map *map, const struct rn_map_netns *netns,
                                    char *buf, size_t cap);

struct rn_map_tenant_info {
    uint32_t pid; /* 0: unknown */
    const char *process;
    const char *container; /* "" a plain process */
    const char *engine;    /* "docker", "podman"; "" */
    const char *project, *service, *pod;
    uint64_t cap_bounding;
};

RN_PUBLIC bool rn_map_tenant_at(const struct rn_map_netns *netns, size_t at,
                                struct rn_map_tenant_info *ret);

/* ---- interfaces: lo first, then by name ---- */

struct rn_map_link_info {
    struct rn_map_netns *netns;
    const char *name, *alias;
    const char *kind; /* "veth", "bridge", "device" for hardware */
    const char *operstate;
    const char *driver;  /* "" unknown */
    const char *bus;     /* of the device, as "0000:00:03.0"; "" none */
    const char *network; /* the container engine's name; "" none */
    uint32_t index, flags, mtu;
    uint8_t hwaddr[32];
    uint8_t hwaddr_len;
    bool is_physical, is_promiscuous;
    struct rn_map_link *peer;   /* other end of a veth */
    struct rn_map_link *master; /* bridge or bond of which it is a port */
    struct rn_map_link *lower;  /* on which it stands: macvlan, vlan, vxlan; may be elsewhere */
    struct rn_map_link *pf;     /* of an SR-IOV function */
    size_t n_addrs, n_ports, n_uppers;
    uint32_t id; /* VLAN, VXLAN or Geneve; else 0 */
};

struct rn_map_addr_info {
    struct rn_addr addr;
    uint8_t prefix_bits, scope;
    uint32_t valid_s, preferred_s; /* UINT32_MAX: forever */
};

RN_PUBLIC struct rn_map_link *rn_map_link_at(const struct rn_map_netns *netns, size_t at);
RN_PUBLIC struct rn_map_link *rn_map_link_by_name(const struct rn_map_netns *netns,
                                                  const char *name);
RN_PUBLIC void rn_map_link_get(const struct rn_map_link *link, struct rn_map_link_info *ret);
/* IPv4 first. false beyond the end; so below. */
RN_PUBLIC bool rn_map_link_addr(const struct rn_map_link *link, size_t at,
                                struct rn_map_addr_info *ret);
RN_PUBLIC struct rn_map_link *rn_map_link_port(const struct rn_map_link *link, size_t at);
/* What stands on it, in any namespace. */
RN_PUBLIC struct rn_map_link *rn_map_link_upper(const struct rn_map_link *link, size_t at);

/* ---- routes, sockets, forwarded ports ---- */

struct rn_map_route_info {
    struct rn_prefix dst;
    struct rn_addr gateway;   /* none: on link */
    struct rn_map_link *link; /* NULL: none, or several ways of equal cost */
    const char *type;         /* "unicast", "blackhole" */
    uint32_t table, priority;
    uint8_t pref; /* RFC 4191: 0 medium, 1 high, 3 low */
};

struct rn_map_socket_info {
    const char *proto, *state;
    struct rn_addr local, remote;
    uint16_t local_port, remote_port;
    uint8_t family;
    bool is_listening;
    bool takes_v4; /* an IPv6 socket that takes IPv4 traffic too */
    uint32_t pid;  /* its first owner; 0 unknown */
    size_t n_owners;
};

struct rn_map_forward_info {
    struct rn_prefix addr; /* zero bits: any local address */
    struct rn_addr to;
    uint16_t port_from, port_to, to_port_from, to_port_to;
    uint8_t ip_proto;
    struct rn_map_netns *to_netns; /* NULL: cannot tell, .why says */
    struct rn_map_link *to_link;
    uint32_t pid; /* who serves it; 0: nobody, or unknown */
    const char *rule, *why;
};

RN_PUBLIC bool rn_map_route_at(const struct rn_map_netns *netns, size_t at,
                               struct rn_map_route_info *ret);
RN_PUBLIC bool rn_map_socket_at(const struct rn_map_netns *netns, size_t at,
                                struct rn_map_socket_info *ret);
RN_PUBLIC bool rn_map_forward_at(const struct rn_map_netns *netns, size_t at,
                                 struct rn_map_forward_info *ret);

/* ---- questions ---- */

/* Has this address. NULL: none. */
RN_PUBLIC struct rn_map_link *rn_map_link_with_addr(const struct rn_map_netns *netns,
                                                    struct rn_addr addr);
/* Answers for @addr behind @bridge, wherever it lives. NULL: nobody known. */
RN_PUBLIC struct rn_map_link *rn_map_link_in_bridged_network(const struct rn_map *map,
                                                             struct rn_map_link *bridge,
                                                             struct rn_addr addr);
/* Where @addr is, seen from @from by its routes and wires; @ret_link has it. NULL: it cannot be told. */
RN_PUBLIC struct rn_map_netns *rn_map_locate(const struct rn_map *map, struct rn_map_netns *from,
                                             struct rn_addr addr, struct rn_map_link **ret_link);

/* "010.000.000.001", "2001:0db8:...": sorts as text. Returns @buf. */
#define RN_MAP_EXPLODED_BYTES 40
RN_PUBLIC char *rn_map_addr_explode(struct rn_addr addr, char buf[RN_MAP_EXPLODED_BYTES]);

/* ---- going there ---- */

/* Calls @opener inside @netns, in this thread, and comes back. Returns what @opener returned, or an error: host (EPERM),
 * NOT_FOUND (no path leads there, or the namespace behind it is another one by now). Should the way back fail, the
 * process ends: nothing else would be safe. */
RN_PUBLIC RN_MUST_USE int rn_map_open_in(const struct rn_map_netns *netns, int (*opener)(void *arg),
                                         void *arg);
/* A NETLINK_ROUTE socket there, and one that takes ethtool's ioctls. Each returns an owned descriptor, or an error. */
RN_PUBLIC RN_MUST_USE int rn_map_open_netlink(const struct rn_map_netns *netns);
RN_PUBLIC RN_MUST_USE int rn_map_open_ethtool(const struct rn_map_netns *netns);
