#pragma once
/* Neighbours, bridge forwarding entries and nexthop objects of rtnetlink as values. */
#include "host/nlattr.h"

#include <runnel/err.h>

#define RN_RTNL_HWADDR_MAX   32u
#define RN_RTNL_NH_GROUP_MAX 64u

struct rn_rtnl_neigh {
    struct rn_addr addr; /* none for plain bridge entries */
    uint8_t hwaddr[RN_RTNL_HWADDR_MAX];
    uint8_t hwaddr_len;
    bool is_fdb;
    uint8_t flags;  /* NTF_* */
    uint8_t type;   /* RTN_* */
    uint16_t state; /* NUD_* */
    uint16_t vlan, port;
    uint32_t vni;
    uint32_t ifindex, master;
    uint32_t ext_flags;
    uint8_t protocol;
};

/* Errors: MALFORMED, ADDR_FAMILY. */
RN_MUST_USE int rn_rtnl_neigh_parse(struct rn_view payload, struct rn_rtnl_neigh *ret);

struct rn_rtnl_nexthop {
    struct rn_addr gateway;
    uint32_t id;
    uint32_t ifindex;
    uint8_t family; /* 4, 6, or 0 for a group */
    uint8_t protocol;
    uint8_t flags;
    bool is_blackhole, is_fdb;
    size_t n_group;
    uint32_t group_ids[RN_RTNL_NH_GROUP_MAX];
    uint16_t group_weights[RN_RTNL_NH_GROUP_MAX];
};

RN_MUST_USE int rn_rtnl_nexthop_parse(struct rn_view payload, struct rn_rtnl_nexthop *ret);
