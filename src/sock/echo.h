#pragma once
/*
 * ICMP echo above the network layer: ping sockets, and the echo forwarder, which is shown requests to addresses that are
 * not ours (on a promiscuous NIC) and may answer in their name.
 */
#include "sock/dgram.h"

extern const struct rn_echo_ops rn_ping_echo_ops;

struct rn_echo_forwarder;

/* One request. The family is that of the addresses. */
struct rn_echo {
    struct rn_addr src; /* who asks */
    struct rn_addr dst; /* who is asked */
    uint16_t id;
    uint16_t seq;
    uint16_t nic;
    uint8_t ttl;
    uint8_t tos;
};

/* Consumes @data, what follows the ICMP header. Runs as an event. */
typedef void rn_echo_forward_fn(const struct rn_echo *echo, struct rn_pkt *data, void *arg);

/* One per stack; without one, foreign requests are not answered. Returns owned. Errors: EXISTS, NOMEM, NO_PROTO. */
RN_MUST_USE int rn_echo_forwarder_new(struct rn_echo_forwarder **ret, struct rn_stack *stack,
                                      rn_echo_forward_fn *fn, void *arg);
struct rn_echo_forwarder *rn_echo_forwarder_free(struct rn_echo_forwarder *fwd);
/* Sends echo->src the reply of echo->dst; .ttl is what the reply leaves with (0: the stack's). Consumes @data. Errors as
 * rn_ip_output. For an error instead: rn_ip_quote_make() and rn_icmp_send(). */
int rn_echo_reply_from(struct rn_stack *stack, const struct rn_echo *echo, struct rn_pkt *data);
