#pragma once
/* Routes over rtnetlink: add, remove, dump, and read one RTM_NEWROUTE into a value. */
#include "host/nl.h"
#include "host/nlattr.h"

#define RN_RTNL_HOPS_MAX 64u /* of one multipath route; more are counted, not kept */

struct rn_rtnl_hop {
    struct rn_addr gateway; /* none: on link */
    uint32_t ifindex;
    uint8_t flags;   /* RTNH_F_* */
    uint16_t weight; /* 1.. */
};

/* One RTM_NEWROUTE. */
struct rn_rtnl_route {
    struct rn_prefix dst;   /* 0.0.0.0/0 or ::/0: the default route */
    struct rn_prefix src;   /* IPv6 source routing; zero bits: any */
    struct rn_addr gateway; /* may be of the other family (RTA_VIA) */
    struct rn_addr prefsrc;
    uint32_t ifindex; /* 0: none (blackhole) */
    uint32_t iif;
    uint32_t table;
    uint32_t priority;
    uint32_t flags; /* RTNH_F_*, RTM_F_* */
    uint32_t nexthop_id;
    uint32_t mtu;
    uint32_t advmss;
    uint32_t expires_s; /* 0: never */
    uint8_t family;     /* 4 or 6 */
    uint8_t type;       /* RTN_* */
    uint8_t scope;
    uint8_t protocol; /* RTPROT_* */
    uint8_t tos;
    uint8_t pref; /* ICMPV6_ROUTER_PREF_*: 0 medium, 1 high, 3 low */
    uint16_t encap_type;
    uint16_t n_hops;
    struct rn_rtnl_hop hops[RN_RTNL_HOPS_MAX];
};

struct rn_route_plan {
    struct rn_prefix dst;
    struct rn_addr gateway; /* none: on link */
    struct rn_addr prefsrc; /* none: the kernel chooses */
    uint32_t ifindex;       /* 0: no device (blackhole) */
    uint32_t table;         /* 0: main */
    uint32_t priority;
    uint8_t type; /* RTN_*; 0: unicast */
    bool is_onlink;
};

RN_MUST_USE int rn_rtnl_route_add(struct rn_nl *nl, const struct rn_route_plan *plan);

/* Errors: MALFORMED, ADDR_FAMILY. */
RN_MUST_USE int rn_rtnl_route_parse(struct rn_view payload, struct rn_rtnl_route *ret);

typedef int rn_rtnl_route_fn(const struct rn_rtnl_route *route, void *arg);
/* Every route of every table, both families, but the IPv6 cache; an interrupted dump may name one twice. */
RN_MUST_USE int rn_rtnl_route_dump(struct rn_nl *nl, rn_rtnl_route_fn *fn, void *arg);
