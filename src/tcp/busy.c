/* Where the time of a sender goes: Linux's tcpi_busy_time, tcpi_rwnd_limited, tcpi_sndbuf_limited. */
#include "tcp/flight.h"

static uint32_t ms_since(const struct rn_tcp *conn, int64_t since_ns)
{
    /* Rounded to the nearest, so that many short flights do not add up to nothing. */
    return rn_sat_u32(
        (uint64_t)((rn_tcp_now_ns(conn) - since_ns + RN_NS_PER_MS / 2) / RN_NS_PER_MS));
}

static uint32_t *sum_of(struct rn_tcp_cold *cold, enum rn_tcp_limit limit)
{
    return limit == RN_TCP_LIMIT_RWND ? &cold->rwnd_limited_ms : &cold->sndbuf_limited_ms;
}

static void end_limit(struct rn_tcp *conn, struct rn_tcp_flight *flight)
{
    uint32_t ms = ms_since(conn, flight->limit_since_ns);
    struct rn_tcp_cold *cold;

    if (flight->limit != RN_TCP_LIMIT_NONE && ms != 0) {
        cold = rn_tcp_cold_of(conn); /* without memory the time goes uncounted */
        if (cold != NULL)
            *sum_of(cold, (enum rn_tcp_limit)flight->limit) += ms;
    }
    flight->limit = RN_TCP_LIMIT_NONE;
}

void rn_tcp_busy_begin(struct rn_tcp *conn)
{
    if (conn->flight->busy_since_ns == 0)
        conn->flight->busy_since_ns = rn_tcp_now_ns(conn);
}

void rn_tcp_busy_held_by(struct rn_tcp *conn, enum rn_tcp_limit limit)
{
    struct rn_tcp_flight *flight = conn->flight;

    if (flight->limit == limit)
        return;
    end_limit(conn, flight);
    flight->limit = (uint8_t)limit;
    flight->limit_since_ns = rn_tcp_now_ns(conn);
}

void rn_tcp_busy_end(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;

    if (flight->busy_since_ns == 0)
        return;
    end_limit(conn, flight);
    conn->busy_ms += ms_since(conn, flight->busy_since_ns);
    flight->busy_since_ns = 0;
}

void rn_tcp_busy_times(const struct rn_tcp *conn, uint32_t *ret_busy, uint32_t *ret_rwnd,
                       uint32_t *ret_sndbuf)
{
    const struct rn_tcp_flight *flight = conn->flight;
    const struct rn_tcp_cold *cold = rn_tcp_cold_get(conn);
    uint32_t limited;

    *ret_busy = conn->busy_ms;
    *ret_rwnd = cold->rwnd_limited_ms;
    *ret_sndbuf = cold->sndbuf_limited_ms;
    if (flight == NULL || flight->busy_since_ns == 0)
        return;
    *ret_busy += ms_since(conn, flight->busy_since_ns);
    limited = ms_since(conn, flight->limit_since_ns);
    if (flight->limit == RN_TCP_LIMIT_RWND)
        *ret_rwnd += limited;
    else if (flight->limit == RN_TCP_LIMIT_SNDBUF)
        *ret_sndbuf += limited;
}
