#pragma once
/*
 * 4-tuple -> endpoint. One table for all transports; keys are 40 bytes without padding, hashed as words with the stack's
 * secret. Lookup goes from exact to general: full tuple, then bound local address, then any address, each with
 * and without the NIC. REUSEPORT groups choose by flow hash.
 */
#include "base/hash.h"
#include "base/hashkey.h"
#include "stack/proto.h"

struct rn_demux_key {
    struct rn_addr local;
    struct rn_addr remote; /* none: not connected */
    uint16_t local_port;
    uint16_t remote_port;
    uint16_t nic; /* 0: any */
    uint8_t proto;
    uint8_t zero;
};

_Static_assert(sizeof(struct rn_demux_key) == 40, "hashed as five words");

/* Embedded in an endpoint. Its owner is recovered by rn_container_of; .kind says which kind of owner it is. */
struct rn_demux_node {
    struct rn_hash_node hash;
    struct rn_demux_key key;
    uint8_t kind;       /* meaningful to the protocol: connection, listener, time-wait, ... */
    uint8_t family_any; /* wildcard local address that accepts: 0 both families, 4, 6 */
    bool is_reuseport;
    bool is_listed;   /* in the table */
    bool is_yielding; /* TIME-WAIT: a new conversation may ask for its name */
};

struct rn_demux {
    struct rn_hash table;
    struct rn_hash_key hash_key;
    uint32_t n_on_nic; /* nodes bound to a NIC are rare; while there are none, lookups skip them */
    uint32_t last_hash;
    struct rn_demux_key last_key; /* of a flow, whose hash is last_hash */
};

RN_MUST_USE int rn_demux_init(struct rn_demux *d, const struct rn_alloc *alloc,
                              const struct rn_hash_key *key);
void rn_demux_fini(struct rn_demux *d);
/* @node->key is filled in by the caller; any wildcard as local address becomes none. Errors: EXISTS when the same key is there and not both are reuseport. */
RN_MUST_USE int rn_demux_add(struct rn_demux *d, struct rn_demux_node *node);
/* @to gets the key and the place of @from, which is listed and leaves. */
void rn_demux_replace(struct rn_demux *d, struct rn_demux_node *from, struct rn_demux_node *to);
/* A no-op if not listed. */
void rn_demux_remove(struct rn_demux *d, struct rn_demux_node *node);
/* Exact key only: the fast path of connections. NULL if none. */
struct rn_demux_node *rn_demux_find_exact(const struct rn_demux *d, const struct rn_demux_key *key);
/* From exact to general, for a packet (key has local = destination, remote = source, nic = arrival). NULL if none. */
struct rn_demux_node *rn_demux_find(struct rn_demux *d, const struct rn_demux_key *key);
/* As find but skips the exact match: listeners and bound sockets only. */
struct rn_demux_node *rn_demux_find_bound(const struct rn_demux *d, const struct rn_demux_key *key);
uint32_t rn_demux_hash(const struct rn_demux *d, const struct rn_demux_key *key);
