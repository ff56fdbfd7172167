#pragma once
/*
 * Many devices behind one. Packets of all members are read in turns; a packet that is written goes to one member, chosen by its
 * destination: the member that was heard with this address as its source, else that of the longest prefix, else the default.
 * MTU is the smallest of the members', and what a member lacks in offloads is made up for on the way to it.
 */
#include "dev/device.h"

#define RN_MUX_MEMBERS_MAX  32u
#define RN_MUX_PREFIXES_MAX 64u

struct rn_mux_opts {
    uint32_t mtu; /* until there is a member, and at most; 0: 65535 */
    uint32_t
        learned_max; /* addresses remembered, the least recently heard forgotten first; 0: 1024 */
    bool does_not_learn; /* choose by prefix and default only */
    /* Optional: @member closed or broke and was taken out; it is the caller's again. */
    void (*on_member_failed)(void *arg, struct rn_device *member);
    void *arg;
};

/* An RN_LINK_IP device. Returns owned. Errors: NOMEM. */
RN_MUST_USE int rn_mux_new(struct rn_device **ret, struct rn_turn *turn,
                           const struct rn_mux_opts *opts);
/* Borrows @member until it is removed, failed, or the mux freed; takes its events. Errors: EXISTS, LIMIT (too many),
 * BAD_OPTION (no RN_LINK_IP). */
RN_MUST_USE int rn_mux_add(struct rn_device *mux, struct rn_device *member);
/* Drops what waits for it, forgets its addresses and prefixes. A no-op for a stranger. */
void rn_mux_remove(struct rn_device *mux, struct rn_device *member);
/* Errors: NOT_FOUND (no member), LIMIT. The same prefix again moves it. */
RN_MUST_USE int rn_mux_set_prefix(struct rn_device *mux, struct rn_prefix prefix,
                                  struct rn_device *member);
/* NULL: none, what fits no member is dropped (NO_ROUTE). Errors: NOT_FOUND. */
RN_MUST_USE int rn_mux_set_default(struct rn_device *mux, struct rn_device *member);
