#pragma once
/*
 * A box in the path, as a device over another: the wiretap of monitor.h, and what networks do besides impairing:
 * partitions, spikes of delay, MTU black holes, middleboxes that rewrite SYNs, strangers that shoot at a connection without
 * seeing it. Time and chance come from the world's seed.
 */
#include "base/rand.h"
#include "dev/stacked.h"
#include "monitor.h"

#define SIM_EPISODES_MAX 4u

enum sim_strip {
    SIM_STRIP_SACK = 1 << 0,
    SIM_STRIP_TS = 1 << 1,
    SIM_STRIP_WSCALE = 1 << 2,
    SIM_STRIP_MSS = 1 << 3,
};

struct sim_episode {
    int64_t from_ns;
    int64_t to_ns;
    bool is_spike; /* packets wait for its end; else they are lost */
};

struct sim_box_opts {
    unsigned side; /* whose packets it sees leave */
    struct sim_episode episodes[SIM_EPISODES_MAX];
    unsigned n_episodes;
    uint32_t hole_bytes; /* longer packets vanish; 0: no black hole */
    int64_t hole_ns;     /* since then */
    unsigned strip;      /* enum sim_strip, of SYNs both ways */
    unsigned
        strip_late; /* SACK blocks, timestamps: of all but SYNs, though both sides agreed on them */
    uint16_t mss;   /* written into SYNs that have one; 0: not */
    uint32_t ce_ppm;   /* ECN-capable packets that a router marks (RFC 3168 §5) */
    bool bleaches_ecn; /* clears the ECN field of all */
    uint32_t hostile_ppm;
    bool forges_syns; /* which may take the place of a connection in TIME-WAIT (RFC 6191) */
};

struct sim_box {
    struct rn_stacked base;
    struct sim_box_opts opts;
    struct sim_monitor *monitor;
    struct rn_rand rand;
    struct rn_pktq held[2]; /* out, in: waiting for a spike to end */
    struct rn_timer timer;
    bool is_unplugged;
    bool is_shown; /* print every packet */
    uint64_t hash; /* of everything sent, with its time */
    uint64_t n_sent;
    uint64_t n_hostile;
    const char *wrong; /* the first rule broken */
};

/* Consumes @below. Returns owned: freed as the device it is (&box->base.dev). NULL: no memory. */
struct sim_box *sim_box_new(struct rn_device *below, struct sim_monitor *monitor,
                            const struct sim_box_opts *opts, uint64_t seed);
