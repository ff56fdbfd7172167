#include "ip/state.h"

#include <runnel/err.h>

int rn_ip_state_new(struct rn_stack *stack, enum rn_l3 l3, void **ret_state)
{
    struct rn_ip_state *state = rn_alloc_new(stack->alloc, sizeof(*state));
    int err;

    if (state == NULL)
        return RN_E_NOMEM;
    state->stack = stack;
    err = rn_pmtu_init(&state->pmtu, stack);
    if (err == RN_OK)
        err = rn_reass_init(&state->reass, stack, l3);
    if (err < 0) {
        rn_ip_state_free(stack, state);
        return err;
    }
    *ret_state = state;
    return RN_OK;
}

void rn_ip_state_free(struct rn_stack *stack, void *state)
{
    struct rn_ip_state *s = state;

    rn_reass_fini(&s->reass);
    rn_pmtu_fini(&s->pmtu);
    rn_alloc_free(stack->alloc, s, sizeof(*s));
}

uint32_t rn_ip_next_id(struct rn_ip_state *state, struct rn_addr src, struct rn_addr dst)
{
    uint64_t words[4] = { src.w[0], src.w[1], dst.w[0], dst.w[1] };
    uint64_t hash = rn_siphash13_words(&state->stack->secrets.ipid, words, RN_ARRAY_LEN(words));
    uint32_t n = ++state->ids[hash % RN_IP_ID_COUNTERS];

    return (uint32_t)(hash >> 32) + n;
}
