/*
 * BBR version 3 (draft-ietf-ccwg-bbr-06), what is done with the model: STARTUP doubles the rate until it grows no more,
 * DRAIN lets the queue out that this made, then PROBE_BW goes in circles (DOWN, CRUISE, REFILL, UP) around the rate of the
 * path, and now and then PROBE_RTT empties the path to see how long it is. The rate is kept by pacing, cwnd only bounds
 * what is in flight.
 *
 * The draft leaves ECN open but for "a CE mark is congestion": here a window with marks counts as a round trip whose
 * losses were too many.
 */
#include "tcp/bbr.h"

#define STARTUP_FULL_BW_PCT    125u /* §5.3.1.2: less growth than this is none */
#define STARTUP_FULL_BW_ROUNDS 3u
#define STARTUP_LOST_RANGES    6u /* §5.3.1.3 */
#define DRAIN_ROUNDS_MAX       3u
#define HEADROOM_PCT           15u /* §2.7 */
#define PACING_MARGIN_PCT      1u  /* §2.5 */
#define PROBE_RTT_NS           (200 * RN_NS_PER_MS)
#define PROBE_WAIT_US          2000000u /* §5.3.3.9: 2 to 3 s */
#define PROBE_WAIT_SPREAD_US   1000000u
#define RENO_ROUNDS_MAX        63u
#define PROBE_UP_ROUNDS_MAX    30u
#define PIPE_MIN_SEGS          4u /* §2.7 */
#define OFFLOAD_QUANTA         3u /* §5.5.8.1 */
#define QUANTUM_MAX_BYTES      65536u
#define FIRST_RTT_US           1000u /* §5.6.2: when there is no sample */

/* §5.6.1, percent. */
static const struct {
    uint16_t pacing;
    uint16_t cwnd;
} gains[] = {
    [RN_BBR_STARTUP] = { 277, 200 },  [RN_BBR_DRAIN] = { 50, 200 },   [RN_BBR_DOWN] = { 90, 200 },
    [RN_BBR_CRUISE] = { 100, 200 },   [RN_BBR_REFILL] = { 100, 200 }, [RN_BBR_UP] = { 125, 225 },
    [RN_BBR_PROBE_RTT] = { 100, 50 },
};

/* --- volumes (§5.6.4) ------------------------------------------------------------------------------------------------- */

static uint32_t pipe_min(const struct rn_tcp *conn)
{
    return PIPE_MIN_SEGS * conn->snd.mss;
}

static uint32_t send_quantum(const struct rn_tcp *conn, const struct rn_bbr *bbr)
{
    uint32_t quantum = rn_sat_u32(rn_min_u64(bbr->pacing_rate / 1000, QUANTUM_MAX_BYTES));

    return rn_max_u32(quantum, 2u * conn->snd.mss);
}

/* Hosts that send and acknowledge in lumps need a few lumps on their way, however small the path is. */
static uint32_t with_quanta(const struct rn_tcp *conn, const struct rn_bbr *bbr, uint32_t inflight)
{
    inflight = rn_max_u32(inflight, OFFLOAD_QUANTA * send_quantum(conn, bbr));
    inflight = rn_max_u32(inflight, pipe_min(conn));
    if (bbr->state == RN_BBR_UP)
        inflight = rn_sat_u32((uint64_t)inflight + 2u * conn->snd.mss);
    return inflight;
}

static uint32_t inflight_for(const struct rn_tcp *conn, const struct rn_bbr *bbr)
{
    return with_quanta(conn, bbr, rn_bbr_bdp(conn, bbr, 100));
}

/* What leaves some of the path to others, when losses have shown where it ends. */
static uint32_t inflight_with_headroom(const struct rn_tcp *conn, const struct rn_bbr *bbr)
{
    uint32_t headroom;

    if (bbr->inflight_long == RN_BBR_NO_VOLUME)
        return RN_BBR_NO_VOLUME;
    headroom = rn_max_u32(conn->snd.mss, rn_bbr_share(bbr->inflight_long, HEADROOM_PCT));
    return rn_max_u32(bbr->inflight_long - rn_min_u32(headroom, bbr->inflight_long),
                      pipe_min(conn));
}

static uint32_t probe_rtt_cwnd(const struct rn_tcp *conn, const struct rn_bbr *bbr)
{
    return rn_max_u32(rn_bbr_bdp(conn, bbr, gains[RN_BBR_PROBE_RTT].cwnd), pipe_min(conn));
}

static uint32_t target_inflight(const struct rn_tcp *conn, const struct rn_bbr *bbr)
{
    return rn_min_u32(rn_bbr_bdp(conn, bbr, 100), conn->cc.cwnd);
}

/* cwnd was filled at some time of this round trip. */
static bool is_cwnd_limited(const struct rn_tcp *conn)
{
    return conn->flight->max_out + conn->snd.mss > conn->cc.cwnd;
}

/* --- states ------------------------------------------------------------------------------------------------------------ */

static void start_down(struct rn_tcp *conn, struct rn_bbr *bbr)
{
    struct rn_rand *rand = &conn->sock.stack->turn->rand;

    rn_bbr_reset_signals(bbr);
    bbr->probe_up_step_cost = UINT32_MAX;
    bbr->rounds_since_probe = (uint32_t)rn_rand_below(rand, 2);
    bbr->probe_wait_us = PROBE_WAIT_US + (uint32_t)rn_rand_below(rand, PROBE_WAIT_SPREAD_US);
    bbr->cycle_at_ns = rn_tcp_now_ns(conn);
    bbr->acks = RN_BBR_ACKS_STOPPING;
    rn_bbr_start_round(conn, bbr);
    bbr->state = RN_BBR_DOWN;
}

static void start_refill(struct rn_tcp *conn, struct rn_bbr *bbr)
{
    rn_bbr_reset_short_term(bbr);
    bbr->probe_up_rounds = 0;
    bbr->probe_up_bytes = 0;
    bbr->was_probe_precautionary = false;
    bbr->acks = RN_BBR_ACKS_REFILLING;
    rn_bbr_start_round(conn, bbr);
    bbr->state = RN_BBR_REFILL;
}

/* The bound on what is in flight rises by 1, 2, 4 ... segments in each round trip. */
static void raise_slope(struct rn_tcp *conn, struct rn_bbr *bbr)
{
    bbr->probe_up_step_cost = rn_max_u32(conn->cc.cwnd >> bbr->probe_up_rounds, conn->snd.mss);
    if (bbr->probe_up_rounds < PROBE_UP_ROUNDS_MAX)
        bbr->probe_up_rounds++;
}

static void start_up(struct rn_tcp *conn, struct rn_bbr *bbr, const struct rn_tcp_ack *ack)
{
    bbr->acks = RN_BBR_ACKS_STARTING;
    rn_bbr_start_round(conn, bbr);
    rn_bbr_reset_full_bw(bbr);
    bbr->full_bw = ack->rate_bytes_per_s;
    bbr->state = RN_BBR_UP;
    raise_slope(conn, bbr);
}

static void leave_startup(struct rn_bbr *bbr)
{
    bbr->state = RN_BBR_DRAIN;
    bbr->drain_start_round = bbr->round_count;
}

/* --- losses (§5.5.10.2) ------------------------------------------------------------------------------------------------ */

struct sample {
    uint64_t lost; /* since what it is of was sent */
    uint32_t in_flight;
    bool is_app_limited;
};

static bool is_too_high(const struct rn_tcp *conn, const struct sample *s)
{
    if ((conn->flags & RN_TCPF_SACK) == 0)
        return s->lost != 0;
    return s->lost > rn_bbr_share(s->in_flight, RN_BBR_LOSS_THRESH_PCT);
}

static void on_too_high(struct rn_tcp *conn, struct rn_bbr *bbr, const struct sample *s)
{
    uint32_t least = rn_bbr_share(target_inflight(conn, bbr), RN_BBR_BETA_PCT);

    bbr->was_probe_too_high = true;
    bbr->is_probe_sample = false; /* one answer to one probe */
    if (!s->is_app_limited)
        bbr->inflight_long = rn_max_u32(s->in_flight, least);
    if (bbr->state != RN_BBR_UP)
        return;
    bbr->undo.state = RN_BBR_UP;
    bbr->undo.has_state = true;
    start_down(conn, bbr);
}

/* How much of a burst fitted, of which the last @bytes were lost: where losses passed the threshold. */
static uint32_t in_flight_at_loss(const struct sample *s, uint32_t bytes)
{
    uint32_t before = s->in_flight - rn_min_u32(bytes, s->in_flight);
    uint64_t lost_before = s->lost - rn_min_u64(bytes, s->lost);
    uint64_t allowed = rn_bbr_share(before, RN_BBR_LOSS_THRESH_PCT);
    uint64_t prefix =
        allowed > lost_before ? (allowed - lost_before) * 100 / (100 - RN_BBR_LOSS_THRESH_PCT) : 0;

    return rn_sat_u32(before + prefix);
}

static void on_lost(struct rn_tcp *conn, const struct rn_tcp_rec *rec)
{
    struct rn_bbr *bbr = conn->cc.state;
    struct sample s = { .lost = conn->flight->rate.lost - rec->lost,
                        .in_flight = rec->tx_in_flight,
                        .is_app_limited = rec->is_app_limited };

    if (bbr == NULL)
        return;
    rn_bbr_note_loss(conn, bbr);
    if (!rn_seq_eq(rec->seq, bbr->lost_end))
        bbr->lost_ranges = rn_sat_u8((uint64_t)bbr->lost_ranges + 1);
    bbr->lost_end = rec->end;
    if (!bbr->is_probe_sample || !is_too_high(conn, &s))
        return;
    s.in_flight = in_flight_at_loss(&s, rn_tcp_rec_len(rec));
    on_too_high(conn, bbr, &s);
}

static void on_mark(struct rn_tcp *conn)
{
    struct rn_bbr *bbr = conn->cc.state;
    struct sample s = { .in_flight = rn_tcp_pipe(conn),
                        .is_app_limited = conn->flight->rate.app_limited != 0 };

    if (bbr == NULL)
        return;
    rn_bbr_note_loss(conn, bbr);
    bbr->is_mark_in_round = true;
    if (bbr->is_probe_sample)
        on_too_high(conn, bbr, &s);
}

/* --- STARTUP and DRAIN (§5.3.1, §5.3.2) -------------------------------------------------------------------------------- */

static void check_full_bw(struct rn_bbr *bbr, const struct rn_tcp_ack *ack)
{
    uint64_t rate = ack->rate_bytes_per_s;

    if (bbr->is_full_bw_now || !bbr->is_round_start || ack->is_app_limited)
        return;
    if (rate * 100 >= bbr->full_bw * STARTUP_FULL_BW_PCT) {
        rn_bbr_reset_full_bw(bbr);
        bbr->full_bw = rate;
        return;
    }
    bbr->full_bw_count++;
    bbr->is_full_bw_now = bbr->full_bw_count >= STARTUP_FULL_BW_ROUNDS;
    bbr->is_full_bw_reached |= bbr->is_full_bw_now;
}

/* A round trip of losses that pacing alone would not have caused. */
static bool is_startup_over(const struct rn_tcp *conn, const struct rn_bbr *bbr,
                            const struct rn_tcp_ack *ack)
{
    struct sample s = { .lost = conn->flight->rate.lost - ack->snap_lost,
                        .in_flight = ack->snap_in_flight };

    if (!bbr->is_loss_round_start || !bbr->is_loss_in_round)
        return false;
    if (bbr->is_mark_in_round)
        return true;
    if (conn->cc.ca_state != RN_TCP_CA_RECOVERY)
        return false;
    if ((conn->flags & RN_TCPF_SACK) == 0)
        return true;
    return bbr->lost_ranges >= STARTUP_LOST_RANGES && is_too_high(conn, &s);
}

static void check_startup(struct rn_tcp *conn, struct rn_bbr *bbr, const struct rn_tcp_ack *ack)
{
    if (bbr->state != RN_BBR_STARTUP)
        return;
    if (!bbr->is_full_bw_reached && is_startup_over(conn, bbr, ack)) {
        bbr->undo.state = RN_BBR_STARTUP;
        bbr->undo.has_state = true;
        bbr->is_full_bw_reached = true;
        bbr->inflight_long = rn_max_u32(rn_bbr_bdp(conn, bbr, 100), bbr->inflight_latest);
    }
    if (bbr->is_full_bw_reached)
        leave_startup(bbr);
}

static void check_drain(struct rn_tcp *conn, struct rn_bbr *bbr)
{
    if (bbr->state == RN_BBR_DRAIN &&
        (rn_tcp_pipe(conn) <= inflight_for(conn, bbr) ||
         bbr->round_count > bbr->drain_start_round + DRAIN_ROUNDS_MAX))
        start_down(conn, bbr);
}

/* --- PROBE_BW (§5.3.3) ------------------------------------------------------------------------------------------------- */

static void raise_inflight(struct rn_tcp *conn, struct rn_bbr *bbr, const struct rn_tcp_ack *ack)
{
    if (!is_cwnd_limited(conn) || conn->cc.cwnd < bbr->inflight_long)
        return;
    bbr->probe_up_bytes += ack->delivered;
    if (bbr->probe_up_bytes >= bbr->probe_up_step_cost) {
        uint32_t steps = bbr->probe_up_bytes / bbr->probe_up_step_cost;

        bbr->probe_up_bytes -= steps * bbr->probe_up_step_cost;
        bbr->inflight_long = rn_sat_u32(bbr->inflight_long + (uint64_t)steps * conn->snd.mss);
    }
    if (bbr->is_round_start)
        raise_slope(conn, bbr);
}

/* A round trip after the probe its last ACKs have come. true: it decided on a state. */
static bool end_of_probe(struct rn_tcp *conn, struct rn_bbr *bbr, const struct rn_tcp_ack *ack)
{
    bbr->is_probe_sample = false;
    bbr->acks = RN_BBR_ACKS_INIT;
    if (!rn_bbr_is_probe_bw(bbr))
        return false;
    if (!ack->is_app_limited)
        rn_bbr_advance_max_bw(bbr);
    if (!bbr->was_probe_precautionary || bbr->was_probe_too_high)
        return false;
    start_refill(conn, bbr);
    return true;
}

/* The bound on what is in flight follows what went well. true: it decided on a state. */
static bool adapt_long_term(struct rn_tcp *conn, struct rn_bbr *bbr, const struct rn_tcp_ack *ack)
{
    struct sample s = { .lost = conn->flight->rate.lost - ack->snap_lost,
                        .in_flight = ack->snap_in_flight };

    if (bbr->acks == RN_BBR_ACKS_STARTING && bbr->is_round_start)
        bbr->acks = RN_BBR_ACKS_FEEDBACK;
    if (bbr->acks == RN_BBR_ACKS_STOPPING && bbr->is_round_start && end_of_probe(conn, bbr, ack))
        return true;
    if (!ack->has_newest || is_too_high(conn, &s) || bbr->inflight_long == RN_BBR_NO_VOLUME)
        return false;
    bbr->inflight_long = rn_max_u32(bbr->inflight_long, s.in_flight);
    if (bbr->state == RN_BBR_UP)
        raise_inflight(conn, bbr, ack);
    return false;
}

/* Probe no more often than Reno would grow by a window, that it may live beside us (§5.3.3.8). */
static bool is_time_to_probe(const struct rn_tcp *conn, const struct rn_bbr *bbr)
{
    int64_t waited_us = (rn_tcp_now_ns(conn) - bbr->cycle_at_ns) / RN_NS_PER_US;
    uint32_t reno_rounds = target_inflight(conn, bbr) / conn->snd.mss;

    return waited_us > bbr->probe_wait_us ||
           bbr->rounds_since_probe >= rn_min_u32(reno_rounds, RENO_ROUNDS_MAX);
}

static bool is_time_to_cruise(const struct rn_tcp *conn, const struct rn_bbr *bbr)
{
    uint32_t inflight = rn_tcp_pipe(conn);

    return inflight <= inflight_with_headroom(conn, bbr) && inflight <= inflight_for(conn, bbr);
}

static bool is_time_to_go_down(struct rn_tcp *conn, struct rn_bbr *bbr,
                               const struct rn_tcp_ack *ack)
{
    if (bbr->was_probe_too_high && rn_tcp_pipe(conn) >= bbr->inflight_long) {
        bbr->was_probe_precautionary = true;
        return true;
    }
    if (is_cwnd_limited(conn) && conn->cc.cwnd >= bbr->inflight_long) {
        rn_bbr_reset_full_bw(bbr); /* it is our own bound that keeps the rate from growing */
        bbr->full_bw = ack->rate_bytes_per_s;
        return false;
    }
    return bbr->is_full_bw_now;
}

static void update_cycle(struct rn_tcp *conn, struct rn_bbr *bbr, const struct rn_tcp_ack *ack)
{
    if (!bbr->is_full_bw_reached || adapt_long_term(conn, bbr, ack))
        return;
    switch ((enum rn_bbr_state)bbr->state) {
    case RN_BBR_DOWN:
        if (is_time_to_probe(conn, bbr))
            start_refill(conn, bbr);
        else if (is_time_to_cruise(conn, bbr))
            bbr->state = RN_BBR_CRUISE;
        break;
    case RN_BBR_CRUISE:
        if (is_time_to_probe(conn, bbr))
            start_refill(conn, bbr);
        break;
    case RN_BBR_REFILL:
        if (!bbr->is_round_start)
            break;
        bbr->is_probe_sample = true;
        start_up(conn, bbr, ack);
        break;
    case RN_BBR_UP:
        if (!is_time_to_go_down(conn, bbr, ack))
            break;
        bbr->was_probe_too_high = false;
        start_down(conn, bbr);
        break;
    case RN_BBR_STARTUP:
    case RN_BBR_DRAIN:
    case RN_BBR_PROBE_RTT:
        break;
    }
}

/* --- PROBE_RTT (§5.3.4) ------------------------------------------------------------------------------------------------ */

static void restore_cwnd(struct rn_tcp *conn, const struct rn_bbr *bbr)
{
    conn->cc.cwnd = rn_max_u32(conn->cc.cwnd, bbr->prior_cwnd);
}

static void leave_probe_rtt(struct rn_tcp *conn, struct rn_bbr *bbr)
{
    bbr->probe_rtt_min_at_ns = rn_tcp_now_ns(conn);
    restore_cwnd(conn, bbr);
    rn_bbr_reset_short_term(bbr);
    if (!bbr->is_full_bw_reached) {
        bbr->state = RN_BBR_STARTUP;
        return;
    }
    start_down(conn, bbr);
    bbr->state = RN_BBR_CRUISE; /* there is no queue to let out */
}

static void check_probe_rtt_done(struct rn_tcp *conn, struct rn_bbr *bbr)
{
    if (bbr->probe_rtt_done_ns != 0 && rn_tcp_now_ns(conn) > bbr->probe_rtt_done_ns)
        leave_probe_rtt(conn, bbr);
}

static void enter_probe_rtt(struct rn_tcp *conn, struct rn_bbr *bbr)
{
    rn_bbr_save(conn, bbr);
    bbr->state = RN_BBR_PROBE_RTT;
    bbr->probe_rtt_done_ns = 0;
    bbr->acks = RN_BBR_ACKS_STOPPING;
    rn_bbr_start_round(conn, bbr);
}

static void be_in_probe_rtt(struct rn_tcp *conn, struct rn_bbr *bbr)
{
    rn_tcp_rate_mark_limited(conn);
    if (bbr->probe_rtt_done_ns == 0) {
        if (rn_tcp_pipe(conn) > probe_rtt_cwnd(conn, bbr))
            return;
        bbr->probe_rtt_done_ns = rn_tcp_now_ns(conn) + PROBE_RTT_NS;
        bbr->is_probe_rtt_round_done = false;
        rn_bbr_start_round(conn, bbr);
        return;
    }
    bbr->is_probe_rtt_round_done |= bbr->is_round_start;
    if (bbr->is_probe_rtt_round_done)
        check_probe_rtt_done(conn, bbr);
}

static void check_probe_rtt(struct rn_tcp *conn, struct rn_bbr *bbr, const struct rn_tcp_ack *ack)
{
    if (bbr->state != RN_BBR_PROBE_RTT && bbr->is_probe_rtt_due && !bbr->is_idle_restart)
        enter_probe_rtt(conn, bbr);
    if (bbr->state == RN_BBR_PROBE_RTT)
        be_in_probe_rtt(conn, bbr);
    if (ack->rate_bytes != 0)
        bbr->is_idle_restart = false;
}

/* --- what is controlled (§5.6) ----------------------------------------------------------------------------------------- */

static void set_pacing_rate(struct rn_bbr *bbr, uint32_t gain_pct)
{
    uint64_t rate = bbr->bw * gain_pct / 100 * (100 - PACING_MARGIN_PCT) / 100;

    if (rate != 0 && (bbr->is_full_bw_reached || rate > bbr->pacing_rate))
        bbr->pacing_rate = rate;
}

static uint32_t bound_of(const struct rn_tcp *conn, const struct rn_bbr *bbr)
{
    uint32_t bound = RN_BBR_NO_VOLUME;

    if (bbr->state == RN_BBR_CRUISE || bbr->state == RN_BBR_PROBE_RTT)
        bound = inflight_with_headroom(conn, bbr);
    else if (rn_bbr_is_probe_bw(bbr))
        bound = bbr->inflight_long;
    bound = rn_min_u32(bound, bbr->inflight_short);
    return rn_max_u32(bound, pipe_min(conn));
}

static void set_cwnd(struct rn_tcp *conn, struct rn_bbr *bbr, const struct rn_tcp_ack *ack)
{
    uint32_t want = rn_bbr_bdp(conn, bbr, gains[bbr->state].cwnd);

    want = rn_sat_u32((uint64_t)want + rn_max_u32(bbr->extra_acked[0], bbr->extra_acked[1]));
    bbr->max_inflight = with_quanta(conn, bbr, want);
    if (bbr->is_full_bw_reached || conn->cc.cwnd < bbr->max_inflight ||
        conn->flight->rate.delivered < rn_tcp_cc_initial_window(conn))
        rn_tcp_cc_grow(conn, ack->delivered);
    if (bbr->is_full_bw_reached)
        conn->cc.cwnd = rn_min_u32(conn->cc.cwnd, bbr->max_inflight);
    conn->cc.cwnd = rn_max_u32(conn->cc.cwnd, pipe_min(conn));
    if (bbr->state == RN_BBR_PROBE_RTT)
        conn->cc.cwnd = rn_min_u32(conn->cc.cwnd, probe_rtt_cwnd(conn, bbr));
    conn->cc.cwnd = rn_min_u32(conn->cc.cwnd, bound_of(conn, bbr));
}

/* --- life -------------------------------------------------------------------------------------------------------------- */

static void begin(struct rn_tcp *conn, struct rn_bbr *bbr)
{
    int64_t now_ns = rn_tcp_now_ns(conn);
    uint32_t srtt_us = conn->rtt.srtt_us;
    uint64_t window = rn_tcp_cc_initial_window(conn);

    bbr->is_ready = true;
    bbr->state = RN_BBR_STARTUP;
    bbr->min_rtt_us = srtt_us != 0 ? srtt_us : UINT32_MAX;
    bbr->probe_rtt_min_us = UINT32_MAX;
    bbr->min_rtt_at_ns = now_ns;
    bbr->probe_rtt_min_at_ns = now_ns;
    bbr->extra_from_ns = now_ns;
    bbr->inflight_long = RN_BBR_NO_VOLUME;
    bbr->probe_up_step_cost = UINT32_MAX;
    rn_bbr_reset_short_term(bbr);
    if (conn->flight != NULL)
        rn_bbr_start_round(conn, bbr);
    bbr->pacing_rate = window * 1000000 / (srtt_us != 0 ? srtt_us : FIRST_RTT_US) *
                       gains[RN_BBR_STARTUP].pacing / 100;
}

/* NULL: out of memory. */
static struct rn_bbr *state_of(struct rn_tcp *conn)
{
    struct rn_bbr *bbr = rn_tcp_cc_state(conn);

    if (bbr != NULL && !bbr->is_ready)
        begin(conn, bbr);
    return bbr;
}

/* Without memory for a model the window stays as it is, and grows as Reno's would. */
static void control(struct rn_tcp *conn, const struct rn_tcp_ack *ack)
{
    struct rn_bbr *bbr = state_of(conn);

    if (bbr == NULL || ack->delivered == 0) {
        if (bbr == NULL && ack->acked != 0)
            rn_tcp_cc_avoid(conn, ack->acked);
        return;
    }
    rn_bbr_model_on_ack(conn, bbr, ack);
    check_full_bw(bbr, ack);
    check_startup(conn, bbr, ack);
    check_drain(conn, bbr);
    update_cycle(conn, bbr, ack);
    rn_bbr_model_min_rtt(bbr, ack);
    check_probe_rtt(conn, bbr, ack);
    rn_bbr_model_advance(bbr, ack);
    set_pacing_rate(bbr, gains[bbr->state].pacing);
    set_cwnd(conn, bbr, ack);
}

/* An episode begins (fast recovery, timeout, ECN): the model answers to it in its own way, and there is no threshold. */
static uint32_t on_episode(struct rn_tcp *conn, enum rn_tcp_cc_sign sign)
{
    struct rn_bbr *bbr = state_of(conn);

    (void)sign; /* on_mark() tells of it */
    if (bbr != NULL)
        rn_bbr_note_loss(conn, bbr);
    return conn->cc.ssthresh;
}

static void on_recovered(struct rn_tcp *conn)
{
    const struct rn_bbr *bbr = conn->cc.state;

    if (bbr != NULL)
        restore_cwnd(conn, bbr);
}

/* §5.5.11.2: nothing was lost. A probe that was broken off for it is taken up again. */
static void undo(struct rn_tcp *conn)
{
    struct rn_bbr *bbr = conn->cc.state;

    if (bbr == NULL)
        return;
    restore_cwnd(conn, bbr);
    bbr->is_loss_in_round = false;
    rn_bbr_reset_full_bw(bbr);
    bbr->bw_short = rn_max_u64(bbr->bw_short, bbr->undo.bw_short);
    bbr->inflight_short = rn_max_u32(bbr->inflight_short, bbr->undo.inflight_short);
    bbr->inflight_long = rn_max_u32(bbr->inflight_long, bbr->undo.inflight_long);
    if (bbr->undo.has_state && bbr->undo.state == RN_BBR_STARTUP)
        bbr->is_full_bw_reached = false;
    if (bbr->undo.has_state && bbr->state != RN_BBR_PROBE_RTT && bbr->state != bbr->undo.state) {
        if (bbr->undo.state == RN_BBR_STARTUP)
            bbr->state = RN_BBR_STARTUP;
        else
            start_refill(conn, bbr);
    }
    bbr->undo.has_state = false;
}

/* §5.4.1: what was learnt stays true; only the rate is neither raised nor lowered by the probe that was going on. */
static void on_restart(struct rn_tcp *conn)
{
    struct rn_bbr *bbr = state_of(conn);

    if (bbr == NULL || conn->flight->rate.app_limited == 0)
        return;
    bbr->is_idle_restart = true;
    bbr->extra_from_ns = rn_tcp_now_ns(conn);
    bbr->extra_bytes = 0;
    if (rn_bbr_is_probe_bw(bbr))
        set_pacing_rate(bbr, 100);
    else if (bbr->state == RN_BBR_PROBE_RTT)
        check_probe_rtt_done(conn, bbr);
}

static void on_flight(struct rn_tcp *conn)
{
    struct rn_bbr *bbr = conn->cc.state;

    if (bbr == NULL)
        return;
    bbr->round_end = 0;
    bbr->loss_round_end = 0;
}

static uint64_t pacing_rate(const struct rn_tcp *conn)
{
    const struct rn_bbr *bbr = conn->cc.state;

    return bbr == NULL ? 0 : bbr->pacing_rate;
}

/* Only control() moves cwnd. */
static void on_ack(struct rn_tcp *conn, const struct rn_tcp_ack *ack)
{
    (void)conn;
    (void)ack;
}

const struct rn_tcp_cc_ops rn_tcp_bbr = {
    .name = "bbr",
    .on_ack = on_ack,
    .ssthresh = on_episode,
    .undo = undo,
    .state_bytes = sizeof(struct rn_bbr),
    .control = control,
    .on_lost = on_lost,
    .on_mark = on_mark,
    .on_recovered = on_recovered,
    .on_restart = on_restart,
    .on_flight = on_flight,
    .pacing_rate = pacing_rate,
};
