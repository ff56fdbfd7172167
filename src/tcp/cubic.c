/* CUBIC (RFC 9438): C = 0.4, beta = 0.7, fast convergence, the Reno-friendly region, HyStart++ in slow start. */
#include "tcp/cubic.h"

#include "tcp/cc.h"

#define MS_PER_S     1000
#define T_MAX_MS     100000 /* (t - K)^3 in ms stays within 2^50 */
#define BETA_NUM     7u     /* §4.6 */
#define BETA_DEN     10u
#define BETA_ECN_NUM 17u /* RFC 8511 */
#define BETA_ECN_DEN 20u
#define ALPHA_NUM    9u /* §4.3: 3 (1 - beta) / (1 + beta) = 9/17 */
#define ALPHA_DEN    17u
#define FASTCONV_NUM 17u /* §4.7: (1 + beta) / 2 = 17/20 */
#define FASTCONV_DEN 20u

struct cubic {
    int64_t epoch_ns; /* start of this congestion avoidance stage; 0 none */
    int64_t grown_ns; /* when cwnd last had leave to grow */
    uint32_t w_max;
    uint32_t k_ms;
    uint32_t w_est;      /* Reno-friendly window */
    uint32_t cwnd_prior; /* window at the last congestion event */
    uint32_t rest;       /* of the last division, times cwnd */
    uint64_t est_rest;   /* the same of w_est */
    uint32_t undo_w_max;
    uint32_t undo_cwnd_prior;
    struct rn_tcp_hystart hystart;
};

uint32_t rn_cubic_root(uint64_t v)
{
    uint64_t root = 0;

    /* Bit by bit from the top; 22 bits hold the cube root of any 64-bit number. */
    for (int bit = 21; bit >= 0; bit--) {
        uint64_t candidate = root | 1ull << bit;

        if (candidate <= 2642245 && candidate * candidate * candidate <= v)
            root = candidate;
    }
    return (uint32_t)root;
}

/* K = cbrt((W_max - cwnd) / C) with windows in segments: in ms, cbrt(segments / 0.4 * 10^9). */
uint32_t rn_cubic_k_ms(uint32_t w_max, uint32_t cwnd, uint32_t mss)
{
    uint64_t below = w_max > cwnd ? w_max - cwnd : 0;

    return rn_cubic_root(below * 2500000 / mss * MS_PER_S);
}

/* W(t) = C (t - K)^3 + W_max, in bytes: 0.4 mss d^3 / 10^9 with d in ms. */
uint32_t rn_cubic_window(uint32_t w_max, uint32_t k_ms, int64_t t_ms, uint32_t mss)
{
    int64_t d = t_ms - (int64_t)k_ms;
    int64_t delta;

    d = rn_max_i64(-T_MAX_MS, rn_min_i64(d, T_MAX_MS));
    /* d^3 <= 10^15; divided by 10^4 before the mss comes in, so that 2^16 more fit. */
    delta = d * d * d / 10000 * (int64_t)mss / 250000;
    if (delta < 0)
        return (uint64_t)-delta >= w_max ? 0 : w_max - (uint32_t)-delta;
    return rn_sat_u32((uint64_t)w_max + (uint64_t)delta);
}

static void begin_epoch(struct rn_tcp *conn, struct cubic *cubic, int64_t now_ns)
{
    uint32_t cwnd = conn->cc.cwnd;

    cubic->epoch_ns = now_ns;
    cubic->grown_ns = now_ns;
    /* §4.8, §4.10: after a timeout or idle the window may be above what we remember. */
    cubic->w_max = rn_max_u32(cubic->w_max, cwnd);
    cubic->k_ms = rn_cubic_k_ms(cubic->w_max, cwnd, conn->snd.mss);
    cubic->w_est = cwnd;
    cubic->rest = 0;
}

/* §4.3: what Reno with CUBIC's beta would have by now. */
static void grow_estimate(struct rn_tcp *conn, struct cubic *cubic, uint32_t acked)
{
    uint64_t cwnd = (uint64_t)rn_max_u32(conn->cc.cwnd, 1) * ALPHA_DEN;
    uint32_t alpha = cubic->w_est < cubic->cwnd_prior ? ALPHA_NUM : ALPHA_DEN;
    uint64_t gain = (uint64_t)conn->snd.mss * acked * alpha + cubic->est_rest;

    cubic->est_rest = gain % cwnd;
    cubic->w_est = rn_sat_u32(cubic->w_est + gain / cwnd);
}

/* §4.2, §5.8: time in which the application did not fill cwnd is no time in which it would have grown. */
static void skip_unused_time(const struct rn_tcp *conn, struct cubic *cubic, int64_t now_ns)
{
    int64_t round_ns = rn_max_i64((int64_t)conn->rtt.srtt_us * RN_NS_PER_US, RN_NS_PER_MS);
    int64_t gap_ns = now_ns - cubic->grown_ns;

    if (gap_ns > 2 * round_ns)
        cubic->epoch_ns += gap_ns - round_ns;
    cubic->grown_ns = now_ns;
}

/* §4.2: the window aimed at one RTT from now, within [cwnd, 1.5 cwnd]. */
static uint32_t target(const struct rn_tcp *conn, const struct cubic *cubic, int64_t now_ns)
{
    int64_t t_ms = (now_ns - cubic->epoch_ns) / RN_NS_PER_MS + conn->rtt.srtt_us / 1000;
    uint32_t window = rn_cubic_window(cubic->w_max, cubic->k_ms, t_ms, conn->snd.mss);
    uint32_t cwnd = conn->cc.cwnd;

    return rn_max_u32(cwnd, rn_min_u32(window, cwnd + cwnd / 2));
}

static void avoid(struct rn_tcp *conn, struct cubic *cubic, const struct rn_tcp_ack *ack,
                  uint32_t acked)
{
    uint32_t cwnd = rn_max_u32(conn->cc.cwnd, 1);
    uint64_t gain;

    if (cubic->epoch_ns == 0)
        begin_epoch(conn, cubic, ack->now_ns);
    skip_unused_time(conn, cubic, ack->now_ns);
    grow_estimate(conn, cubic, acked);
    gain = (uint64_t)(target(conn, cubic, ack->now_ns) - conn->cc.cwnd) * acked + cubic->rest;
    cubic->rest = (uint32_t)(gain % cwnd);
    rn_tcp_cc_grow(conn, rn_sat_u32(gain / cwnd));
    if (conn->cc.cwnd < cubic->w_est)
        rn_tcp_cc_grow(conn, cubic->w_est - conn->cc.cwnd);
}

static void on_ack(struct rn_tcp *conn, const struct rn_tcp_ack *ack)
{
    struct cubic *cubic = rn_tcp_cc_state(conn);
    uint32_t left = ack->credit;

    if (cubic == NULL) {
        rn_tcp_reno.on_ack(conn, ack);
        return;
    }
    if (rn_tcp_cc_in_slow_start(conn)) {
        uint32_t step = rn_tcp_hystart_ack(conn, &cubic->hystart, ack);

        left = rn_tcp_cc_in_slow_start(conn) ? rn_tcp_cc_slow_start(conn, step) : left;
    }
    if (left != 0)
        avoid(conn, cubic, ack, left);
}

/* Less for a mark in congestion avoidance: who marks keeps the queue short, and it would run dry. */
static uint32_t reduced(const struct rn_tcp *conn, enum rn_tcp_cc_sign sign)
{
    uint64_t cwnd = conn->cc.cwnd;

    if (sign == RN_TCP_CC_MARKED && !rn_tcp_cc_in_slow_start(conn))
        return (uint32_t)(cwnd * BETA_ECN_NUM / BETA_ECN_DEN);
    return (uint32_t)(cwnd * BETA_NUM / BETA_DEN);
}

static uint32_t ssthresh(struct rn_tcp *conn, enum rn_tcp_cc_sign sign)
{
    struct cubic *cubic = rn_tcp_cc_state(conn);
    uint32_t cwnd = conn->cc.cwnd;

    if (cubic != NULL) {
        cubic->undo_w_max = cubic->w_max;
        cubic->undo_cwnd_prior = cubic->cwnd_prior;
        cubic->cwnd_prior = cwnd;
        cubic->epoch_ns = 0;
        /* §4.7 fast convergence: we did not reach the old peak, so somebody else is there. */
        cubic->w_max =
            cwnd < cubic->w_max ? (uint32_t)((uint64_t)cwnd * FASTCONV_NUM / FASTCONV_DEN) : cwnd;
    }
    return rn_max_u32(reduced(conn, sign), 2u * conn->snd.mss);
}

static void undo(struct rn_tcp *conn)
{
    struct cubic *cubic = conn->cc.state;

    if (cubic == NULL)
        return;
    cubic->w_max = cubic->undo_w_max;
    cubic->cwnd_prior = cubic->undo_cwnd_prior;
    cubic->epoch_ns = 0;
}

/* §4.8: the stage that follows starts from the window it finds, as if that had been the peak: K is 0. */
static void on_timeout(struct rn_tcp *conn)
{
    struct cubic *cubic = conn->cc.state;

    if (cubic == NULL)
        return;
    cubic->epoch_ns = 0;
    cubic->w_max = 0;
}

/* A loss may be the link's own fault, and it takes a model to tell that from congestion. A mark
 * is congestion. */
static uint32_t hand_over(struct rn_tcp *conn, enum rn_tcp_cc_sign sign)
{
    if (sign == RN_TCP_CC_MARKED)
        return ssthresh(conn, sign);
    rn_tcp_cc_set(conn, &rn_tcp_bbr);
    return rn_tcp_bbr.ssthresh(conn, sign);
}

const struct rn_tcp_cc_ops rn_tcp_cubic = {
    .name = "cubic",
    .on_ack = on_ack,
    .ssthresh = ssthresh,
    .undo = undo,
    .on_timeout = on_timeout,
    .state_bytes = sizeof(struct cubic),
};

const struct rn_tcp_cc_ops rn_tcp_cubic_bbr = {
    .name = "cubic-bbr",
    .on_ack = on_ack,
    .ssthresh = hand_over,
    .undo = undo,
    .on_timeout = on_timeout,
    .state_bytes = sizeof(struct cubic),
};
