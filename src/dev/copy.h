#pragma once
/*
 * One way from one device to another: reads batches as large as the source likes, writes batches as large as the destination
 * likes, and makes of each packet what the destination can carry. What the destination refuses is held, and nothing more is
 * read until it is gone: back-pressure, never a silent loss. Wire packets for a destination that takes super-packets (a TUN) are
 * merged on the way, where they can be cut into the same again (dev/gro.h).
 */
#include "dev/device.h"

struct rn_copy {
    struct rn_device *from; /* borrows; NULL: nothing is read */
    struct rn_device *to;   /* borrows; NULL: what is in hand waits */
    struct rn_pktq held;    /* the batch in hand, in the shape that .to wants */
    bool may_read;          /* false from WOULD_BLOCK until RN_DEV_READABLE */
    bool may_write;         /* false from a refusal until RN_DEV_WRITABLE */
    uint64_t n_pkts;        /* packets handed over */
    bool
        does_not_merge; /* leave wire packets as they are, also for a destination that takes super-packets */
    /* Optional: sees every packet on its way, and may rewrite it. Consumes @pkt; returns it, or NULL when it dropped it. */
    struct rn_pkt *(*on_packet)(void *arg, struct rn_pkt *pkt);
    void *arg;
};

enum rn_copy_state {
    RN_COPY_WAITS,       /* for an event of either end */
    RN_COPY_HAS_MORE,    /* its share of this turn is used up: run it again */
    RN_COPY_FROM_FAILED, /* the source is closed and drained, or broken */
    RN_COPY_TO_FAILED,
};

/* Replaces one end; NULL: none. What is in hand stays, and is cut anew for a new destination. */
void rn_copy_set_from(struct rn_copy *copy, struct rn_device *from);
void rn_copy_set_to(struct rn_copy *copy, struct rn_device *to);
/* Moves at most a turn's share (RN_DEVICE_TURN_PKTS, RN_DEVICE_TURN_BYTES). */
enum rn_copy_state rn_copy_run(struct rn_copy *copy);
/* Drops what is in hand. */
void rn_copy_fini(struct rn_copy *copy);
