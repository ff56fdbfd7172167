#pragma once
/* Bad news from outside, told inside as the ICMP error that a router there would have sent. */
#include "outnet/net.h"

struct rn_stack;

/* @inner sent something to @to; @err is what the network said of it. Ports are identifier and sequence for echo. */
void rn_gate_pass_error(struct rn_stack *stack, const struct rn_endpoint *inner,
                        const struct rn_endpoint *to, uint8_t proto,
                        const struct rn_net_dgram_err *err);
/* The same for an rn_err of our own: unreachable, prohibited, or (limits) host unreachable. */
void rn_gate_refuse(struct rn_stack *stack, const struct rn_endpoint *inner,
                    const struct rn_endpoint *to, uint8_t proto, int err);
