#pragma once
/*
 * ECN: what is asked for, granted and agreed on by the flags of SYN and SYN+ACK, RFC 3168's way or RFC 9768's, of which
 * accecn.h is the rest.
 */
#include "tcp/listen.h"

/* struct rn_tcp_cc.ecn, bits (RFC 3168 §6.1, RFC 9768). */
enum rn_tcp_ecn_bit {
    RN_TCP_ECN_WANTED = 1 << 0,  /* connect() asks for it */
    RN_TCP_ECN_ON = 1 << 1,      /* negotiated: new data is sent as ECT(0) */
    RN_TCP_ECN_ECHO = 1 << 2,    /* CE arrived: every ACK carries ECE until the peer sends CWR */
    RN_TCP_ECN_CWR = 1 << 3,     /* we reduced cwnd: the next new data carries CWR */
    RN_TCP_ECN_REFUSED = 1 << 4, /* not granted to who asks */
    RN_TCP_ECN_ACCURATE_IN = 1 << 5,  /* AccECN is granted to who asks for it, */
    RN_TCP_ECN_ACCURATE_OUT = 1 << 6, /* connect() asks for it */
    RN_TCP_ECN_ACCURATE = 1 << 7,     /* it was negotiated: both sides count (tcp/accecn.h) */
    /* What RN_TCP_ECN sets; connections inherit it of their listener. */
    RN_TCP_ECN_CHOICE =
        RN_TCP_ECN_WANTED | RN_TCP_ECN_REFUSED | RN_TCP_ECN_ACCURATE_IN | RN_TCP_ECN_ACCURATE_OUT,
};

static inline bool rn_tcp_is_accurate(const struct rn_tcp *conn)
{
    return (conn->cc.ecn & RN_TCP_ECN_ACCURATE) != 0;
}

/* @flags of a SYN as they stand for what @choice (rn_tcp_cc.ecn) makes of them: none, (CWR, ECE) for RFC 3168's, or
 * (AE, CWR, ECE). */
uint16_t rn_tcp_ecn_wish(uint8_t choice, uint16_t flags);
/* The flags of the @retries + 1st SYN+ACK that answers @syn (its flags made plain by rn_tcp_ecn_wish). */
uint16_t rn_tcp_ecn_answer(const struct rn_tcp_syn *syn, unsigned retries);
/* Does it still speak of AccECN? From then on ECT is not safe. */
bool rn_tcp_ecn_is_answered(unsigned retries);
/* The flags of the SYN, or SYN+ACK, that @conn sends now. */
uint16_t rn_tcp_ecn_syn_flags(struct rn_tcp *conn);
/* connect(): memory for what will be asked for. Errors: NOMEM. */
RN_MUST_USE int rn_tcp_ecn_prepare(struct rn_tcp *conn);
/* The peer's SYN, SYN+ACK. Errors: NOMEM. */
RN_MUST_USE int rn_tcp_ecn_on_syn(struct rn_tcp *conn, const struct rn_tcp_syn *syn);
void rn_tcp_ecn_on_syn_ack(struct rn_tcp *conn, struct rn_tcp_seg *seg);
/* The handshake is done, by @seg, in SYN-RCVD. */
void rn_tcp_ecn_on_third_ack(struct rn_tcp *conn, struct rn_tcp_seg *seg);
/* The same SYN again. false: it asks for RFC 3168's way now, which was another (§3.1.5): reset. */
RN_MUST_USE bool rn_tcp_ecn_on_syn_again(struct rn_tcp *conn, const struct rn_tcp_seg *seg);
