#pragma once
/*
 * Point to point: two devices, A and B, and packets both ways between them. Either may be replaced while packets flow, with
 * the promise of dev/forward.h for each direction. Optionally the two sides know each other by other addresses than their
 * own (dev/renumber.h).
 */
#include "dev/copy.h"

#include <runnel/join.h>

struct rn_p2p {
    struct rn_device *end[RN_P2P_SIDES]; /* borrows; NULL: none */
    struct rn_copy lane[RN_P2P_SIDES];   /* lane[A] leaves A and goes to B */
    const struct rn_renumber *renumber;  /* borrows; NULL: addresses stay */
    struct rn_turn *turn;                /* borrows */
    struct rn_task task;                 /* DELIVER */
    /* Optional: @end closed or broke and was taken out; it is the caller's again. May set a new end and free the old one. */
    void (*on_end_failed)(struct rn_p2p *p2p, enum rn_p2p_side side, struct rn_device *end);
    void *arg;
};

void rn_p2p_init(struct rn_p2p *p2p, struct rn_turn *turn);
/* Lets both ends go and drops what is in hand. */
void rn_p2p_fini(struct rn_p2p *p2p);
/* From the next packet on. Borrows @renumber; NULL: none. Only for RN_LINK_IP. */
void rn_p2p_set_renumber(struct rn_p2p *p2p, const struct rn_renumber *renumber);
