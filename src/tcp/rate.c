/*
 * Delivery rate samples (draft-ietf-ccwg-bbr §4.1): bytes delivered over the longer of the time in which they were sent
 * and that in which they were acknowledged. And pacing: a departure time per connection.
 */
#include "tcp/cc.h"

/* A departure carries what the rate allows in this time; and timers that fire late by so much cost no throughput. */
#define PACE_BURST_NS RN_NS_PER_MS

/* --- samples -------------------------------------------------------------------------------------------------------- */

void rn_tcp_rate_sent(struct rn_tcp *conn, struct rn_tcp_rec *rec)
{
    struct rn_tcp_rate *rate = &conn->flight->rate;
    int64_t now_ns = rn_tcp_now_ns(conn);

    if (conn->flight->pipe == 0) {
        rate->first_sent_ns = now_ns;
        rate->delivered_ns = now_ns;
    }
    rec->sent_ns = now_ns;
    rec->first_sent_ns = rate->first_sent_ns;
    rec->delivered_ns = rate->delivered_ns;
    rec->delivered = rate->delivered;
    rec->lost = rate->lost;
    rec->tx_in_flight = rn_tcp_pipe(conn) + rn_tcp_rec_len(rec);
    rec->is_app_limited = rate->app_limited != 0;
}

void rn_tcp_rate_delivered(struct rn_tcp *conn, struct rn_tcp_ack *ack,
                           const struct rn_tcp_rec *rec, uint32_t bytes)
{
    struct rn_tcp_rate *rate = &conn->flight->rate;

    rate->delivered += bytes;
    rate->delivered_ns = ack->now_ns;
    if (ack->has_newest &&
        (rec->sent_ns < ack->newest_sent_ns ||
         (rec->sent_ns == ack->newest_sent_ns && rec->delivered < ack->snap_delivered)))
        return;
    ack->has_newest = true;
    ack->newest_sent_ns = rec->sent_ns;
    ack->snap_first_sent_ns = rec->first_sent_ns;
    ack->snap_delivered_ns = rec->delivered_ns;
    ack->snap_delivered = rec->delivered;
    ack->snap_lost = rec->lost;
    ack->snap_in_flight = rec->tx_in_flight;
    ack->is_app_limited = rec->is_app_limited;
}

void rn_tcp_rate_sample(struct rn_tcp *conn, struct rn_tcp_ack *ack)
{
    struct rn_tcp_rate *rate = &conn->flight->rate;
    int64_t interval_ns;

    if (rate->app_limited != 0 && rate->delivered > rate->app_limited)
        rate->app_limited = 0;
    if (!ack->has_newest)
        return;
    rate->first_sent_ns = ack->newest_sent_ns;
    ack->rate_bytes = rn_sat_u32(rate->delivered - ack->snap_delivered);
    interval_ns = rn_max_i64(ack->newest_sent_ns - ack->snap_first_sent_ns,
                             ack->now_ns - ack->snap_delivered_ns);
    /* Shorter than any round trip: ACKs were compressed, the quotient would be noise. */
    if (interval_ns <= 0 || interval_ns / RN_NS_PER_US < conn->rtt.min_us)
        return;
    ack->rate_bytes_per_s =
        (uint64_t)ack->rate_bytes * 1000000 / rn_max_u64((uint64_t)(interval_ns / 1000), 1);
    if (!ack->is_app_limited || ack->rate_bytes_per_s >= rate->bytes_per_s) {
        rate->bytes_per_s = ack->rate_bytes_per_s;
        rate->is_sample_app_limited = ack->is_app_limited;
    }
}

void rn_tcp_rate_mark_limited(struct rn_tcp *conn)
{
    struct rn_tcp_rate *rate = &conn->flight->rate;

    rate->app_limited = rn_max_u64(rate->delivered + rn_tcp_pipe(conn), 1);
}

void rn_tcp_rate_app_limited(struct rn_tcp *conn)
{
    if (rn_tcp_pipe(conn) < conn->cc.cwnd && rn_list_is_empty(&conn->flight->lost))
        rn_tcp_rate_mark_limited(conn);
}

#define PACKED_BITS    10u
#define PACKED_LIMITED (1u << 15)

uint16_t rn_tcp_rate_pack(const struct rn_tcp_rate *rate)
{
    uint64_t digits = rate->bytes_per_s;
    unsigned shift = 0;

    while (digits >> PACKED_BITS != 0 && shift < 31) {
        digits >>= 1;
        shift++;
    }
    digits = rn_min_u64(digits, (1u << PACKED_BITS) - 1);
    return (uint16_t)(digits | shift << PACKED_BITS |
                      (rate->is_sample_app_limited ? PACKED_LIMITED : 0));
}

uint64_t rn_tcp_rate_unpack(uint16_t packed, bool *ret_is_app_limited)
{
    uint64_t digits = packed & ((1u << PACKED_BITS) - 1);

    *ret_is_app_limited = (packed & PACKED_LIMITED) != 0;
    return digits << (packed >> PACKED_BITS & 31);
}

/* --- pacing --------------------------------------------------------------------------------------------------------- */

/* Bytes per second; 0: as fast as windows allow, which is how loss-based controllers run by default. */
uint64_t rn_tcp_pacing_rate(const struct rn_tcp *conn)
{
    uint64_t limit = rn_tcp_cold_get(conn)->max_pacing_rate;
    uint64_t rate = conn->cc.ops->pacing_rate == NULL ? 0 : conn->cc.ops->pacing_rate(conn);

    if (limit == UINT64_MAX)
        return rate;
    return rate == 0 ? limit : rn_min_u64(rate, limit);
}

uint32_t rn_tcp_pace_quantum(const struct rn_tcp *conn)
{
    uint64_t rate = rn_tcp_pacing_rate(conn);

    if (rate == 0)
        return UINT32_MAX;
    return rn_max_u32(rn_sat_u32(rate / (uint64_t)(RN_NS_PER_S / PACE_BURST_NS)),
                      2u * conn->snd.mss);
}

bool rn_tcp_pace_holds(struct rn_tcp *conn)
{
    int64_t departure_ns = conn->flight->pace_ns;

    if (departure_ns <= rn_tcp_now_ns(conn) || rn_tcp_pacing_rate(conn) == 0)
        return false;
    rn_tcp_timers_pace(conn, departure_ns);
    return true;
}

void rn_tcp_pace_sent(struct rn_tcp *conn, uint32_t bytes)
{
    struct rn_tcp_flight *flight = conn->flight;
    uint64_t rate = rn_tcp_pacing_rate(conn);
    int64_t least_ns = rn_tcp_now_ns(conn) - PACE_BURST_NS;

    if (rate == 0)
        return;
    /* After a pause there is no lateness to make up. */
    if (flight->pace_ns < least_ns)
        flight->pace_ns = rn_tcp_now_ns(conn);
    flight->pace_ns += (int64_t)((uint64_t)bytes * (uint64_t)RN_NS_PER_S / rate);
}
