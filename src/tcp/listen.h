#pragma once
/*
 * Passive opens. A SYN becomes a connection of its own in its listener's half-open queue, moves to the accept queue when
 * its handshake is done, and belongs to the application from rn_sock_accept on. When the half-open queue is full a SYN
 * is answered by a cookie (cookie.c) and costs nothing. The forwarder makes its connections by the same function.
 */
#include "tcp/conn.h"

/* Half-open connections of one listener; beyond it cookies. */
#define RN_TCP_HALF_OPEN_MAX 1024u
#define RN_TCP_BACKLOG_MAX   4096u

struct rn_tcp_listen {
    struct rn_tcp *listener;  /* owner */
    struct rn_list half_open; /* rn_tcp.link */
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
/* Called when our SYN of a passive connection was acknowledged: moves it to the accept queue. false: no room there, the
 * ACK has to be ignored. */
bool rn_tcp_listen_promote(struct rn_tcp *conn);
/* The connection that has waited longest; it is the caller's now. NULL: none. */
struct rn_tcp *rn_tcp_listen_accept(struct rn_tcp_listen *listen);
/* Does the listener still want data before it accepts (DEFER_ACCEPT)? */
bool rn_tcp_listen_defers(const struct rn_tcp *conn);
/* Leaves the listener's queues, if it is in one. */
void rn_tcp_listen_forget(struct rn_tcp *conn);
/* Consumes the listening half of @listener: connections nobody accepted are reset. */
void rn_tcp_listen_end(struct rn_tcp *listener);

/* --- cookie.c ----------------------------------------------------------------------------------------------- */
/* Answers @syn without keeping anything. */
void rn_tcp_cookie_send(struct rn_tcp *listener, const struct rn_tcp_syn *syn);
/* Does @seg, whose facts are in @syn, acknowledge a cookie of ours that is at most two periods old? Then @syn becomes
 * the SYN it answered, as far as the cookie kept it. */
bool rn_tcp_cookie_check(struct rn_tcp *listener, struct rn_tcp_syn *syn,
                         const struct rn_tcp_seg *seg);
