#pragma once
/*
 * Accurate ECN (RFC 9768). RFC 3168 tells a sender once per round trip that something was marked; here each side counts
 * what arrives, by its IP-ECN field, and tells the counts: the lowest three bits of the packets marked CE in every segment
 * (the ACE field: the flags AE, CWR and ECE), the bytes of each mark in an option when there is room and news.
 *
 * ecn.c agrees on it, by the flags of SYN and SYN+ACK; this counts. A connection that uses it has the flag
 * RN_TCP_ECN_ACCURATE and this struct behind its rare options; RN_TCP_ECN_ON says whether it sends ECT(0) itself.
 */
#include "tcp/ecn.h"
#include "tcp/flight.h"

/* The IP-ECN field (RFC 3168 §5). */
enum rn_tcp_ect { RN_TCP_NOT_ECT, RN_TCP_ECT_1, RN_TCP_ECT_0, RN_TCP_CE, RN_TCP_ECT_COUNT };

struct rn_tcp_accecn {
    /* As the receiver of data. The wire has the packets from 5 on, ECT(0) and ECT(1) from 1 on (§3.2.1). */
    uint64_t received[RN_TCP_ECT_COUNT]; /* payload bytes by IP-ECN field */
    uint32_t told[RN_TCP_ECT_COUNT];     /* of them, in the last option, modulo 2^32 */
    uint32_t received_ce;                /* packets */
    uint32_t told_ce;
    /* As the sender: what the peer received of ours. */
    uint64_t delivered[RN_TCP_ECT_COUNT];
    uint32_t seen[RN_TCP_ECT_COUNT]; /* the last counters of his option, modulo 2^24 */
    uint32_t delivered_ce;
    uint32_t counted_to; /* conn->count.delivered when his counts were last taken */
    uint32_t opt_ce;     /* .delivered_ce and .counted_to when an option was last taken */
    uint32_t opt_to;
    uint32_t last_ts;     /* of the newest segment that told */
    uint16_t acked_avg;   /* segments that one ACK acknowledges, times 16 */
    uint8_t syn_ect;      /* IP-ECN field of the latest SYN that we answer */
    uint8_t reflect;      /* the next bare ACK answers a SYN+ACK: its flags; 0: it counts */
    uint8_t n_unanswered; /* times that an ACK with the option seems not to have arrived */
    uint8_t n_answered;   /* segments since that suggest it does */
    bool has_last_ts;
    bool was_ce;          /* the last packet was marked */
    bool owes_option;     /* the first data, too, shows whether the option gets through */
    bool had_option;      /* of our last segment */
    bool is_option_off;   /* it gets lost */
    bool has_seen_option; /* of the peer */
    bool is_option_bad;   /* the peer's was zeroed on the way */
    bool has_seen_ace;    /* a first counter has come */
    bool is_deaf;         /* the peer's counters are none */
    bool is_syn_marked;   /* our SYN or SYN+ACK arrived with CE */
};

/* Only of connections that use it. */
static inline struct rn_tcp_accecn *rn_tcp_accecn_of(const struct rn_tcp *conn)
{
    return conn->cold->accecn;
}

void rn_tcp_accecn_free(struct rn_tcp *conn);

/* Which counter the field @i of an option of @order holds: enum rn_tcp_ect (§3.2.3). */
unsigned rn_tcp_accecn_field(uint8_t order, unsigned i);
/* The bare ACK that answers the SYN+ACK @seg: its flags say how that arrived (§3.2.2.1). */
void rn_tcp_accecn_ack_syn_ack(struct rn_tcp *conn, const struct rn_tcp_seg *seg);
/* The same for one that came again: a challenge ACK (RFC 5961). */
void rn_tcp_accecn_challenge(struct rn_tcp *conn, const struct rn_tcp_seg *seg);
/* An acceptable segment has arrived: counts it; its ACK may have to leave at once (§3.2.2.5.1). */
void rn_tcp_accecn_received(struct rn_tcp *conn, const struct rn_tcp_seg *seg);
/* Data came again that was acknowledged. */
void rn_tcp_accecn_repeated(struct rn_tcp *conn);
/* What an ACK, whose records are done with, tells of ours: sets @ack->is_ece if something new was marked. */
void rn_tcp_accecn_ack_in(struct rn_tcp *conn, struct rn_tcp_ack *ack);
/* The ACE field of the segment that leaves now, as flags. */
uint16_t rn_tcp_accecn_flags(struct rn_tcp *conn, const struct rn_tcp_out *out);
/* Adds the option to those of the segment that leaves now, if there is news and room. */
void rn_tcp_accecn_put(struct rn_tcp *conn, const struct rn_tcp_out *out, struct rn_tcp_opts *opts);
/* The option of a SYN+ACK: all counters as they start, so that the peer sees whether they get through. */
void rn_tcp_accecn_put_first(struct rn_tcp_opts *opts);
/* Bytes of options that the next segment needs for it. */
uint32_t rn_tcp_accecn_bytes(const struct rn_tcp *conn);
/* Would what cuts a super-segment change its ACE field? CWR is taken out of all but the first (§3.3.4). */
bool rn_tcp_accecn_forbids_gso(const struct rn_tcp *conn);
