#pragma once
/*
 * Forwarded ports, evaluated by hook: a packet's way through the nat chains is followed with everything about it still
 * open, each match narrows it, and where a destination is rewritten the narrowed packet is a forwarded port. No chain
 * name means anything here, so every engine's rules are read alike. What is not understood makes the result
 * conditional, never absent.
 */
#include "discovery/load.h"

#define RN_FWD_DEPTH_MAX   16u     /* jumps within jumps; the kernel's own limit */
#define RN_FWD_STEPS_MAX   200000u /* rules and set elements looked at per namespace */
#define RN_FWD_RULE_BYTES  160u
#define RN_FWD_IFACE_BYTES 20u
#define RN_FWD_MULTI_MAX   15u /* of xtables' multiport */
#define RN_FWD_POOL_MAX    16u /* addresses to choose from that are told one by one */

/* What is known of the packet so far. */
struct rn_fwd_packet {
    struct rn_prefix daddr;      /* zero bits: any */
    uint16_t port_from, port_to; /* 0-65535: any */
    uint8_t family;              /* 0: any */
    uint8_t ip_proto;            /* 0: any */
    uint8_t hook;
    bool is_conditional;
    bool is_dead; /* matches contradict each other */
    char iif[RN_FWD_IFACE_BYTES];
    char comment[96];
    uint16_t multi[RN_FWD_MULTI_MAX][2]; /* several port ranges; with none the one above counts */
    uint8_t n_multi;
};

/* Where it goes. */
struct rn_fwd_target {
    struct rn_addr addr;         /* none: this machine */
    struct rn_addr last;         /* of several, from which the kernel chooses; none: only .addr */
    bool is_mapped;              /* a prefix that replaces another: .addr is where it begins */
    uint16_t port_from, port_to; /* 0: unchanged */
};

/* One evaluation. */
struct rn_fwd_run {
    struct rn_load *load;
    struct rn_map_netns *netns;
    enum rn_map_fwd_origin origin;
    uint32_t n_steps;
    bool is_cut; /* RN_FWD_STEPS_MAX was reached */
};

/* Counts a step; false when there were too many. */
bool rn_fwd_step(struct rn_fwd_run *run);
/* Keeps a forwarded port, unless the same one is known. @rule names where it was found. */
void rn_fwd_emit(struct rn_fwd_run *run, const struct rn_fwd_packet *p,
                 const struct rn_fwd_target *to, const char *rule);

/* Narrowing, shared by all dialects. */
void rn_fwd_match_proto(struct rn_fwd_packet *p, uint8_t ip_proto);
void rn_fwd_match_family(struct rn_fwd_packet *p, uint8_t family);
void rn_fwd_match_daddr(struct rn_fwd_packet *p, const struct rn_prefix *prefix);
void rn_fwd_match_ports(struct rn_fwd_packet *p, uint16_t from, uint16_t to);
void rn_fwd_match_iif(struct rn_fwd_packet *p, struct rn_view name, bool is_inverted);

/* xtables extensions, of iptables-nft and legacy alike. False: the packet's way ends here without a rewrite. */
void rn_fwd_xt_match(struct rn_fwd_packet *p, struct rn_view name, struct rn_view info);
enum rn_fwd_xt { RN_FWD_XT_CONTINUE, RN_FWD_XT_DNAT };
enum rn_fwd_xt rn_fwd_xt_target(struct rn_view name, uint32_t revision, struct rn_view info,
                                const struct rn_fwd_packet *p, struct rn_fwd_target *ret);

/* The rules of one namespace, from load->nft[first, end). */
void rn_portfwd_nft(struct rn_load *l, size_t first, size_t end);
void rn_portfwd_legacy(struct rn_load *l, const struct rn_fact_blob *blob);
/* Of programs that forward what they listen on into a namespace they serve. */
void rn_portfwd_userland(struct rn_load *l);
