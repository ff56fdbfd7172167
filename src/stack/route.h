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
    uint64_t bits_in_use[3]; /* which prefix lengths exist: v6 0..128, then v4 in the last word */
    uint32_t n_entries;
    uint32_t n_by_bits[2][129];
    struct rn_hash_key hash_key;
};

/* A cached way out, embedded by value in each conversation. Zero is "not looked up". */
struct rn_flow {
    struct rn_nic *nic;     /* borrows; valid while gen matches */
    struct rn_neigh *neigh; /* owns a reference; NULL on links without addresses */
    struct rn_addr next_hop;
    uint32_t gen;
    uint16_t mtu;     /* path MTU; saturates at 65535 */
    uint8_t is_local; /* to ourselves: loops back inside the stack */
};

/* Drops what @flow holds; it is zero afterwards. */
void rn_flow_release(struct rn_flow *flow);
