#pragma once
/*
 * Passive opens. A SYN becomes a small record in its listener's half-open queue (half.c), a connection in the accept
 * queue when its handshake is done, and belongs to the application from rn_sock_accept on. When the half-open queue is
 * full a SYN is answered by a cookie (cookie.c) and costs nothing. The forwarder makes its connections by the same
 * function.
 */
#include "tcp/conn.h"

/* Half-open connections of one listener; beyond it cookies. */
#define RN_TCP_HALF_OPEN_MAX 1024u
#define RN_TCP_BACKLOG_MAX   4096u

struct rn_tcp_listen {
    struct rn_tcp *listener;  /* owner */
    struct rn_list half_open; /* rn_tcp_half.link */
    struct rn_list ready;     /* rn_tcp.link: established, wait for accept */
    uint32_t n_half_open;
    uint32_t n_ready;
    uint32_t backlog;
    int64_t
        cookie_used_ns; /* when a cookie was last sent; 0: never. Only then may an ACK carry one. */
};

/* Who and what asked for a connection: the facts of a SYN, kept when the segment is gone. */
struct rn_tcp_syn {
    struct rn_endpoint local; /* .nic 0: any */
    struct rn_endpoint remote;
    uint16_t nic; /* it arrived on */
    uint16_t flags;
    uint8_t tos;
    bool has_isn; /* .isn is where our side must start: TIME-WAIT reuse (RFC 6191), or a cookie */
    bool is_spoofed;
    bool is_ect_unsafe; /* RFC 9768 §3.1.5: its sender may not know that AccECN was agreed on */
    bool has_ts_offset; /* .ts_offset, and then .isn, were drawn for this name already */
    uint32_t ts_offset;
    rn_seq isn;
    rn_seq seq;
    uint32_t wnd;
    struct rn_tcp_opts opts;
};

/* A segment for a listener: SYN, or the ACK of a cookie. @syn: its facts. Consumes seg->pkt. */
void rn_tcp_listen_in(struct rn_tcp *listener, struct rn_tcp_syn *syn, struct rn_tcp_seg *seg);
/* A connection in SYN-RCVD, named, in the demux, options negotiated; nothing is sent yet. @model: whose socket options
 * it inherits, or NULL. Returns owned. Errors: NOMEM, or as rn_flow_find. */
RN_MUST_USE int rn_tcp_passive_new(struct rn_tcp **ret, struct rn_stack *stack,
                                   const struct rn_tcp_syn *syn, const struct rn_tcp *model);
/* The connection that has waited longest; it is the caller's now. NULL: none. */
struct rn_tcp *rn_tcp_listen_accept(struct rn_tcp_listen *listen);
/* Is there no room for a further connection to wait in? */
static inline bool rn_tcp_listen_is_full(const struct rn_tcp_listen *listen)
{
    return listen->n_ready >= listen->backlog;
}
/* Does the listener, which has sent its SYN+ACK 1 + @retries times, still want data before it accepts (DEFER_ACCEPT)? */
bool rn_tcp_listen_defers(const struct rn_tcp *listener, unsigned retries);
/* Puts @conn, just made of a SYN that @seg's peer has proven to have sent, into the accept queue and gives it @seg.
 * Consumes seg->pkt. */
void rn_tcp_listen_admit(struct rn_tcp *listener, struct rn_tcp *conn, struct rn_tcp_seg *seg);
/* Consumes the listening half of @listener: connections nobody accepted are reset. */
void rn_tcp_listen_end(struct rn_tcp *listener);

/* --- half.c: a SYN until its handshake is done ----------------------------------------------------------------- */
/* Keeps @syn and answers it. Errors: NOMEM, EXISTS. */
RN_MUST_USE int rn_tcp_half_open(struct rn_tcp *listener, const struct rn_tcp_syn *syn);
/* Answers @syn with SYN+ACK: options as it asks, the timestamps of @answer. */
struct rn_tcp_syn_ack {
    rn_seq isn;
    uint16_t window;
    uint8_t wscale; /* ours */
    uint8_t retries;
    bool is_retransmit;
    struct rn_tcp_opts opts; /* timestamps only */
};
void rn_tcp_send_syn_ack(const struct rn_tcp *listener, const struct rn_tcp_syn *syn,
                         const struct rn_tcp_syn_ack *answer);
/* A segment for a half-open connection (RFC 9293 §3.10.7.4 in SYN-RCVD). Consumes seg->pkt. */
void rn_tcp_half_in(struct rn_demux_node *node, struct rn_tcp_seg *seg);
/* ICMP says that our SYN+ACK, whose sequence number is @seq, did not arrive and will not. */
void rn_tcp_half_error(struct rn_demux_node *node, rn_seq seq);
/* Resets and frees all of @listen. */
void rn_tcp_half_end_all(struct rn_tcp_listen *listen);

/* --- cookie.c ----------------------------------------------------------------------------------------------- */
/* Answers @syn without keeping anything. */
void rn_tcp_cookie_send(struct rn_tcp *listener, const struct rn_tcp_syn *syn);
/* Does @seg, whose facts are in @syn, acknowledge a cookie of ours that is at most two periods old? Then @syn becomes
 * the SYN it answered, as far as the cookie kept it. */
bool rn_tcp_cookie_check(struct rn_tcp *listener, struct rn_tcp_syn *syn,
                         const struct rn_tcp_seg *seg);
