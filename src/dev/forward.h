#pragma once
/*
 * A forwarder: packets of one device go to another, one way, on the turn of both. Either end may be replaced, or taken away,
 * while packets flow; nothing is lost by that: what was read and not yet written waits for the next destination, and what
 * was not read stays in the old source for whoever holds it. For both ways see dev/p2p.h.
 */
#include "dev/copy.h"

#include <runnel/join.h>

struct rn_forwarder {
    struct rn_copy copy;
    struct rn_turn *turn; /* borrows */
    struct rn_task task;  /* DELIVER */
    /* Optional: an end closed or broke and was taken out; it is the caller's again. Runs in the DELIVER phase; may set a new
     * end and free the old one. */
    void (*on_end_failed)(struct rn_forwarder *forwarder, struct rn_device *end);
    void *arg;
};

void rn_forwarder_init(struct rn_forwarder *forwarder, struct rn_turn *turn);
/* Lets both ends go and drops what is in hand. */
void rn_forwarder_fini(struct rn_forwarder *forwarder);
