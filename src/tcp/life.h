#pragma once
/* What the files of a connection's life (conn.c api.c connect.c listen.c timewait.c forwarder.c) share. */
#include "tcp/conn.h"

/* struct rn_demux_node.kind of TCP's endpoints. */
enum rn_tcp_node {
    RN_TCP_NODE_CONN = 1,
    RN_TCP_NODE_LISTENER,
    RN_TCP_NODE_TIMEWAIT,
    RN_TCP_NODE_REQUEST, /* an open request of the forwarder */
    RN_TCP_NODE_HALF,    /* a SYN that a listener has answered */
};

extern const struct rn_sock_ops rn_tcp_sock_ops;

int rn_tcp_attach(struct rn_stack *stack, void **ret_state);
void rn_tcp_detach(struct rn_stack *stack, void *state);
/* reclaim.c: the memory of sockets is full; has room again; there was none for what @conn's application wrote, so that
 * RN_WRITABLE is told a little later. */
void rn_tcp_strained(struct rn_stack *stack, void *state);
void rn_tcp_relieved(struct rn_stack *stack, void *state);
void rn_tcp_memory_short(struct rn_tcp *conn);
void rn_tcp_input(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ip_in *ip);
void rn_tcp_error_in(struct rn_stack *stack, const struct rn_icmp_err *err);

/* probe.c: tells the observer, whom there is, of @seg, which was processed (its packet is gone). */
void rn_tcp_probe_segment(const struct rn_tcp *conn, const struct rn_tcp_seg *seg);

/* sockopt.c */
int rn_tcp_set_opt(struct rn_sock *sock, enum rn_sock_opt opt, int64_t value);
int rn_tcp_get_opt(const struct rn_sock *sock, enum rn_sock_opt opt, int64_t *ret);

static inline const struct rn_tcp *rn_tcp_of_const(const struct rn_sock *sock)
{
    return (const struct rn_tcp *)(const void *)sock; /* sock is its first member */
}

/* No NIC in it: the identity that ISN, timestamp offset and cookies are made of. */
struct rn_demux_key rn_tcp_key_of(const struct rn_endpoint *local,
                                  const struct rn_endpoint *remote);
uint32_t rn_tcp_ts_offset(const struct rn_stack *stack, const struct rn_demux_key *key);
/* Milliseconds of the stack's clock, before a connection's offset. */
static inline uint32_t rn_tcp_clock_ms(const struct rn_stack *stack)
{
    return (uint32_t)(rn_stack_now_ns(stack) / RN_NS_PER_MS);
}

/* Where a connection of this name starts (RFC 6528), and what rn_tcp_ts_offset() says of it: one secret has both. */
rn_seq rn_tcp_isn(const struct rn_stack *stack, const struct rn_demux_key *key,
                  uint32_t *ret_ts_offset);
/* Takes a connection's identity: names, flow, demux. Errors: as rn_flow_find, EXISTS. */
RN_MUST_USE int rn_tcp_conn_name(struct rn_tcp *conn, const struct rn_endpoint *local,
                                 const struct rn_endpoint *remote);
/* ISN and timestamp offset as its name wants them. */
void rn_tcp_conn_draw(struct rn_tcp *conn);
/* Our first sequence number, before anything was sent. */
void rn_tcp_conn_start_at(struct rn_tcp *conn, rn_seq isn);
/* Stops timers and output, drops the send queue: what is left is only the receive queue. */
void rn_tcp_conn_quiesce(struct rn_tcp *conn);
/* The application has closed: the connection owns itself from now on. */
void rn_tcp_conn_orphan(struct rn_tcp *conn);

/* connect.c */
int rn_tcp_connect(struct rn_sock *sock, const struct rn_endpoint *remote);
/* RFC 9293 §3.10.7.3. Consumes seg->pkt. */
void rn_tcp_syn_sent_in(struct rn_tcp *conn, struct rn_tcp_seg *seg);
/* The handshake is done: send side starts, the application is told. Before rn_tcp_ack_in sees the ACK of our SYN. */
void rn_tcp_established(struct rn_tcp *conn);

/* opts.c: what the peer's SYN says of the connection (RFC 7323 §2, §3; RFC 2018 §2; MSS). */
void rn_tcp_opts_negotiate(struct rn_tcp *conn, const struct rn_tcp_opts *peer);
/* The MSS we announce: what fits our path to the peer. */
uint16_t rn_tcp_opts_our_mss(const struct rn_tcp *conn);
/* The same for a connection to be: what fits this way, within the option @mss_user (0: none). */
uint16_t rn_tcp_opts_mss_of(const struct rn_flow *flow, struct rn_addr dst, uint16_t mss_user);

/* reset.c: a segment that belongs to no connection: RST, cookie, ACK of TIME-WAIT. */
struct rn_tcp_bare {
    struct rn_endpoint local;
    struct rn_endpoint remote;
    rn_seq seq;
    rn_seq ack;
    uint16_t flags;
    uint16_t window; /* as on the wire */
    uint16_t nic;    /* 0 any */
    bool is_spoofed;
    bool is_retransmit;
    uint8_t tos;
    uint8_t ttl;                    /* 0: the stack's */
    const struct rn_tcp_opts *opts; /* NULL none */
    struct rn_flow *flow;           /* borrows; the way there, NULL: looked up */
};
void rn_tcp_send_bare(struct rn_stack *stack, const struct rn_tcp_bare *bare);
/* The RST that answers @seg, which came to @local from @remote (RFC 9293 §3.10.7.1). None for a RST. */
void rn_tcp_send_reset_for(struct rn_stack *stack, const struct rn_endpoint *local,
                           const struct rn_endpoint *remote, const struct rn_tcp_seg *seg);
