#pragma once
/*
 * A stateful wall over a device: what is written leaves, and opens the way back for its answers; what arrives passes only as such an
 * answer, as an ICMP error about one, or when a rule of the caller lets it in. ARP and neighbour discovery always pass.
 */
#include "dev/flow.h"

struct rn_firewall_opts {
    /* NULL: everything may leave. false: dropped. */
    bool (*may_leave)(void *arg, const struct rn_flow *flow);
    /* Of what is no answer. NULL: nothing may enter. What enters opens the way for its answers too. */
    bool (*may_enter)(void *arg, const struct rn_flow *flow);
    void *arg;
    uint32_t
        flows_max; /* conversations remembered; beyond it the one idle longest is forgotten; 0: 4096 */
};

/* Consumes @below on success. Returns owned. Errors: NOMEM. */
RN_MUST_USE int rn_firewall_new(struct rn_device **ret, struct rn_device *below,
                                const struct rn_firewall_opts *opts);
/* Conversations remembered now. */
uint32_t rn_firewall_flows(const struct rn_device *dev);
