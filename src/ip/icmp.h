#pragma once
/* What ICMP of both families does alike: echo, and handing errors to the conversation they are about. */
#include "ip/ip.h"
#include "wire/quote.h"

/* Consumes @pkt, an echo request to us starting at its ICMP header (verified): turns it around as @reply_type. */
void rn_echo_answer(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ip_in *ip,
                    uint8_t reply_type);
/* Tells the transport that @q names; it decides whether to believe. */
void rn_icmp_tell(struct rn_nic *nic, const struct rn_quote *q, struct rn_icmp_err *err);
/* The contiguous beginning of a message, at most @max bytes, copied to @buf if it is not contiguous in @pkt. */
struct rn_view rn_icmp_front(const struct rn_pkt *pkt, uint8_t *buf, size_t max);
