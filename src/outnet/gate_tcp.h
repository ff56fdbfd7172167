#pragma once
/*
 * The TCP gate joins a stack's forwarder to a net: each SYN is dialled out first and answered only when the dial
 * succeeded; refused is RST, unreachable is ICMP, so that the client's own error message is true. Then bytes are spliced
 * both ways by reference, with back-pressure by window: inner data is acknowledged at receipt, taken off the receive queue
 * only as the outer side takes it, and the window reopens by as much (DESIGN, "Gate and window").
 */
#include "outnet/gate_dns.h"
#include "outnet/net.h"

struct rn_gate_tcp;

/* Where a connection goes. */
enum rn_gate_tcp_way {
    RN_GATE_TCP_OUT, /* to the (perhaps changed) destination */
    RN_GATE_TCP_DNS, /* to a resolver */
};

struct rn_gate_tcp_opts {
    struct rn_stack *stack;  /* borrows */
    struct rn_net *net;      /* borrows */
    struct rn_gate_dns *dns; /* borrows; NULL: map never says RN_GATE_TCP_DNS */
    unsigned max_pending;    /* dials in flight; 0: 4096 */
    unsigned max_sessions;   /* 0: no limit of its own */
    /* Optional: where a destination really leads (gateway names, loopback policy). Returns enum rn_gate_tcp_way and may
     * change @to, or an error to refuse with. */
    int (*map)(void *arg, struct rn_endpoint *to);
    void *map_arg;
    /* Optional observer, for -v: @err 0 opened, else why the dial failed. */
    void (*on_session)(void *arg, const struct rn_endpoint *client, const struct rn_endpoint *to,
                       int err);
    void *session_arg;
};

struct rn_gate_tcp_stats {
    uint64_t opened, refused, reset;
    uint64_t bytes_up, bytes_down; /* up: from the stack to the net */
    unsigned n_sessions;
};

/* Returns owned. Errors: NOMEM, EXISTS (the stack has a TCP forwarder already). */
RN_MUST_USE int rn_gate_tcp_new(struct rn_gate_tcp **ret, const struct rn_gate_tcp_opts *opts);
/* Connections whose inner end still has bytes for the outer one, or its end: what is lost if the gate went now. */
unsigned rn_gate_tcp_unsent(const struct rn_gate_tcp *gate);
/* Consumes @gate: dials are cancelled, sessions reset on both sides, but for those whose inner end has said all: what the
 * host still has to send of them it sends. NULL is legal. Returns NULL. */
struct rn_gate_tcp *rn_gate_tcp_free(struct rn_gate_tcp *gate);
/* A connection that came from outside (a published port): dials @to inside the stack from @from (the real peer, or what
 * the caller put in its place), then splices. Consumes @conn on every path; it is reset if the inside refuses.
 * Errors: NOMEM, LIMIT, and those of rn_sock_connect. */
int rn_gate_tcp_inward(struct rn_gate_tcp *gate, struct rn_net_conn *conn,
                       const struct rn_endpoint *from, const struct rn_endpoint *to);
void rn_gate_tcp_get_stats(const struct rn_gate_tcp *gate, struct rn_gate_tcp_stats *ret);
