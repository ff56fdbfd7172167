#pragma once
/* Path MTUs learned from ICMP (RFC 1191, RFC 8201), per destination, for ten minutes. */
#include "stack/stack.h"

/* RFC 1191 §6.3: raise again after ten minutes. */
#define RN_PMTU_NS (600 * RN_NS_PER_S)
/* More destinations than this at a time: the oldest is forgotten. */
#define RN_PMTU_MAX 1024u
/* Below these a claim is raised: RFC 791's 576 less what Linux allows (min_pmtu), RFC 8201 §4. */
#define RN_PMTU_FLOOR4 552u
#define RN_PMTU_FLOOR6 1280u

struct rn_pmtu {
    struct rn_stack *stack;
    struct rn_hash table;
    struct rn_list by_age; /* all live equally long, so the first expires first */
    struct rn_timer timer;
    uint32_t n;
};

RN_MUST_USE int rn_pmtu_init(struct rn_pmtu *p, struct rn_stack *stack);
void rn_pmtu_fini(struct rn_pmtu *p);
/* UINT32_MAX if nothing is known. */
uint32_t rn_pmtu_find(const struct rn_stack *stack, struct rn_addr dst);
/* For routers of before RFC 1191 that tell no MTU: the next of its §7.1 plateaus below @total_len. */
uint32_t rn_pmtu_plateau(uint32_t total_len);
