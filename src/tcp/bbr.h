#pragma once
/*
 * BBR version 3 (draft-ietf-ccwg-bbr-06): what a connection believes of its path. bbr_model.c learns from ACKs and losses,
 * bbr.c decides what to do about it. Rates are bytes per second, volumes bytes, gains percent; there are no fractions.
 */
#include "tcp/cc.h"

#define RN_BBR_NO_RATE   UINT64_MAX /* a bound on a rate that is not there */
#define RN_BBR_NO_VOLUME UINT32_MAX

#define RN_BBR_BETA_PCT        70u /* §2.7: the factor of a reduction */
#define RN_BBR_LOSS_THRESH_PCT 2u  /* losses of a round trip that probing may cause */

enum rn_bbr_state {
    RN_BBR_STARTUP,
    RN_BBR_DRAIN,
    RN_BBR_DOWN,
    RN_BBR_CRUISE,
    RN_BBR_REFILL,
    RN_BBR_UP,
    RN_BBR_PROBE_RTT,
};

/* What the ACKs of now tell of the last probe for bandwidth (§2.13). */
enum rn_bbr_acks {
    RN_BBR_ACKS_INIT,
    RN_BBR_ACKS_REFILLING,
    RN_BBR_ACKS_STARTING,
    RN_BBR_ACKS_FEEDBACK,
    RN_BBR_ACKS_STOPPING,
};

/* What a spurious episode of loss has changed (§5.5.11). */
struct rn_bbr_undo {
    uint64_t bw_short;
    uint32_t inflight_short;
    uint32_t inflight_long;
    uint8_t state; /* that was left for it; only when .has_state */
    bool has_state;
};

struct rn_bbr {
    uint64_t bw;        /* to pace by: the least of what follows */
    uint64_t bw_max[2]; /* of the probing cycle before, and of this one */
    uint64_t bw_short;
    uint64_t bw_latest; /* most in this round trip */
    uint64_t full_bw;   /* that growth is measured against */
    uint64_t pacing_rate;
    uint64_t round_end;      /* rate.delivered at which a round trip is over */
    uint64_t loss_round_end; /* the same, counted from the first loss */
    int64_t min_rtt_at_ns;
    int64_t probe_rtt_min_at_ns;
    int64_t probe_rtt_done_ns; /* 0: not small enough in flight yet */
    int64_t cycle_at_ns;
    int64_t extra_from_ns;
    uint64_t extra_bytes; /* acknowledged since .extra_from_ns */
    struct rn_bbr_undo undo;
    uint32_t inflight_long;
    uint32_t inflight_short;
    uint32_t inflight_latest;
    uint32_t max_inflight;
    uint32_t extra_acked[2]; /* most in two spans of round trips, the present one is .extra_slot */
    uint32_t prior_cwnd;
    uint32_t probe_up_bytes;     /* acknowledged, and not yet worth a step of inflight_long */
    uint32_t probe_up_step_cost; /* bytes */
    uint32_t min_rtt_us;         /* UINT32_MAX: none yet */
    uint32_t probe_rtt_min_us;
    uint32_t probe_wait_us;
    uint32_t round_count;
    uint32_t drain_start_round;
    uint32_t rounds_since_probe;
    rn_seq lost_end; /* of the last record called lost: ranges are counted, not segments */
    uint8_t state;   /* enum rn_bbr_state */
    uint8_t acks;    /* enum rn_bbr_acks */
    uint8_t full_bw_count;
    uint8_t probe_up_rounds;
    uint8_t extra_slot;
    uint8_t extra_rounds;
    uint8_t lost_ranges; /* in this round trip, saturating */
    bool is_ready;       /* the rest is meaningful */
    bool is_round_start;
    bool is_loss_round_start;
    bool is_loss_in_round;
    bool is_mark_in_round;
    bool is_full_bw_now;
    bool is_full_bw_reached;
    bool is_probe_sample; /* ACKs are of what was sent to probe for bandwidth */
    bool is_probe_rtt_due;
    bool is_probe_rtt_round_done;
    bool is_idle_restart;
    bool was_probe_too_high;
    bool was_probe_precautionary;
};

static inline uint64_t rn_bbr_max_bw(const struct rn_bbr *bbr)
{
    return rn_max_u64(bbr->bw_max[0], bbr->bw_max[1]);
}

static inline bool rn_bbr_is_probe_bw(const struct rn_bbr *bbr)
{
    return bbr->state >= RN_BBR_DOWN && bbr->state <= RN_BBR_UP;
}

static inline bool rn_bbr_is_probing(const struct rn_bbr *bbr)
{
    return bbr->state == RN_BBR_STARTUP || bbr->state == RN_BBR_REFILL || bbr->state == RN_BBR_UP;
}

/* --- bbr_model.c ------------------------------------------------------------------------------------------------------ */
/* @pct percent of @value, saturating at what a window can be. */
uint32_t rn_bbr_share(uint64_t value, uint32_t pct);
/* The product of @bw and the least round trip, times @gain_pct; the initial window while there is no sample (§5.6.4.2). */
uint32_t rn_bbr_bdp(const struct rn_tcp *conn, const struct rn_bbr *bbr, uint32_t gain_pct);
/* A new look for a plateau of the rate (§5.3.1.2). */
void rn_bbr_reset_full_bw(struct rn_bbr *bbr);
void rn_bbr_reset_short_term(struct rn_bbr *bbr);
void rn_bbr_reset_signals(struct rn_bbr *bbr);
/* A round trip begins now. */
void rn_bbr_start_round(const struct rn_tcp *conn, struct rn_bbr *bbr);
/* The first part of an ACK's work: round trips, rates, what losses said. */
void rn_bbr_model_on_ack(struct rn_tcp *conn, struct rn_bbr *bbr, const struct rn_tcp_ack *ack);
/* The last part: what the next round trip starts from, and the rate to go by. */
void rn_bbr_model_advance(struct rn_bbr *bbr, const struct rn_tcp_ack *ack);
void rn_bbr_model_min_rtt(struct rn_bbr *bbr, const struct rn_tcp_ack *ack);
/* One probing cycle is over: the filter of the rate forgets the one before it. */
void rn_bbr_advance_max_bw(struct rn_bbr *bbr);
/* An episode of loss begins: what it changes can be undone. */
void rn_bbr_save(struct rn_tcp *conn, struct rn_bbr *bbr);
void rn_bbr_note_loss(struct rn_tcp *conn, struct rn_bbr *bbr);
