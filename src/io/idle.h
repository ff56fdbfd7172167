#pragma once
/*
 * What a loop does before it sleeps. To wake a sleeper takes tens of microseconds, in a virtual machine most of all, and most of
 * that is paid by whoever made the packet.
 * - While small packets go to and fro it looks on for a while (busy polling): an exchange goes up to three times as fast, for
 *   about the same processor time, since sleeping and waking cost it too.
 * - While a transfer comes in it naps: nobody can wake it until that time is over, then it takes all that has come (as a network
 *   card moderates its interrupts, ethtool's rx-usecs). Both the sender and the loop spend less on each byte.
 * Either is worth it only while the next packet does come in that time, which is learnt, and neither where it is not: looking
 * would take its processor from those who make a transfer's packets, and a nap delays an exchange.
 */
#include "base/bytes.h"

enum rn_idle_how { RN_IDLE_SLEEP, RN_IDLE_LOOK, RN_IDLE_NAP };

struct rn_idle_way {
    int64_t for_ns;      /* 0: never */
    uint64_t bytes_seen; /* of the turn's count */
    uint32_t bytes_mean; /* of a turn, of late */
    unsigned credit;
    unsigned n_declined;
};

struct rn_idle {
    struct rn_idle_way look, nap;
};

void rn_idle_set(struct rn_idle_way *way, int64_t for_ns);
/* A turn is over and the loop about to sleep: how? @moved is what devices moved since ever, @received what came of that. */
enum rn_idle_how rn_idle_choose(struct rn_idle *idle, uint64_t moved, uint64_t received);
/* It looked or napped as long as it may: something came, or nothing did. */
void rn_idle_learn(struct rn_idle_way *way, bool has_found);
