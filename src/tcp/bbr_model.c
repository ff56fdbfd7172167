/* The model of the path: rates as a maximum, delays as a minimum, and the bounds that losses put on both. */
#include "tcp/bbr.h"

#define MIN_RTT_WINDOW_NS (10 * RN_NS_PER_S) /* §2.15.1 */
#define PROBE_RTT_EACH_NS (5 * RN_NS_PER_S)  /* §2.15.2 */
/* §2.11: the most of 10 round trips, kept as the most of the last 5 to 10. */
#define EXTRA_ACKED_ROUNDS 5u

/* Beyond these no path is; products of the two stay within 64 bits. */
#define BW_MAX         (1ull << 37)
#define MIN_RTT_MAX_US (1u << 26)
#define US_PER_S       1000000u

uint32_t rn_bbr_share(uint64_t value, uint32_t pct)
{
    return rn_sat_u32(rn_min_u64(value, 1ull << 32) * pct / 100);
}

uint32_t rn_bbr_bdp(const struct rn_tcp *conn, const struct rn_bbr *bbr, uint32_t gain_pct)
{
    uint64_t bw = rn_min_u64(bbr->bw, BW_MAX);

    if (bbr->min_rtt_us == UINT32_MAX)
        return rn_tcp_cc_initial_window(conn);
    return rn_bbr_share(bw * rn_min_u32(bbr->min_rtt_us, MIN_RTT_MAX_US) / US_PER_S, gain_pct);
}

void rn_bbr_reset_full_bw(struct rn_bbr *bbr)
{
    bbr->full_bw = 0;
    bbr->full_bw_count = 0;
    bbr->is_full_bw_now = false;
}

void rn_bbr_reset_short_term(struct rn_bbr *bbr)
{
    bbr->bw_short = RN_BBR_NO_RATE;
    bbr->inflight_short = RN_BBR_NO_VOLUME;
}

void rn_bbr_reset_signals(struct rn_bbr *bbr)
{
    bbr->is_loss_in_round = false;
    bbr->is_mark_in_round = false;
    bbr->lost_ranges = 0;
    bbr->bw_latest = 0;
    bbr->inflight_latest = 0;
}

/* --- round trips, counted by packets (§5.5.1) ------------------------------------------------------------------------- */

void rn_bbr_start_round(const struct rn_tcp *conn, struct rn_bbr *bbr)
{
    bbr->round_end = conn->flight->rate.delivered;
}

static void update_round(const struct rn_tcp *conn, struct rn_bbr *bbr,
                         const struct rn_tcp_ack *ack)
{
    bbr->is_round_start = ack->has_newest && ack->snap_delivered >= bbr->round_end;
    if (!bbr->is_round_start)
        return;
    rn_bbr_start_round(conn, bbr);
    bbr->round_count++;
    bbr->rounds_since_probe++;
}

/* --- rate (§5.5.2 - 5.5.6) -------------------------------------------------------------------------------------------- */

/* What an application held back says nothing, unless it is more than was thought possible. */
static void update_max_bw(struct rn_bbr *bbr, const struct rn_tcp_ack *ack)
{
    uint64_t rate = ack->rate_bytes_per_s;

    if (rate != 0 && (!ack->is_app_limited || rate >= rn_bbr_max_bw(bbr)))
        bbr->bw_max[1] = rn_max_u64(bbr->bw_max[1], rate);
}

void rn_bbr_advance_max_bw(struct rn_bbr *bbr)
{
    if (bbr->bw_max[1] == 0)
        return; /* nothing was measured: what is old is all there is */
    bbr->bw_max[0] = bbr->bw_max[1];
    bbr->bw_max[1] = 0;
}

/* --- what losses say (§5.5.10) ---------------------------------------------------------------------------------------- */

static void update_latest(const struct rn_tcp *conn, struct rn_bbr *bbr,
                          const struct rn_tcp_ack *ack)
{
    bbr->bw_latest = rn_max_u64(bbr->bw_latest, ack->rate_bytes_per_s);
    bbr->inflight_latest = rn_max_u32(bbr->inflight_latest, ack->rate_bytes);
    bbr->is_loss_round_start = ack->has_newest && ack->snap_delivered >= bbr->loss_round_end;
    if (bbr->is_loss_round_start)
        bbr->loss_round_end = conn->flight->rate.delivered;
}

/* Towards what the path delivered in the last round trip, but never by more than beta at once. */
static void lower_bounds(const struct rn_tcp *conn, struct rn_bbr *bbr)
{
    if (bbr->bw_short == RN_BBR_NO_RATE)
        bbr->bw_short = rn_bbr_max_bw(bbr);
    if (bbr->inflight_short == RN_BBR_NO_VOLUME)
        bbr->inflight_short = conn->cc.cwnd;
    bbr->bw_short = rn_max_u64(bbr->bw_latest, bbr->bw_short * RN_BBR_BETA_PCT / 100);
    bbr->inflight_short =
        rn_max_u32(bbr->inflight_latest, rn_bbr_share(bbr->inflight_short, RN_BBR_BETA_PCT));
}

void rn_bbr_save(struct rn_tcp *conn, struct rn_bbr *bbr)
{
    bool is_known_good = conn->cc.ca_state != RN_TCP_CA_RECOVERY &&
                         conn->cc.ca_state != RN_TCP_CA_LOSS && bbr->state != RN_BBR_PROBE_RTT;

    bbr->prior_cwnd = is_known_good ? conn->cc.cwnd : rn_max_u32(bbr->prior_cwnd, conn->cc.cwnd);
    bbr->undo = (struct rn_bbr_undo){ .bw_short = bbr->bw_short,
                                      .inflight_short = bbr->inflight_short,
                                      .inflight_long = bbr->inflight_long };
}

void rn_bbr_note_loss(struct rn_tcp *conn, struct rn_bbr *bbr)
{
    if (!bbr->is_loss_in_round) {
        bbr->loss_round_end = conn->flight->rate.delivered;
        rn_bbr_save(conn, bbr);
    }
    bbr->is_loss_in_round = true;
}

/* --- aggregation (§5.5.9) --------------------------------------------------------------------------------------------- */

static void remember_extra(struct rn_bbr *bbr, uint32_t extra)
{
    uint32_t span = bbr->is_full_bw_reached ? EXTRA_ACKED_ROUNDS : 1;

    if (bbr->is_round_start && ++bbr->extra_rounds >= span) {
        bbr->extra_rounds = 0;
        bbr->extra_slot ^= 1;
        bbr->extra_acked[bbr->extra_slot] = 0;
    }
    bbr->extra_acked[bbr->extra_slot] = rn_max_u32(bbr->extra_acked[bbr->extra_slot], extra);
}

/* ACKs that come in lumps acknowledge more at once than the rate explains: so much more must be in flight. */
static void update_aggregation(const struct rn_tcp *conn, struct rn_bbr *bbr,
                               const struct rn_tcp_ack *ack)
{
    int64_t span_us = (ack->now_ns - bbr->extra_from_ns) / RN_NS_PER_US;
    uint64_t expected =
        rn_min_u64(bbr->bw, BW_MAX) * rn_min_u64((uint64_t)span_us, MIN_RTT_MAX_US) / US_PER_S;

    if (bbr->extra_bytes <= expected) {
        bbr->extra_bytes = 0;
        bbr->extra_from_ns = ack->now_ns;
        expected = 0;
    }
    bbr->extra_bytes += ack->delivered;
    remember_extra(bbr, rn_min_u32(rn_sat_u32(bbr->extra_bytes - expected), conn->cc.cwnd));
}

/* --- delay (§5.3.4.3) ------------------------------------------------------------------------------------------------- */

void rn_bbr_model_min_rtt(struct rn_bbr *bbr, const struct rn_tcp_ack *ack)
{
    uint32_t rtt_us = ack->rtt_us < 0 ? UINT32_MAX : rn_sat_u32((uint64_t)ack->rtt_us);

    rtt_us = rn_max_u32(rtt_us, 1);
    bbr->is_probe_rtt_due = ack->now_ns > bbr->probe_rtt_min_at_ns + PROBE_RTT_EACH_NS;
    if (ack->rtt_us >= 0 && (rtt_us < bbr->probe_rtt_min_us || bbr->is_probe_rtt_due)) {
        bbr->probe_rtt_min_us = rtt_us;
        bbr->probe_rtt_min_at_ns = ack->now_ns;
    }
    if (bbr->probe_rtt_min_us == UINT32_MAX)
        return;
    if (bbr->probe_rtt_min_us < bbr->min_rtt_us ||
        ack->now_ns > bbr->min_rtt_at_ns + MIN_RTT_WINDOW_NS) {
        bbr->min_rtt_us = bbr->probe_rtt_min_us;
        bbr->min_rtt_at_ns = bbr->probe_rtt_min_at_ns;
    }
}

/* --- an ACK ----------------------------------------------------------------------------------------------------------- */

void rn_bbr_model_on_ack(struct rn_tcp *conn, struct rn_bbr *bbr, const struct rn_tcp_ack *ack)
{
    update_latest(conn, bbr, ack);
    update_round(conn, bbr, ack);
    update_max_bw(bbr, ack);
    if (bbr->is_loss_round_start && bbr->is_loss_in_round && !rn_bbr_is_probing(bbr))
        lower_bounds(conn, bbr);
    update_aggregation(conn, bbr, ack);
}

void rn_bbr_model_advance(struct rn_bbr *bbr, const struct rn_tcp_ack *ack)
{
    if (bbr->is_loss_round_start) {
        bbr->bw_latest = ack->rate_bytes_per_s;
        bbr->inflight_latest = ack->rate_bytes;
        bbr->is_loss_in_round = false;
        bbr->is_mark_in_round = false;
        bbr->lost_ranges = 0;
    }
    bbr->bw = rn_min_u64(rn_bbr_max_bw(bbr), bbr->bw_short);
}
