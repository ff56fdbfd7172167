#pragma once
/* Inside of ask_filter*.c: one packet at one hook, on its way through the rules of all dialects. */
#include "discovery/ask_filter.h"
#include "discovery/portfwd_nft.h"
#include "discovery/xt_blob.h"

#define RN_FILTER_DEPTH_MAX  16u /* jumps within jumps; the kernel's own limit */
#define RN_FILTER_STEPS_MAX  200000u
#define RN_FILTER_TEXT_BYTES 192u

enum rn_fit { RN_FIT_NO, RN_FIT_MAYBE, RN_FIT_YES };

/* What a rule, or all rules of a chain, do to the packet. */
enum rn_outcome { RN_GOES_ON, RN_ACCEPTED, RN_DROPPED, RN_RETURNED };

struct rn_filter_run {
    struct rn_arena *arena;
    const struct rn_filter_packet *packet;
    struct rn_filter_marks marks;
    struct rn_ruleset *rules;
    int32_t priority;       /* of the base chain at hand */
    bool is_inet;           /* it is of the family inet: of a frame, too, IP alone is seen */
    const char *may_accept; /* of the base chain at hand: a rule that might have let it pass */
    const char *may_drop;   /* of any: a rule that might have stopped it */
    const char *decided;    /* the rule behind the last sure outcome */
    uint32_t n_steps, n_looks;
    bool may_return; /* the last rule may have left its chain */
};

/* What @rule (borrows, of the arena) decides: true if it is sure, else it is remembered. */
bool rn_filter_decide(struct rn_filter_run *run, enum rn_outcome outcome, enum rn_fit fit,
                      const char *rule);

/* ---- dialects: sure outcomes only; what may happen is remembered on the way ---- */

enum rn_outcome rn_filter_nft_ask(struct rn_filter_run *run, const struct rn_nft_chain *chain);
enum rn_outcome rn_filter_legacy_ask(struct rn_filter_run *run, struct rn_view table);
/* Whether a table of iptables-legacy (IPT_SO_GET_INFO's answer, then the rules) is asked at the packet's hook. */
bool rn_filter_legacy_hooks(struct rn_view table, const struct rn_filter_packet *packet,
                            int32_t *ret_priority);

/* ---- xtables extensions: what they say of the packet ---- */

enum rn_fit rn_filter_xt_match(const struct rn_filter_run *run, const struct rn_xt_ext *match);

enum rn_xt_does { RN_XT_NOTHING, RN_XT_DROPS, RN_XT_WHO_KNOWS };

/* Marks that it sets are set for sure only if @fit is. */
enum rn_xt_does rn_filter_xt_target(struct rn_filter_run *run, const struct rn_xt_ext *target,
                                    enum rn_fit fit);

/* ---- what is known of the packet ---- */

/* RTN_LOCAL, RTN_UNICAST ... of @addr as @netns sees it; 0: not known. */
uint8_t rn_filter_addr_type(const struct rn_map_netns *netns, struct rn_addr addr);
/* Hooks before connections are tracked: nobody has a state there. */
bool rn_filter_is_untracked_yet(const struct rn_filter_run *run);
/* Whether the way back to the sender leads through where it came in, as reverse path filters ask. */
enum rn_fit rn_filter_way_back(const struct rn_filter_packet *packet);

#define RN_FILTER_BYTES 44u

/* A header: which bits are known, and how they are. */
struct rn_filter_bytes {
    uint8_t data[RN_FILTER_BYTES];
    uint8_t known[RN_FILTER_BYTES];
};

enum rn_filter_base { RN_BASE_LINK, RN_BASE_NETWORK, RN_BASE_TRANSPORT };

void rn_filter_bytes_of(const struct rn_filter_packet *packet, enum rn_filter_base base,
                        struct rn_filter_bytes *ret);
/* The protocol above IP, 0 for ARP. */
uint8_t rn_filter_ip_proto(const struct rn_filter_packet *packet);
/* 0x0800, 0x86dd, 0x0806. */
uint16_t rn_filter_ether_type(const struct rn_filter_packet *packet);
/* Set for sure, or perhaps. */
void rn_filter_set_u32(uint32_t *value, bool *is_unknown, uint32_t to, enum rn_fit fit);
