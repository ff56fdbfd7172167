#pragma once
/* One instance of the machine: owns NICs, addresses, routes, neighbours, demux, ports, limits and counters. */
#include "base/bucket.h"
#include "base/hash.h"
#include "base/hashkey.h"
#include "base/list.h"
#include "base/pktq.h"
#include "base/turn.h"
#include "stack/demux.h"
#include "stack/icmp_limit.h"
#include "stack/ports.h"
#include "stack/proto.h"
#include "stack/route.h"
#include <runnel/nic.h>
#include <runnel/stack.h>

struct rn_stats {
#define S(group, name, text) uint64_t group##_##name;
#include "stack/stats.def"
#undef S
};

/* Independent keys, each derived from the 32 bytes of entropy. */
struct rn_secrets {
    struct rn_hash_key table;  /* hash tables */
    struct rn_hash_key conn;   /* RFC 6528 sequence numbers, RFC 7323 §5.4 offsets */
    struct rn_hash_key cookie; /* SYN cookies */
    struct rn_hash_key port;   /* RFC 6056 */
    struct rn_hash_key ipid;
    struct rn_hash_key fastopen;
};

enum rn_share_why {
    RN_SHARE_WHOLE, /* it came in fragments, which do not show whose they are */
    RN_SHARE_STRAY, /* a TCP segment, no SYN, of no connection here */
};

/* For who shares the traffic of one link among several stacks. Asked in the middle of input about a packet that may be
 * another's; consumes it, which starts at its network header, where it says true. */
struct rn_stack_share {
    bool (*take)(void *arg, struct rn_pkt *pkt, enum rn_share_why why); /* NULL: all is ours */
    void *arg;
};

struct rn_stack {
    struct rn_turn *turn;         /* borrows */
    const struct rn_alloc *alloc; /* the pool's */
    struct rn_stack_opts opts;    /* defaults filled in */
    struct rn_stats stats;
    struct rn_drop_account drops;
    struct rn_secrets secrets;
    struct rn_stack_share share;
    struct rn_list nics;       /* struct rn_nic.link, owned */
    struct rn_nic **nic_by_id; /* [nic_cap], index is the id; 0 unused */
    uint16_t nic_cap;
    struct rn_route_table routes;
    uint32_t route_gen; /* grows with every change that can make a cached rn_flow false; never 0 */
    struct rn_way ways[RN_WAYS]; /* ip/flow.c */
    struct rn_demux demux;
    struct rn_ports ports;
    struct rn_hash own_addrs; /* struct rn_nic_addr.hash of every NIC */
    struct rn_pktq looped;    /* to ourselves; comes back in the DELIVER phase */
    struct rn_task loop_task;
    struct rn_icmp_limit icmp_limit; /* ICMP errors */
    size_t sock_bytes;               /* charged by socket queues; limit opts.sock_max_bytes */
    bool was_full;                   /* since then somebody may be waiting for memory */
    struct rn_task strain;           /* EVENT: tells the transports that there is no room, */
    struct rn_task relief;           /* that there is again */
    size_t reass_bytes;              /* charged by fragments held; limit opts.reass_max_bytes */
    const struct rn_protos *protos;
    void *l3_state[RN_L3_COUNT];
    void *l4_state[RN_L4_MAX];
    void *echo_state;
    const struct rn_l4_ops *l4_by_proto[256];
    uint8_t l4_slot[256];
};

/* The protocol's per-stack state; the protocol must be in the table. */
static inline void *rn_stack_l4_state(const struct rn_stack *stack, uint8_t proto)
{
    return stack->l4_state[stack->l4_slot[proto]];
}

static inline int64_t rn_stack_now_ns(const struct rn_stack *stack)
{
    return stack->turn->now_ns;
}

/* True: @pkt, which starts at the network header, was another's and is gone. */
static inline bool rn_stack_gives_away(const struct rn_stack *stack, struct rn_pkt *pkt,
                                       enum rn_share_why why)
{
    return stack->share.take != NULL && stack->share.take(stack->share.arg, pkt, why);
}

/* Consumes @pkt, which starts at the network header: it comes back as input of @nic in this turn's DELIVER phase. */
void rn_stack_loop(struct rn_stack *stack, struct rn_nic *nic, struct rn_pkt *pkt);
/* Cached ways out may be false now: every rn_flow looks again. */
void rn_stack_routes_changed(struct rn_stack *stack);

/* Memory pressure of socket queues: above it windows stop growing, at the limit reads and writes are refused. */
enum rn_pressure { RN_PRESSURE_NONE, RN_PRESSURE_HIGH, RN_PRESSURE_FULL };

enum rn_pressure rn_stack_pressure(const struct rn_stack *stack);
/* Charges or returns bytes of a socket queue. */
void rn_stack_charge(struct rn_stack *stack, int64_t bytes);
