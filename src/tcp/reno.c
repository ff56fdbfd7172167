/* Reno (RFC 5681) with appropriate byte counting (RFC 3465). */
#include "tcp/cc.h"

static void on_ack(struct rn_tcp *conn, const struct rn_tcp_ack *ack)
{
    uint32_t left = ack->credit;

    if (rn_tcp_cc_in_slow_start(conn))
        left = rn_tcp_cc_slow_start(conn, left);
    if (left != 0)
        rn_tcp_cc_avoid(conn, left);
}

/* RFC 5681 eqn. 4; RFC 8511: 0.8 of it for a mark in congestion avoidance. Slow start overshoots by more. */
static uint32_t ssthresh(struct rn_tcp *conn, enum rn_tcp_cc_sign sign)
{
    uint32_t cwnd = conn->cc.cwnd;
    bool is_gentle = sign == RN_TCP_CC_MARKED && !rn_tcp_cc_in_slow_start(conn);

    return rn_max_u32(is_gentle ? cwnd / 5 * 4 : cwnd / 2, 2u * conn->snd.mss);
}

const struct rn_tcp_cc_ops rn_tcp_reno = {
    .name = "reno",
    .on_ack = on_ack,
    .ssthresh = ssthresh,
};
