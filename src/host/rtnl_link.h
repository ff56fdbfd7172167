#pragma once
/* Links over rtnetlink: change them, and read one RTM_NEWLINK into a value. */
#include "host/nl.h"
#include "host/nlattr.h"

/* Index of the link @name. Errors: host ENODEV. */
RN_MUST_USE int rn_rtnl_link_index(struct rn_nl *nl, const char *name);

enum rn_link_admin {
    RN_LINK_KEEP,
    RN_LINK_UP,
    RN_LINK_DOWN,
};

struct rn_link_change {
    enum rn_link_admin admin;
    uint32_t mtu;             /* 0 keeps */
    uint32_t queue_pkts;      /* 0 keeps */
    const struct rn_mac *mac; /* NULL keeps */
};

RN_MUST_USE int rn_rtnl_link_set(struct rn_nl *nl, uint32_t ifindex,
                                 const struct rn_link_change *change);

struct rn_veth_plan {
    const char *name;
    const char *peer_name;
    int peer_netns_fd; /* < 0: beside the first end */
    uint32_t mtu;      /* of both ends; 0: the kernel's choice */
};

RN_MUST_USE int rn_rtnl_veth_add(struct rn_nl *nl, const struct rn_veth_plan *plan);
