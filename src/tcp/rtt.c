/*
 * SRTT, RTTVAR, RTO (RFC 6298). Samples come with every ACK, so the variance is taken as the largest deviation within a
 * round trip: many small samples of one window must not wear it down (RFC 7323 appendix G says why). The floor of
 * 200 ms is on the variance, not on the sum: a peer may delay its ACK by that much whatever the path.
 */
#include "tcp/rtt.h"

#include "tcp/flight.h"

#define RTO_VAR_MIN_US (200 * 1000u)
#define RTO_MAX_US     (120 * 1000 * 1000u)
#define RTO_FIRST_US   (1000 * 1000u) /* RFC 6298 §2.1 */

static uint32_t blend(uint32_t mean, uint32_t sample, unsigned shift)
{
    int64_t delta = (int64_t)sample - mean;

    return (uint32_t)((int64_t)mean + delta / (1 << shift));
}

static uint32_t distance(uint32_t a, uint32_t b)
{
    return a > b ? a - b : b - a;
}

static void first_sample(struct rn_tcp *conn, uint32_t rtt_us)
{
    conn->rtt.srtt_us = rtt_us;
    conn->rtt.rttvar_us = rtt_us / 2;
    if (conn->flight != NULL)
        conn->flight->mdev_us = conn->rtt.rttvar_us;
}

/* At the end of a round trip the largest deviation in it becomes the variance: at once upwards, by a quarter down. */
static void end_round(struct rn_tcp *conn, struct rn_tcp_flight *flight)
{
    if (rn_seq_lt(conn->snd.una, flight->rtt_round))
        return;
    if (flight->mdev_max_us < conn->rtt.rttvar_us)
        conn->rtt.rttvar_us = blend(conn->rtt.rttvar_us, flight->mdev_max_us, 2);
    flight->mdev_max_us = 0;
    flight->rtt_round = conn->snd.nxt;
}

static void next_sample(struct rn_tcp *conn, uint32_t rtt_us)
{
    struct rn_tcp_rtt *rtt = &conn->rtt;
    struct rn_tcp_flight *flight = conn->flight;
    uint32_t deviation = distance(rtt->srtt_us, rtt_us);

    if (flight == NULL) {
        rtt->rttvar_us = blend(rtt->rttvar_us, deviation, 2);
    } else {
        flight->mdev_us = blend(flight->mdev_us, deviation, 2);
        flight->mdev_max_us = rn_max_u32(flight->mdev_max_us, flight->mdev_us);
        rtt->rttvar_us = rn_max_u32(rtt->rttvar_us, flight->mdev_max_us);
        end_round(conn, flight);
    }
    rtt->srtt_us = rn_max_u32(blend(rtt->srtt_us, rtt_us, 3), 1);
}

void rn_tcp_rtt_sample(struct rn_tcp *conn, int64_t rtt_us)
{
    struct rn_tcp_rtt *rtt = &conn->rtt;
    uint32_t sample = rtt_us < 1 ? 1 : rn_sat_u32((uint64_t)rtt_us);

    if (rtt->srtt_us == 0)
        first_sample(conn, sample);
    else
        next_sample(conn, sample);
    if (rtt->min_us == 0 || sample < rtt->min_us)
        rtt->min_us = sample;
}

uint32_t rn_tcp_rto_us(const struct rn_tcp *conn)
{
    const struct rn_tcp_rtt *rtt = &conn->rtt;

    if (rtt->srtt_us == 0)
        return RTO_FIRST_US;
    return (uint32_t)rn_min_u64(
        (uint64_t)rtt->srtt_us + rn_max_u64(4ull * rtt->rttvar_us, RTO_VAR_MIN_US), RTO_MAX_US);
}

int64_t rn_tcp_rto_ns(const struct rn_tcp *conn)
{
    uint64_t rto_us = rn_tcp_rto_us(conn);
    unsigned doublings = conn->rtt.backoff < 20 ? conn->rtt.backoff : 20;

    return (int64_t)rn_min_u64(rto_us << doublings, RTO_MAX_US) * RN_NS_PER_US;
}
