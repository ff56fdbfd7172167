#pragma once
/*
 * Congestion controllers: const tables. There are two kinds. A loss-based one decides how cwnd grows and how far it
 * falls; when it falls is recovery.c's business. One with .control holds a model of the path: it sets cwnd and the
 * pacing rate itself on every ACK, in recovery too, and recovery only tells it what happens. All windows are bytes,
 * growth is by bytes acknowledged (RFC 3465), never by ACKs counted.
 */
#include "tcp/flight.h"

/* What a congestion event is. */
enum rn_tcp_cc_sign {
    RN_TCP_CC_LOST,
    RN_TCP_CC_MARKED, /* CE: the queue is kept short by who marked (RFC 8511) */
};

struct rn_tcp_cc_ops {
    const char *name;
    /* cwnd may grow by what @ack delivered. */
    void (*on_ack)(struct rn_tcp *conn, const struct rn_tcp_ack *ack);
    /* A congestion event begins: the new ssthresh. The controller also remembers what it needs of the old window. */
    uint32_t (*ssthresh)(struct rn_tcp *conn, enum rn_tcp_cc_sign sign);
    /* The last event was none (Eifel, F-RTO, DSACK): forget it. May be NULL. */
    void (*undo)(struct rn_tcp *conn);
    /* The event that ssthresh() was just asked about is a timeout. May be NULL. */
    void (*on_timeout)(struct rn_tcp *conn);
    size_t state_bytes; /* of conn->cc.state, allocated when first needed */
    /* What only a model needs; loss-based controllers leave all of it NULL. ssthresh() is then no more than word of an
     * episode that begins; undo() and on_recovered() that it is over. */
    void (*control)(struct rn_tcp *conn, const struct rn_tcp_ack *ack);
    /* @rec is lost; it is still in no list of the lost. */
    void (*on_lost)(struct rn_tcp *conn, const struct rn_tcp_rec *rec);
    /* The path marked packets (ECN), told once per window. */
    void (*on_mark)(struct rn_tcp *conn);
    void (*on_recovered)(struct rn_tcp *conn);
    /* Data leaves while none is in flight. */
    void (*on_restart)(struct rn_tcp *conn);
    /* There is a new flight: what it counts (rate.delivered) starts at 0. */
    void (*on_flight)(struct rn_tcp *conn);
    /* Bytes per second; 0 not paced. */
    uint64_t (*pacing_rate)(const struct rn_tcp *conn);
};

extern const struct rn_tcp_cc_ops rn_tcp_reno;
extern const struct rn_tcp_cc_ops rn_tcp_cubic;
/* CUBIC until the first loss, rn_tcp_bbr from then on. */
extern const struct rn_tcp_cc_ops rn_tcp_cubic_bbr;
extern const struct rn_tcp_cc_ops rn_tcp_bbr;

/* By name; the default for NULL. NULL: not known. */
const struct rn_tcp_cc_ops *rn_tcp_cc_find(const char *name);
/* Changes the controller; windows stay. */
void rn_tcp_cc_set(struct rn_tcp *conn, const struct rn_tcp_cc_ops *ops);
/* Frees conn->cc.state. */
void rn_tcp_cc_fini(struct rn_tcp *conn);
/* The controller's state, made when missing; NULL: out of memory, the caller then does as Reno. */
void *rn_tcp_cc_state(struct rn_tcp *conn);

/* RFC 6928: 10 segments, at most 14600 bytes or two segments. */
uint32_t rn_tcp_cc_initial_window(const struct rn_tcp *conn);
/* Slow start by @acked bytes; returns what is left of them beyond ssthresh. */
uint32_t rn_tcp_cc_slow_start(struct rn_tcp *conn, uint32_t acked);
/* Congestion avoidance of RFC 5681 §3.1, counted in bytes: one segment per window acknowledged. */
void rn_tcp_cc_avoid(struct rn_tcp *conn, uint32_t acked);
static inline bool rn_tcp_cc_in_slow_start(const struct rn_tcp *conn)
{
    return conn->cc.cwnd < conn->cc.ssthresh;
}
/* Adds to cwnd without passing what the send buffer could ever use. */
void rn_tcp_cc_grow(struct rn_tcp *conn, uint32_t bytes);
/* RFC 5681 §4.1, decaying as RFC 2861 does: halved for every RTO of silence, not below the initial window. */
void rn_tcp_cc_restart_after_idle(struct rn_tcp *conn);

/* hystart.c: HyStart++ (RFC 9406). Zero is a valid start. */
struct rn_tcp_hystart {
    rn_seq round_end;
    uint32_t last_min_us; /* least RTT of the round before; 0 none */
    uint32_t this_min_us; /* of this round; 0 none */
    uint32_t css_base_us;
    uint32_t growth; /* bytes acknowledged in CSS and not yet worth a byte of growth */
    uint8_t n_samples;
    uint8_t css_rounds;
    bool is_started;
    bool in_css;
    bool is_done;
};

/* How many of @acked bytes slow start may add to cwnd. Sets ssthresh when slow start should end. */
uint32_t rn_tcp_hystart_ack(struct rn_tcp *conn, struct rn_tcp_hystart *hs,
                            const struct rn_tcp_ack *ack);
