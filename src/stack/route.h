#pragma once
/*
 * The route table (longest prefix by hash per prefix length, not a walk of entries) and the cached answer a
 * conversation keeps: struct rn_flow, revalidated by comparing a generation number.
 */
#include "base/hash.h"
#include "base/hashkey.h"
#include "base/list.h"
#include "stack/proto.h"
#include <runnel/route.h>

struct rn_neigh;

struct rn_route_table {
    const struct rn_alloc *alloc; /* borrows */
    struct rn_hash by_prefix;     /* key: prefix; a chain of entries ordered by metric */
    struct rn_list all;           /* struct rn_route.link */
    uint32_t n_entries;
    uint32_t n_by_bits[2][129]; /* entries of each prefix length: v4, v6 */
    uint64_t bits_in_use[2][3]; /* lengths that exist, so that a lookup asks only for those */
};

/* A cached way out, embedded by value in each conversation. Zero is "not looked up". */
struct rn_flow {
    struct rn_nic *nic;     /* borrows; valid while gen matches */
    struct rn_neigh *neigh; /* owns a reference; NULL on links without addresses */
    uint32_t gen;
    uint16_t mtu;     /* path MTU; saturates at 65535 */
    uint8_t is_local; /* to ourselves: loops back inside the stack */
    uint8_t is_group; /* multicast or broadcast: the link address follows from the destination */
};

/* The way that packets between two addresses took last: conversations come and go more often than routes change. */
struct rn_way {
    struct rn_addr src;
    struct rn_addr dst;
    uint16_t nic; /* as it was asked for; 0: any */
    struct rn_flow flow;
};

#define RN_WAYS 16u

struct rn_route {
    struct rn_hash_node hash;
    struct rn_list link; /* in order of insertion within the table */
    struct rn_route_entry entry;
};

RN_MUST_USE int rn_routes_init(struct rn_route_table *t, const struct rn_alloc *alloc);
void rn_routes_fini(struct rn_route_table *t);
/* The entry for @dst, leaving by NIC @nic_id if that is not 0; entries of NICs that are down are passed over. NULL: none. */
const struct rn_route_entry *rn_routes_find(const struct rn_stack *stack, struct rn_addr dst,
                                            uint16_t nic_id);
/* Removes every entry of a NIC. */
void rn_routes_drop_nic(struct rn_stack *stack, uint16_t nic_id);

/* Drops what @flow holds; it is zero afterwards. */
void rn_flow_release(struct rn_flow *flow);
