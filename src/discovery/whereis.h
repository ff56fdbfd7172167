#pragma once
/* Where an address is, seen from a namespace: by its routes, then through the link they name to whoever answers there.
 * Every step says why; the first one that is not known ends the way with "cannot tell". */
#include "discovery/model.h"

#define RN_MAP_HOPS_MAX 32u /* between namespaces; also what ends a loop */

struct rn_map_place {
    struct rn_map_netns *netns; /* NULL: cannot tell, .why says */
    struct rn_map_link *link;   /* that has the address */
    const char *why;            /* constant text */
};

/* One hop of the way: from a namespace out of a link. */
struct rn_map_step {
    struct rn_map_netns *netns;
    const struct rn_map_route *route; /* NULL: the address is local here */
    struct rn_map_link *link;         /* out of which; or which has the address */
    struct rn_addr next_hop;
};

struct rn_map_way {
    struct rn_map_step steps[RN_MAP_HOPS_MAX];
    size_t n_steps;
    struct rn_map_place end;
};

void rn_map_where_is(struct rn_map_netns *from, struct rn_addr addr, struct rn_map_place *ret);
/* The same with every hop. */
void rn_map_find_way(struct rn_map_netns *from, struct rn_addr addr, struct rn_map_way *ret);
/* The best route of @netns for @addr as the kernel would choose it, by rules that ask for nothing but the destination;
 * NULL: none. */
const struct rn_map_route *rn_map_route_for(const struct rn_map_netns *netns, struct rn_addr addr);
/* The port of @bridge behind which @addr answers, across chained bridges; the link that has the address, or NULL. */
struct rn_map_link *rn_map_link_on_segment(struct rn_map_link *bridge, struct rn_addr addr);
