#pragma once
/*
 * TCP Fast Open (RFC 7413), off by default: data in the SYN, for a client that proves by a cookie that it has been at its
 * address before. The server half (fastopen.c) makes and checks cookies and limits how many connections may be used
 * before their handshake is done; the client half (fastopen_client.c) remembers cookies, and where data in a SYN got lost.
 */
#include "tcp/listen.h"

/* A passive connection that the application may use though its handshake is not done. */
static inline bool rn_tcp_is_early(const struct rn_tcp *conn)
{
    uint32_t both = RN_TCPF_FASTOPEN | RN_TCPF_PASSIVE;

    return (conn->flags & both) == both && conn->state == RN_TCP_SYN_RCVD;
}

/* connect() is done, but the SYN waits for the first bytes. */
static inline bool rn_tcp_is_deferred(const struct rn_tcp *conn)
{
    return (conn->flags & RN_TCPF_FO_DEFERRED) != 0;
}

/* --- fastopen.c: the server ----------------------------------------------------------------------------------------- */
/* RN_TCP_FASTOPEN: at most @limit early connections of @listener, 0: off. Errors: NOMEM. */
RN_MUST_USE int rn_tcp_fastopen_set_limit(struct rn_tcp *listener, uint32_t limit);
uint32_t rn_tcp_fastopen_limit(const struct rn_tcp *listener);
/* May the connection that @syn asks for be used at once? The number of the key that made its cookie; < 0: no. @seg: the SYN,
 * with or without data. */
int rn_tcp_fastopen_check(const struct rn_tcp *listener, const struct rn_tcp_syn *syn,
                          const struct rn_tcp_seg *seg);
/* It may: makes @conn, just made of @syn and in the accept queue, an early one, with the data of its SYN. Before the
 * SYN+ACK is sent. */
void rn_tcp_fastopen_open(struct rn_tcp *conn, struct rn_tcp_seg *seg);
/* The SYN+ACK of @conn brings a cookie of the newest key. */
void rn_tcp_fastopen_renew(struct rn_tcp *conn, const struct rn_tcp_syn *syn);
/* The same for a SYN that was not believed, if it asked or had a bad one. */
void rn_tcp_fastopen_offer(const struct rn_tcp *listener, const struct rn_tcp_syn *syn,
                           struct rn_tcp_opts *ret);
/* @conn is early no more: its handshake is done, or it has ended. */
void rn_tcp_fastopen_settled(struct rn_tcp *conn, int err);
/* Lets go of what @conn->cold holds. */
void rn_tcp_fastopen_release(struct rn_tcp *conn);

/* --- fastopen_client.c ----------------------------------------------------------------------------------------------- */
/* Asks the memory for the destination of @conn. Returns whether its SYN may carry data; notes which option it carries. */
bool rn_tcp_fastopen_prepare(struct rn_tcp *conn);
/* Most bytes a SYN of @conn carries. */
uint32_t rn_tcp_fastopen_room(struct rn_tcp *conn);
/* The SYN that waited goes now, with what is queued. */
void rn_tcp_fastopen_go(struct rn_tcp *conn);
/* The SYN leaves now: bytes of the queue it takes along, which count as in flight from now on. 0 when it is repeated. */
uint32_t rn_tcp_fastopen_load(struct rn_tcp *conn);
/* The SYN or SYN+ACK has left: only the first one carries the option (RFC 7413 §4.1.3.1: middleboxes may drop it). */
static inline void rn_tcp_fastopen_left(struct rn_tcp *conn)
{
    conn->flags &= ~(uint32_t)RN_TCPF_FO_OPTION;
}
/* Remembers what the SYN+ACK @seg says. Before its ACK is taken. */
void rn_tcp_fastopen_on_syn_ack(struct rn_tcp *conn, const struct rn_tcp_seg *seg);
/* After it was: what the SYN carried and is not acknowledged goes again at once. */
void rn_tcp_fastopen_resend(struct rn_tcp *conn);
/* Data behind an acknowledged Fast Open SYN is lost again and again: the path may have hidden the rest from us. */
void rn_tcp_fastopen_timed_out(struct rn_tcp *conn);
void rn_tcp_fastopen_forget_all(struct rn_tcp_stack *tcp);

/* --- both: the option that the SYN or SYN+ACK of @conn carries now ---------------------------------------------------- */
void rn_tcp_fastopen_syn_opts(const struct rn_tcp *conn, struct rn_tcp_opts *ret);
void rn_tcp_fastopen_syn_ack_opts(const struct rn_tcp *conn, struct rn_tcp_opts *ret);
