#include "tcp/reorder.h"

/*
 * Receive window auto-tuning (dynamic right-sizing, Fisk and Feng 2001, as Linux has refined it): what the application
 * takes off in one round trip, doubled, is the window that does not hold the sender back. It only grows, and not under
 * memory pressure.
 */

#define RTT_MIN_US 1000u

/* What senders within this machine may have on the way together, beyond what their paths hold: sixteen such at full speed
 * lose nothing by it, and a thousand do not fill the device's queue. */
#define LOCAL_ALL_BYTES (96u << 20)
#define LOCAL_MIN_BYTES (256u << 10)

uint8_t rn_tcp_tune_wscale(const struct rn_tcp *conn)
{
    const struct rn_tcp_cold *cold = rn_tcp_cold_get(conn);
    uint32_t largest = rn_max_u32(conn->rcv.buf_max, cold->rcvbuf_most);
    unsigned bits;

    if ((conn->flags & RN_TCPF_RCVBUF_FIXED) != 0)
        largest = conn->rcv.buf_max;
    if (cold->window_clamp != 0)
        largest = rn_min_u32(largest, cold->window_clamp);
    bits = 32u - (unsigned)__builtin_clz(largest | 1);
    return (uint8_t)(bits <= 16 ? 0 : rn_min_u32(bits - 16, RN_TCP_WSCALE_MAX));
}

/* The data answers an ACK of ours that carried ts_ecr: one round trip, more if the peer had nothing to send. */
void rn_tcp_tune_measure(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    struct rn_tcp_rx *rx = conn->rcv.rx;
    uint32_t rtt_ms;
    uint32_t rtt_us;

    if (rx == NULL || !seg->has_opts || !seg->opts.has_ts || seg->data_len < conn->rcv.mss_est)
        return;
    rtt_ms = rn_tcp_ts_now(conn) - seg->opts.ts_ecr;
    if (rtt_ms > 60000)
        return;
    rtt_us = rn_max_u32(rtt_ms * 1000, RTT_MIN_US);
    if (rx->rtt_us == 0 || rtt_us < rx->rtt_us)
        rx->rtt_us = rtt_us;
    else
        rx->rtt_us += (rtt_us - rx->rtt_us) / 8;
}

static uint32_t round_us(const struct rn_tcp *conn, const struct rn_tcp_rx *rx)
{
    uint32_t rtt = rx->rtt_us != 0 ? rx->rtt_us : conn->rtt.srtt_us;

    return rn_max_u32(rtt, RTT_MIN_US);
}

/* The queue that a round trip stands in is no path to be filled: the window that does so only makes it longer. A TUN's queue
 * loses nothing until it overflows, so a thousand senders of 6 MiB each wait in it for half a second and time out. */
static uint64_t without_queue(const struct rn_tcp *conn, const struct rn_tcp_rx *rx, uint64_t want)
{
    uint32_t round = round_us(conn, rx);
    uint32_t path = conn->rtt.min_us != 0 ? rn_min_u32(conn->rtt.min_us, round) : round;

    return want * path / round;
}

static uint32_t local_share(const struct rn_tcp *conn)
{
    uint32_t n = rn_max_u32(rn_tcp_stack_of(conn)->n_receivers, 1);

    return rn_max_u32(LOCAL_ALL_BYTES / n, LOCAL_MIN_BYTES);
}

static void grow(struct rn_tcp *conn, struct rn_tcp_rx *rx)
{
    /* Twice what was taken, since the sender doubles in slow start, and again in proportion to the growth. */
    uint64_t want = 2 * (uint64_t)rx->copied + 16 * (uint64_t)conn->rcv.mss_est;
    uint64_t gain = rx->space != 0 ? want * (rx->copied - rx->space) / rx->space : want;

    want = rn_min_u64(want + 2 * rn_min_u64(gain, want), rn_tcp_cold_get(conn)->rcvbuf_most);
    want = rn_max_u64(without_queue(conn, rx, want), rn_min_u64(want, local_share(conn)));
    if ((conn->flags & RN_TCPF_RCVBUF_FIXED) != 0 ||
        rn_stack_pressure(conn->sock.stack) != RN_PRESSURE_NONE)
        return;
    conn->rcv.buf_max = rn_max_u32(conn->rcv.buf_max, (uint32_t)want);
}

void rn_tcp_tune_consumed(struct rn_tcp *conn, uint32_t len)
{
    struct rn_tcp_rx *rx = conn->rcv.rx;
    int64_t now = rn_tcp_now_ns(conn);

    if (rx == NULL && len < conn->rcv.mss_est)
        return; /* a few bytes now and then need no measure */
    rx = rn_tcp_rx_of(conn);
    if (rx == NULL)
        return;
    rx->copied = rn_sat_u32((uint64_t)rx->copied + len);
    if (rx->round_ns == 0)
        rx->round_ns = now;
    if (now - rx->round_ns < (int64_t)round_us(conn, rx) * RN_NS_PER_US)
        return;
    if (rx->copied > rx->space) {
        grow(conn, rx);
        rx->space = rx->copied;
    }
    rx->copied = 0;
    rx->round_ns = now;
}
