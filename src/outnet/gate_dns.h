#pragma once
/*
 * DNS over TCP (RFC 7766) for the inner side: takes over connections to a resolver's address and answers the questions on
 * them from a resolver, several at once and in the order the answers come. Bounded in connections, open questions of each,
 * and time without a question.
 */
#include "outnet/resolver.h"

struct rn_gate_dns;

struct rn_gate_dns_opts {
    struct rn_stack *stack;       /* borrows */
    struct rn_resolver *resolver; /* borrows */
    unsigned max_conns;           /* 0: 128 */
    int64_t idle_ns; /* without an open question; 0: 10 s (RFC 7766 §6.2.3: seconds) */
};

/* Returns owned. Errors: NOMEM. */
RN_MUST_USE int rn_gate_dns_new(struct rn_gate_dns **ret, const struct rn_gate_dns_opts *opts);
/* Consumes @gate; its connections are reset. NULL is legal. Returns NULL. */
struct rn_gate_dns *rn_gate_dns_free(struct rn_gate_dns *gate);
/* Consumes @req: accepts it and serves it, or refuses it with a reset. */
void rn_gate_dns_take(struct rn_gate_dns *gate, struct rn_tcp_request *req);
