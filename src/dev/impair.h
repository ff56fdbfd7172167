#pragma once
/*
 * A bad link: loss, delay, jitter, reordering, duplication, corruption and a rate, each seeded, applied to wire packets:
 * super-packets are cut first, so that loss is per MTU-sized packet as on a real wire. A device over another; the inward and
 * the outward direction have parameters of their own. Same seed, same packets, same times: same fate.
 */
#include "dev/device.h"

struct rn_impair_dir {
    uint32_t loss_ppm;      /* chance of losing a packet while the link is good */
    uint32_t burst_ppm;     /* chance of entering a bad spell (Gilbert-Elliott); 0: no spells */
    uint32_t burst_end_ppm; /* chance of leaving it, per packet; required with burst_ppm */
    uint32_t
        reorder_ppm; /* chance that a packet skips the delay (or, without delay, waits behind the next ones) */
    uint32_t dup_ppm;
    uint32_t corrupt_ppm; /* flips one bit */
    int64_t delay_ns;     /* one way */
    int64_t jitter_ns;    /* uniform, added or taken; never reorders by itself */
    uint64_t rate_bps;    /* bits per second of wire packets; 0: unlimited */
    uint32_t
        queue_pkts; /* waiting for the rate or the delay; beyond it packets are dropped; 0: 10000 */
};

struct rn_impair_opts {
    struct rn_impair_dir in;  /* from the device below to the reader */
    struct rn_impair_dir out; /* from the writer to the device below */
    uint64_t seed;
};

struct rn_impair_stats {
    uint64_t passed, lost, duplicated, reordered, corrupted, queue_full;
};

/* Consumes @below: freed with the impairment. Returns owned. Errors: NOMEM, BAD_OPTION. */
RN_MUST_USE int rn_impair_new(struct rn_device **ret, struct rn_device *below,
                              const struct rn_impair_opts *opts);
void rn_impair_get_stats(const struct rn_device *dev, struct rn_impair_stats *ret_in,
                         struct rn_impair_stats *ret_out);
/* "loss=1%,delay=20ms,jitter=5ms,rate=10mbit,reorder=5%,dup=1%,corrupt=0.1%,burst=..,seed=7"; a word may be preceded by
 * "in:" or "out:", else it holds for both directions. Errors: PARSE, with the offending word in @ret_word (a view into
 * @text; its length in @ret_len). */
RN_MUST_USE int rn_impair_parse(const char *text, struct rn_impair_opts *ret, const char **ret_word,
                                size_t *ret_len);
