/* HyStart++ (RFC 9406): leaves slow start when the round trip grows, before the queue overflows. */
#include "tcp/cc.h"

/* RFC 9406 §4.3 */
#define MIN_RTT_THRESH_US  4000u
#define MAX_RTT_THRESH_US  16000u
#define MIN_RTT_DIVISOR    8u
#define N_RTT_SAMPLE       8u
#define CSS_GROWTH_DIVISOR 4u
#define CSS_ROUNDS         5u

static uint32_t threshold_us(uint32_t last_min_us)
{
    uint32_t eighth = last_min_us / MIN_RTT_DIVISOR;

    return rn_max_u32(MIN_RTT_THRESH_US, rn_min_u32(eighth, MAX_RTT_THRESH_US));
}

static void begin_round(struct rn_tcp *conn, struct rn_tcp_hystart *hs)
{
    hs->round_end = conn->snd.nxt;
    hs->last_min_us = hs->this_min_us;
    hs->this_min_us = 0;
    hs->n_samples = 0;
}

/* Conservative slow start for five rounds, then congestion avoidance. */
static void count_css_round(struct rn_tcp *conn, struct rn_tcp_hystart *hs)
{
    if (!hs->in_css || ++hs->css_rounds < CSS_ROUNDS)
        return;
    conn->cc.ssthresh = conn->cc.cwnd;
    hs->is_done = true;
}

static void take_sample(struct rn_tcp_hystart *hs, int64_t rtt_us)
{
    uint32_t sample;

    if (rtt_us < 0)
        return;
    sample = rn_sat_u32((uint64_t)rtt_us);
    if (hs->n_samples == 0 || sample < hs->this_min_us)
        hs->this_min_us = rn_max_u32(sample, 1);
    if (hs->n_samples < N_RTT_SAMPLE)
        hs->n_samples++;
}

static void look_at_delay(struct rn_tcp_hystart *hs)
{
    if (hs->n_samples < N_RTT_SAMPLE || hs->last_min_us == 0)
        return;
    if (!hs->in_css && hs->this_min_us >= hs->last_min_us + threshold_us(hs->last_min_us)) {
        hs->css_base_us = hs->this_min_us;
        hs->in_css = true;
        hs->css_rounds = 0;
    } else if (hs->in_css && hs->this_min_us < hs->css_base_us) {
        hs->in_css = false; /* the growth of the delay was a false alarm */
    }
}

uint32_t rn_tcp_hystart_ack(struct rn_tcp *conn, struct rn_tcp_hystart *hs,
                            const struct rn_tcp_ack *ack)
{
    uint32_t step;

    /* RFC 9406 §4.3: for the first slow start only; later ones have an ssthresh to go by. */
    if (hs->is_done || conn->cc.ssthresh != UINT32_MAX)
        return ack->credit;
    if (!hs->is_started || rn_seq_ge(conn->snd.una, hs->round_end)) {
        if (hs->is_started)
            count_css_round(conn, hs);
        begin_round(conn, hs);
        hs->is_started = true;
    }
    take_sample(hs, ack->rtt_us);
    look_at_delay(hs);
    if (!hs->in_css)
        return ack->credit;
    hs->growth += ack->credit;
    step = hs->growth / CSS_GROWTH_DIVISOR;
    hs->growth -= step * CSS_GROWTH_DIVISOR;
    return step;
}
