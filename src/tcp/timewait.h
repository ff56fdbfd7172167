#pragma once
/*
 * TIME-WAIT without a connection: a compact entry takes its place in the demux and answers for it (RFC 9293 §3.10.7.4,
 * RFC 1337), until time is over or a new SYN may reuse the name (RFC 6191). The socket, if the application still has
 * it, keeps only what is left to read.
 */
#include "tcp/conn.h"
#include "tcp/listen.h"

/* Beyond it the oldest entries go early. */
#define RN_TCP_TIMEWAIT_MAX 65536u

/* @conn has just come to TIME-WAIT and has acknowledged the peer's FIN. An orphan is freed at the end of the turn. */
void rn_tcp_timewait_enter(struct rn_tcp *conn);

/* A segment for an entry. Returns true when it is a SYN that may reuse the name: the entry is gone, @ret_isn is the
 * number the new connection must start at, and the segment is still the caller's. Else consumes seg->pkt. */
bool rn_tcp_timewait_in(struct rn_demux_node *node, struct rn_tcp_seg *seg, rn_seq *ret_isn);
/* An active open wants this name: RFC 6191 lets it when timestamps tell the connections apart and a second has passed.
 * True: the entry is gone, @ret_isn is where to start. */
bool rn_tcp_timewait_recycle(struct rn_demux_node *node, rn_seq *ret_isn);
void rn_tcp_timewait_free_all(struct rn_tcp_stack *tcp);
