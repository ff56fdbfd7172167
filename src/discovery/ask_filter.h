#pragma once
/*
 * Whether the rules of a namespace let a packet pass one hook: nf_tables, native and by iptables-nft, also of bridges
 * and devices, and iptables-legacy. Everything that is known of the packet is compared with what the rules ask; where
 * they ask for more, both outcomes are followed, and if they differ the answer is doubt, with the rule that would
 * decide. The first packet of a connection is meant.
 */
#include "discovery/model.h"

enum rn_filter_layer {
    RN_FILTER_IP,      /* hooks of ip, ip6, inet and iptables */
    RN_FILTER_BRIDGE,  /* hooks of the same names, for frames that cross a bridge */
    RN_FILTER_ARP,     /* INPUT and OUTPUT */
    RN_FILTER_INGRESS, /* of .iif */
    RN_FILTER_EGRESS,  /* of .oif */
};

enum rn_filter_hook { /* NF_INET_*, and NF_BR_* alike */
                      RN_FILTER_PREROUTING,
                      RN_FILTER_INPUT,
                      RN_FILTER_FORWARD,
                      RN_FILTER_OUTPUT,
                      RN_FILTER_POSTROUTING,
};

enum rn_filter_tracking { RN_FILTER_NEW, RN_FILTER_UNTRACKED, RN_FILTER_TRACKING_UNKNOWN };

/* What rules write upon a packet, and later ones read. */
struct rn_filter_marks {
    uint32_t mark, ct_mark;
    bool is_mark_unknown, is_ct_mark_unknown;
    enum rn_filter_tracking tracking;
};

struct rn_filter_packet {
    const struct rn_map_netns *netns;
    enum rn_filter_layer layer;
    enum rn_filter_hook hook;
    const struct rn_map_link *iif, *oif; /* NULL: none at this hook */
    const struct rn_map_link *sender,
        *taker;          /* whose MACs the frame bears; NULL: not known, or no frame yet */
    struct rn_addr from; /* none: not known */
    struct rn_addr to;
    struct rn_addr first_to; /* before it was rewritten */
    struct rn_addr next_hop; /* of a question */
    uint16_t port, first_port;
    uint8_t ip_proto;
    bool is_rewritten; /* its destination was, here */
    bool
        is_before_nat; /* PREROUTING alone: chains before destinations are rewritten, else those behind */
    bool is_tagged; /* with a VLAN: where its headers lie then is not known */
    bool
        is_question; /* the broadcast that asks for the MAC of .next_hop, by ARP or neighbour solicitation */
    struct rn_filter_marks *marks; /* NULL: it bears none, and none are kept */
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
