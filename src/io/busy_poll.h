#pragma once
/*
 * When a loop looks on for a while before it sleeps. To wake a sleeper takes tens of microseconds, in a virtual machine most
 * of all, so an exchange of small packets goes up to three times as fast by looking, and for about the same processor time,
 * since sleeping and waking cost it too. It is worth it only while the next packet does come soon, and where little is moved: of
 * much, the time goes elsewhere, and looking would take it from those who make the packets.
 */
#include "base/bytes.h"

struct rn_busy_poll {
    int64_t for_ns;      /* 0: never */
    uint64_t bytes_seen; /* of the turn's count */
    uint32_t bytes_mean; /* of a turn, of late */
    unsigned credit;
    unsigned n_declined;
};

void rn_busy_poll_init(struct rn_busy_poll *bp, int64_t for_ns);
/* A turn is over and the loop about to sleep: shall it look first? @bytes is what devices moved since ever. */
bool rn_busy_poll_pays(struct rn_busy_poll *bp, uint64_t bytes);
/* It looked as long as it may: something came, or nothing did. */
void rn_busy_poll_learn(struct rn_busy_poll *bp, bool has_found);
