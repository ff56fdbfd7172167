#pragma once
/* Inside of the nf_tables evaluation: the ruleset of a namespace and one walk through it. */
#include "discovery/portfwd.h"

#include "host/nft.h"

struct rn_ruleset_set {
    struct rn_nft_set set;
    struct rn_nft_elem
        *elems; /* ascending by key; of an interval set each start is followed by its end */
    size_t n_elems;
};

struct rn_ruleset {
    struct rn_arena *arena;
    struct rn_nft_chain *chains;
    size_t n_chains;
    struct rn_nft_rule *rules; /* in the order of evaluation within each chain */
    size_t n_rules;
    struct rn_ruleset_set *sets;
    size_t n_sets;
};

/* What a register's 4-byte slot holds. */
enum rn_nft_what {
    RN_HOLDS_UNKNOWN,
    RN_HOLDS_CONST, /* .data */
    RN_HOLDS_PROTO,
    RN_HOLDS_FAMILY,
    RN_HOLDS_DADDR,
    RN_HOLDS_DPORT,
    RN_HOLDS_IIF,
    RN_HOLDS_DADDR_TYPE,
    RN_HOLDS_IIF_INDEX,
    RN_HOLDS_ETHER_TYPE,
    RN_HOLDS_CT_STATE, /* .data: the states that are let through */
};

#define RN_NFT_SLOTS 20u /* 16 of the uapi, and room behind for the last wide value */

struct rn_nft_slot {
    uint8_t what;
    uint8_t bytes;     /* of the whole value that starts here */
    uint8_t mask_bits; /* of DADDR after a bitwise; UINT8_MAX: not masked */
    uint8_t data[4];
};

/* One possible way through a rule; sets fork it. */
struct rn_nft_branch {
    const struct rn_nft_rule *rule;
    struct rn_fwd_packet packet;
    struct rn_nft_slot slots[RN_NFT_SLOTS];
    struct rn_fwd_target written; /* by rules without connection tracking */
    const struct rn_map_netns *netns;
    unsigned depth;
    unsigned n_lookups;
    bool is_written;
    bool is_xt;    /* an xtables extension was met: iptables-nft wrote this */
    bool is_final; /* an unconditional verdict: rules behind this one are not reached */
};

struct rn_nft_walk {
    struct rn_ruleset *rules;
    struct rn_fwd_run run;
    bool is_stopped;
};

bool rn_nft_name_eq(const struct rn_nft_name *a, const struct rn_nft_name *b);
struct rn_ruleset_set *rn_ruleset_find_set(struct rn_ruleset *rs, const struct rn_nft_name *id);
void rn_nft_walk_chain(struct rn_nft_walk *w, const struct rn_nft_name *id,
                       const struct rn_fwd_packet *in, unsigned depth);
/* Follows the rest of a rule's expressions. */
void rn_nft_expr_run(struct rn_nft_walk *w, struct rn_nft_branch *b, struct rn_view exprs);
