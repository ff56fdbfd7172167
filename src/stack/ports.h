#pragma once
/*
 * Port reservations (bind semantics of Linux: SO_REUSEADDR, SO_REUSEPORT, wildcard conflicts, v6only) and ephemeral
 * ports: RFC 6056 §3.3.4 double-hash selection with the stack's secret.
 */
#include "base/hash.h"
#include "base/hashkey.h"
#include "stack/proto.h"

struct rn_ports {
    struct rn_hash table;
    struct rn_hash_key secret;
    uint16_t first, last;
    uint32_t counters[64]; /* RFC 6056 §3.3.4 table of counters */
};

enum rn_port_flag {
    RN_PORT_REUSEADDR = 1 << 0,
    RN_PORT_REUSEPORT = 1 << 1,
    RN_PORT_LISTENING = 1 << 2, /* a TCP listener: REUSEADDR does not share with it */
    RN_PORT_V6ONLY = 1 << 3,
    RN_PORT_CONNECTED =
        1 << 4, /* picked for one remote: shares with its like, the tuples keep them apart */
};

/* One reservation, of the socket that holds it, or of all that talk from one port to different remotes. */
struct rn_port_claim {
    struct rn_hash_node hash;
    struct rn_addr
        addr; /* none or :: is the wildcard of both families (unless V6ONLY), 0.0.0.0 that of IPv4 */
    uint16_t port;
    uint16_t nic;
    uint8_t proto;
    uint8_t flags;
    bool is_held;
    uint8_t n_sharers; /* beside the first */
};

RN_MUST_USE int rn_ports_init(struct rn_ports *p, const struct rn_alloc *alloc,
                              const struct rn_hash_key *secret);
void rn_ports_fini(struct rn_ports *p);
/* Reserves claim->port for (addr, nic, proto, flags). Errors: PORT_IN_USE. */
RN_MUST_USE int rn_ports_claim(struct rn_ports *p, struct rn_port_claim *claim);
/* Picks an ephemeral port for a conversation with @remote (NULL: none yet) and reserves it. With @is_free, which says
 * whether a candidate's tuple is free, ports held towards other remotes are shared; without it the port is free of
 * everybody. Errors: NO_PORT. */
RN_MUST_USE int rn_ports_pick(struct rn_ports *p, struct rn_port_claim *claim,
                              const struct rn_endpoint *remote,
                              bool (*is_free)(void *arg, uint16_t port), void *arg);
/* Another conversation's claim that says the same as @claim, which is held and CONNECTED: its caller may give up its own and
 * hold that one. NULL: there is none. Returns shared, to be dropped as one's own. */
struct rn_port_claim *rn_ports_share(struct rn_ports *p, const struct rn_port_claim *claim);
/* Consumes @claim (NULL: a no-op), allocated from the table's allocator: it is over when its last sharer drops it. */
void rn_ports_drop(struct rn_ports *p, struct rn_port_claim *claim);
/* A no-op when not held. */
void rn_ports_release(struct rn_ports *p, struct rn_port_claim *claim);
