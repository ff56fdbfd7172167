#pragma once
/* The forwarder's inner side: input.c offers it SYNs and what belongs to its open requests. Public: runnel/tcp.h. */
#include "tcp/conn.h"
#include "tcp/listen.h"

/* A SYN that nobody took. Consumes seg->pkt. @quote: network header and what follows of the SYN, for a late ICMP. */
void rn_tcp_forwarder_in(struct rn_tcp_forwarder *fwd, const struct rn_tcp_syn *syn,
                         struct rn_tcp_seg *seg, struct rn_view quote);
/* A further segment for an open request: the SYN again, or RST. Consumes seg->pkt. */
void rn_tcp_request_in(struct rn_demux_node *node, struct rn_tcp_seg *seg);
/* The stack goes: cancels all requests and leaves a forwarder that can only be freed. */
void rn_tcp_forwarder_detach(struct rn_tcp_stack *tcp);
