#pragma once
/*
 * Whether the rules of a namespace let a packet pass one hook: nf_tables, native and by iptables-nft. Everything that
 * is known of the packet is compared with what the rules ask; where they ask for more, both outcomes are followed, and
 * if they differ the answer is doubt, with the rule that would decide. The first packet of a connection is meant: new,
 * without a mark.
 */
#include "discovery/model.h"

enum rn_filter_hook { /* NF_INET_* */
                      RN_FILTER_PREROUTING,
                      RN_FILTER_INPUT,
                      RN_FILTER_FORWARD,
                      RN_FILTER_OUTPUT,
                      RN_FILTER_POSTROUTING,
};

struct rn_filter_packet {
    const struct rn_map_netns *netns;
    enum rn_filter_hook hook;
    const struct rn_map_link *iif, *oif; /* NULL: none at this hook */
    struct rn_addr from;                 /* none: not known */
    struct rn_addr to;
    uint16_t port;
    uint8_t ip_proto;
    bool is_rewritten; /* its destination was, here */
    bool
        is_before_nat; /* PREROUTING alone: chains before destinations are rewritten, else those behind */
};

enum rn_filter_verdict { RN_FILTER_PASS, RN_FILTER_DROP, RN_FILTER_DOUBT };

struct rn_filter_answer {
    enum rn_filter_verdict verdict;
    size_t n_chains;  /* that hook there; 0: nobody was asked */
    const char *rule; /* that decided, or would; "" if none had to */
};

/* @arena holds the texts. */
struct rn_filter_answer rn_filter_ask(struct rn_arena *arena,
                                      const struct rn_filter_packet *packet);

/* ---- for ask_filter_xt.c: what xtables extensions say ---- */

enum rn_fit { RN_FIT_NO, RN_FIT_MAYBE, RN_FIT_YES };

enum rn_fit rn_filter_xt_match(const struct rn_filter_packet *packet, struct rn_view name,
                               struct rn_view info);
/* RTN_LOCAL, RTN_UNICAST ... of @addr as @netns sees it; 0: not known. */
uint8_t rn_filter_addr_type(const struct rn_map_netns *netns, struct rn_addr addr);
