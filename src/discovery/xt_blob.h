#pragma once
/*
 * The tables of iptables-legacy as the kernel hands them out: one blob of rules each, in which jumps are offsets
 * (linux/netfilter_ipv4/ip_tables.h). Read by offset: the bytes may come from a file. Extensions are laid out alike in
 * nf_tables, where iptables-nft keeps them.
 */
#include "base/view.h"

/* The two families differ only in where things lie in an entry. */
struct rn_xt_layout {
    uint8_t family;
    uint8_t goto_flag; /* at flags_at */
    size_t entry_bytes, target_at, next_at;
    size_t src_at, src_mask_at, dst_at, dst_mask_at;
    size_t iif_at, iif_mask_at, oif_at, oif_mask_at;
    size_t proto_at, flags_at, inv_at;
};

const struct rn_xt_layout *rn_xt_layout_of(uint8_t family);

/* A match or a target. */
struct rn_xt_ext {
    struct rn_view name; /* of a target empty: a verdict or a jump */
    uint32_t revision;
    struct rn_view info;
};

/* The rule at @offset; false at the end, or where it is broken. */
bool rn_xt_entry_at(const struct rn_xt_layout *layout, struct rn_view table, size_t offset,
                    struct rn_view *ret);
/* What is between an entry's head and its target. */
struct rn_view rn_xt_matches(const struct rn_xt_layout *layout, struct rn_view entry);
bool rn_xt_target(const struct rn_xt_layout *layout, struct rn_view entry, struct rn_xt_ext *ret);
bool rn_xt_ext_next(struct rn_view *rest, struct rn_xt_ext *ret);
