#pragma once
/* How long a round trip takes, and how long to wait for one: RFC 6298. */
#include <stdint.h>

struct rn_tcp;

void rn_tcp_rtt_sample(struct rn_tcp *conn, int64_t rtt_us);
/* The retransmission timeout without doublings. */
uint32_t rn_tcp_rto_us(const struct rn_tcp *conn);
/* With those in force. */
int64_t rn_tcp_rto_ns(const struct rn_tcp *conn);
/* The same, but not beyond the user timeout. */
int64_t rn_tcp_rto_capped_ns(const struct rn_tcp *conn);
