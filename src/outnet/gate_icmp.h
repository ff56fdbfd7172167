#pragma once
/*
 * The ICMP gate: echo requests from inside go out by one echo socket per family and come back as the asked host's replies.
 * Sequence numbers are ours on the wire, since one socket has one identifier: a table takes them back.
 */
#include "outnet/net.h"

struct rn_gate_icmp;

struct rn_gate_icmp_opts {
    struct rn_stack *stack; /* borrows */
    struct rn_net *net;     /* borrows */
    /* Optional: where a destination leads, as for TCP (ports are zero). */
    int (*map)(void *arg, struct rn_endpoint *to);
    void *map_arg;
};

/* A family whose echo socket cannot be had answers "prohibited". Returns owned. Errors: NOMEM, EXISTS. */
RN_MUST_USE int rn_gate_icmp_new(struct rn_gate_icmp **ret, const struct rn_gate_icmp_opts *opts);
/* NULL is legal. Returns NULL. */
struct rn_gate_icmp *rn_gate_icmp_free(struct rn_gate_icmp *gate);
