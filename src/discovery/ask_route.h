#pragma once
/* The kernel's choice of a route: rules in order, in each table the longest prefix with the least priority. */
#include "discovery/model.h"

struct rn_route_query {
    const struct rn_map_netns *netns;
    struct rn_addr to;
    struct rn_addr from;           /* none: not chosen yet, as for a packet that starts here */
    const struct rn_map_link *iif; /* through which it came; NULL: it starts here */
    const struct rn_map_link *oif; /* bound to; NULL: not */
    uint16_t port;                 /* 0: not known */
    uint32_t mark;
    uint8_t ip_proto; /* 0: not known */
    bool is_mark_unknown;
};

struct rn_route_answer {
    const struct rn_map_route *route; /* NULL: none */
    const struct rn_map_rule *rule;   /* that led to it, or that refuses, or that is in doubt */
    bool is_refused;                  /* by the rule itself */
    bool is_in_doubt;                 /* the rule asks for what is not known */
};

struct rn_route_answer rn_route_choose(const struct rn_route_query *query);
