#pragma once
/*
 * The UDP gate joins a stack's UDP forwarder to a net. One host socket per inner address and port (endpoint-independent
 * mapping, RFC 4787 §4.1), whatever the destinations; super-datagrams pass as they are both ways; what the network says of a
 * datagram (ICMP) is said again inside. Questions to a resolver's address go to the resolver instead.
 */
#include "outnet/net.h"
#include "outnet/resolver.h"

struct rn_gate_udp;

/* Where a datagram goes. */
enum rn_gate_udp_way {
    RN_GATE_UDP_OUT,      /* to the (perhaps changed) destination */
    RN_GATE_UDP_RESOLVER, /* it is a question */
};

struct rn_gate_udp_opts {
    struct rn_stack *stack;       /* borrows */
    struct rn_net *net;           /* borrows */
    struct rn_resolver *resolver; /* borrows; NULL: none */
    unsigned max_sessions;        /* 0: 16384 */
    int64_t idle_ns; /* a session without traffic ends; 0: 180 s (RFC 4787 §4.3 asks for 120) */
    /* Optional. Returns enum rn_gate_udp_way and may change @to; or an error to refuse with. */
    int (*policy)(void *arg, struct rn_endpoint *to);
    /* Optional: as whom an outer peer appears inside. */
    struct rn_endpoint (*peer)(void *arg, const struct rn_endpoint *peer);
    void *policy_arg;
};

struct rn_gate_udp_stats {
    uint64_t up, down; /* reads and writes that carried datagrams */
    uint64_t refused, over_limit;
    unsigned n_sessions;
};

/* Returns owned. Errors: NOMEM, EXISTS. */
RN_MUST_USE int rn_gate_udp_new(struct rn_gate_udp **ret, const struct rn_gate_udp_opts *opts);
/* NULL is legal. Returns NULL. */
struct rn_gate_udp *rn_gate_udp_free(struct rn_gate_udp *gate);
/* A published port: what arrives on @dgram goes to @inner, and @inner's answers leave by it. Lives as long as the gate. One
 * @inner may be published on several: answers leave by the one the peer spoke to. Consumes @dgram on every path. Errors:
 * NOMEM. */
int rn_gate_udp_publish(struct rn_gate_udp *gate, struct rn_net_dgram *dgram,
                        const struct rn_endpoint *inner);
void rn_gate_udp_get_stats(const struct rn_gate_udp *gate, struct rn_gate_udp_stats *ret);
