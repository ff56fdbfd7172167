#pragma once
/*
 * Neighbours of a NIC whose link has addresses: who has which link address, and whether that is still true (RFC 4861 §7.3,
 * for ARP as well). One cache per NIC and protocol; asking and answering is the protocol's (rn_l3_ops.solicit).
 */
#include "base/hash.h"
#include "base/pktq.h"
#include "base/turn.h"
#include "stack/proto.h"
#include <runnel/addr.h>

#define RN_NEIGH_MAX            512u /* dynamic entries; Linux's gc_thresh2 */
#define RN_NEIGH_INCOMPLETE_MAX (RN_NEIGH_MAX / 4)
#define RN_NEIGH_PENDING_MAX                                                                       \
    3u /* packets held while resolving, each entry; as Linux's unres_qlen once was */

/* RFC 4861 §10. */
#define RN_NEIGH_REACHABLE_NS     (30 * RN_NS_PER_S)
#define RN_NEIGH_RETRANS_NS       (1 * RN_NS_PER_S)
#define RN_NEIGH_DELAY_NS         (5 * RN_NS_PER_S)
#define RN_NEIGH_MULTICAST_PROBES 3u
#define RN_NEIGH_UNICAST_PROBES   3u
/* A neighbour that did not answer is not asked again for this long. */
#define RN_NEIGH_FAILED_NS (1 * RN_NS_PER_S)

enum rn_neigh_state {
    RN_NEIGH_INCOMPLETE,
    RN_NEIGH_REACHABLE,
    RN_NEIGH_STALE,
    RN_NEIGH_DELAY,
    RN_NEIGH_PROBE,
    RN_NEIGH_FAILED,
    RN_NEIGH_STATES
};

enum rn_neigh_event {
    RN_NEIGH_EV_SENT,      /* a packet goes to it */
    RN_NEIGH_EV_CONFIRMED, /* it answered, or a transport heard from it */
    RN_NEIGH_EV_HEARD,   /* its link address became known by the way: not proof that it hears us */
    RN_NEIGH_EV_TIMEOUT, /* the state's time is over, probes left */
    RN_NEIGH_EV_GAVE_UP, /* no probes left */
    RN_NEIGH_EVENTS
};

/* neigh_state.c: the next state; RFC 4861 appendix C and §7.3.2 as a table. */
enum rn_neigh_state rn_neigh_next(enum rn_neigh_state state, enum rn_neigh_event event);

struct rn_neigh {
    struct rn_hash_node hash;
    struct rn_list lru;
    struct rn_neigh_cache *cache; /* NULL once the NIC is gone */
    const struct rn_alloc *alloc;
    struct rn_addr addr;
    struct rn_mac mac; /* known in all states but INCOMPLETE and FAILED */
    uint8_t state;     /* enum rn_neigh_state; written by move() of neigh.c only */
    uint8_t probes;
    bool is_static;
    bool is_router;
    uint32_t refs; /* of flows; the cache holds one more */
    struct rn_timer timer;
    int64_t confirmed_ns;
    struct rn_pktq pending; /* wait for the link address, start at the network header */
};

struct rn_neigh_cache {
    struct rn_nic *nic; /* borrows */
    const struct rn_l3_ops *l3;
    struct rn_hash table;
    struct rn_list lru; /* of dynamic entries, least recently used first */
    uint32_t n_dynamic;
    uint32_t n_incomplete;
};

RN_MUST_USE int rn_neigh_cache_new(struct rn_neigh_cache **ret, struct rn_nic *nic,
                                   const struct rn_l3_ops *l3);
/* Consumes @cache (NULL is legal); pending packets are dropped. Entries that flows still hold live on, mute. */
void rn_neigh_cache_free(struct rn_neigh_cache *cache);
/* The entry for @addr, made if it is not there. Returns a reference, or NULL (no memory, or too many incomplete). */
struct rn_neigh *rn_neigh_get(struct rn_neigh_cache *cache, struct rn_addr addr);
/* Without making one, without a reference. NULL if none. */
struct rn_neigh *rn_neigh_find(const struct rn_neigh_cache *cache, struct rn_addr addr);
/* Drops a reference; NULL is legal. */
void rn_neigh_unref(struct rn_neigh *neigh);
/* Consumes @pkt, which starts at the network header: sends it, or holds it until the link address is known. */
void rn_neigh_output(struct rn_neigh *neigh, struct rn_pkt *pkt);
/* A transport heard from it: reachability confirmed (RFC 4861 §7.3.1). */
void rn_neigh_confirm(struct rn_neigh *neigh);

/* What a message told of a neighbour. */
struct rn_neigh_news {
    struct rn_addr addr;
    struct rn_mac mac;
    bool has_mac;
    bool
        may_create; /* a request addressed to us; advertisements and replies never create (RFC 4861 §7.2.5) */
    bool is_solicited; /* an answer to our question: proof of reachability */
    bool may_override; /* may replace a link address that is known */
    bool is_router;
};

void rn_neigh_learn(struct rn_neigh_cache *cache, const struct rn_neigh_news *news);
/* A static entry, never probed nor evicted. Errors: NOMEM. */
RN_MUST_USE int rn_neigh_set_static(struct rn_neigh_cache *cache, struct rn_addr addr,
                                    struct rn_mac mac);
