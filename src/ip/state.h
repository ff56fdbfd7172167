#pragma once
/* What each network protocol keeps per stack (rn_l3_ops.attach). */
#include "ip/pmtu.h"
#include "ip/reass.h"
#include "stack/stack.h"

#define RN_IP_ID_COUNTERS 64u

struct rn_ip_state {
    struct rn_stack *stack;
    struct rn_pmtu pmtu;
    struct rn_reass reass;
    uint32_t ids[RN_IP_ID_COUNTERS]; /* of packets that may be fragmented, spread by keyed hash */
};

/* Both: (*ret_state) is a struct rn_ip_state. */
RN_MUST_USE int rn_ip_state_new(struct rn_stack *stack, enum rn_l3 l3, void **ret_state);
void rn_ip_state_free(struct rn_stack *stack, void *state);
static inline struct rn_ip_state *rn_ip_state_of(const struct rn_stack *stack, enum rn_l3 l3)
{
    return stack->l3_state[l3];
}
/* The next identification for fragments from @src to @dst: never twice within 2^16 packets of a pair, not to be guessed
 * from another pair (RFC 7739 §5.3). */
uint32_t rn_ip_next_id(struct rn_ip_state *state, struct rn_addr src, struct rn_addr dst);
