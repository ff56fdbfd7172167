#pragma once
/* TCP (RFC 9293) sockets, the forwarder, TCP_INFO. */
#include <runnel/sock.h>

/* A run of bytes that somebody else owns. */
struct rn_slice {
    const uint8_t *ptr;
    size_t len;
};

/* Unbound socket. Returns owned. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_tcp_new(struct rn_sock **ret, struct rn_stack *stack);

/* Copies at most @max bytes out. Returns how many (> 0), 0 at the end of the stream, or WOULD_BLOCK,
 * CONN_RESET, TIMED_OUT, NOT_CONNECTED (an error is returned once, then 0). */
RN_PUBLIC RN_MUST_USE int64_t rn_tcp_read(struct rn_sock *sock, void *to, size_t max);
/* Lends what is readable without copying: fills at most @max slices, valid until the next call that consumes or the end
 * of the turn. Returns their number, 0 at end of stream, or errors as rn_tcp_read. */
RN_PUBLIC RN_MUST_USE int rn_tcp_peek_views(struct rn_sock *sock, struct rn_slice *views,
                                            unsigned max);
/* Takes @len bytes off the front of what is readable (at most that much); the window reopens. */
RN_PUBLIC void rn_tcp_consume(struct rn_sock *sock, size_t len);

enum rn_write_flag {
    RN_WRITE_MORE = 1 << 0, /* more follows: hold back a partial segment (MSG_MORE) */
};

/* Copies as much as the send buffer and memory take. Returns how many bytes (> 0), WOULD_BLOCK (RN_WRITABLE follows),
 * CLOSED_FOR_SEND, CONN_RESET, NOT_CONNECTED. Sent at the end of the turn. */
RN_PUBLIC RN_MUST_USE int64_t rn_tcp_write(struct rn_sock *sock, const void *bytes, size_t len,
                                           unsigned flags);
/* Queues the caller's memory without copying; it must not change until @release(@arg) is called (as an event, when
 * acknowledged or the connection is gone). All or nothing. Returns len or errors as rn_tcp_write. */
RN_PUBLIC RN_MUST_USE int64_t rn_tcp_write_ref(struct rn_sock *sock, struct rn_slice bytes,
                                               void (*release)(void *arg), void *arg);
/*
 * Fast Open (RFC 7413): connects, and if a cookie of @remote is known takes as much of @bytes as its SYN carries. The peer
 * may get them twice if its SYN is duplicated: only for requests that may be repeated. Returns how many bytes were taken
 * (> 0), CONNECT_STARTED when none were (write them when RN_WRITABLE is told; the SYN asks for a cookie), or errors as
 * rn_sock_connect. On a connected socket: as rn_tcp_write.
 */
RN_PUBLIC RN_MUST_USE int64_t rn_tcp_connect_write(struct rn_sock *sock,
                                                   const struct rn_endpoint *remote,
                                                   const void *bytes, size_t len);
/* Keys of the cookies that listeners of @stack give out, for machines that answer at one address: the first makes them, all
 * @n (at most 2) check them, so that keys can be changed without refusing anybody. 0: a random key that changes by itself
 * (default). Errors: BAD_OPTION. */
RN_PUBLIC RN_MUST_USE int rn_tcp_set_fastopen_keys(struct rn_stack *stack,
                                                   const uint8_t (*keys)[16], unsigned n);
/* The same for one listener alone. Errors: BAD_OPTION, BAD_STATE, NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_tcp_set_listener_fastopen_keys(struct rn_sock *sock,
                                                            const uint8_t (*keys)[16], unsigned n);
/* Forgets the cookies that servers gave us, and where Fast Open failed. */
RN_PUBLIC void rn_tcp_forget_fastopen(struct rn_stack *stack);

/* Bytes rn_tcp_write would take now. */
RN_PUBLIC size_t rn_tcp_send_room(const struct rn_sock *sock);

/* The congestion controller: "cubic" (RFC 9438, the default), "reno" (RFC 5681), "bbr" (version 3,
 * draft-ietf-ccwg-bbr-06, which paces), "cubic-bbr": CUBIC until a segment is lost, "bbr" from then on, for links that
 * nobody else shares. CUBIC and Reno answer ECN marks as RFC 8511 has it. At any time; a listener's is that of its
 * connections. Errors: NOT_FOUND. */
RN_PUBLIC RN_MUST_USE int rn_tcp_set_congestion(struct rn_sock *sock, const char *name);
/* The same for all sockets and forwarded connections that @stack makes from now on; NULL: the default again. Errors:
 * NOT_FOUND, NO_PROTO_OPTION (a stack without TCP). */
RN_PUBLIC RN_MUST_USE int rn_tcp_set_default_congestion(struct rn_stack *stack, const char *name);
RN_PUBLIC const char *rn_tcp_congestion(const struct rn_sock *sock);

/* RFC 9293 §3.3.2 names, numbered as Linux does. */
enum rn_tcp_state {
    RN_TCP_ESTABLISHED = 1,
    RN_TCP_SYN_SENT,
    RN_TCP_SYN_RCVD,
    RN_TCP_FIN_WAIT_1,
    RN_TCP_FIN_WAIT_2,
    RN_TCP_TIME_WAIT,
    RN_TCP_CLOSED,
    RN_TCP_CLOSE_WAIT,
    RN_TCP_LAST_ACK,
    RN_TCP_LISTEN,
    RN_TCP_CLOSING,
};

RN_PUBLIC const char *rn_tcp_state_name(enum rn_tcp_state state);

enum rn_tcp_ca_state {
    RN_TCP_CA_OPEN,
    RN_TCP_CA_DISORDER,
    RN_TCP_CA_CWR,
    RN_TCP_CA_RECOVERY,
    RN_TCP_CA_LOSS
};

/* A snapshot (TCP_INFO). Windows and counts in bytes unless the name says otherwise; what is not known is 0. */
struct rn_tcp_info {
    enum rn_tcp_state state;
    enum rn_tcp_ca_state ca_state;
    bool has_timestamps, has_sack, has_wscale, has_ecn;
    bool has_syn_data; /* Fast Open: the data of the SYN, theirs or ours, was taken */
    uint8_t snd_wscale, rcv_wscale;
    uint8_t backoff, probes, syn_retries;
    uint32_t snd_mss, rcv_mss, advmss, pmtu;
    int64_t rto_ns, srtt_ns, rttvar_ns, min_rtt_ns, rcv_rtt_ns;
    uint32_t cwnd, ssthresh; /* ssthresh UINT32_MAX: none yet */
    uint32_t snd_wnd, rcv_wnd;
    uint32_t rcv_space; /* the receive buffer as auto-tuned */
    uint32_t unacked_pkts, sacked_pkts, lost_pkts;
    uint32_t inflight, notsent;
    uint64_t bytes_acked, bytes_received;
    uint32_t retrans_pkts, total_retrans_pkts; /* in flight again now; ever sent again */
    uint32_t delivered_pkts;                   /* that reached the peer, SYN and FIN included */
    /* How far the network was seen to reorder (at least 3, RFC 5681), and how often, while data was in flight. */
    uint32_t reordering_pkts, reord_seen;
    uint32_t rcv_ooo_pkts;
    uint32_t segs_out, segs_in, data_segs_in;
    uint64_t delivery_rate, pacing_rate; /* bytes per second */
    bool delivery_rate_app_limited;
    int64_t last_recv_ns, last_data_recv_ns, last_data_sent_ns; /* ago */
    /* How long there was data to send; of that, how long the peer's window or our buffer held it. To the ms. */
    int64_t busy_ns, rwnd_limited_ns, sndbuf_limited_ns;
    /* Accurate ECN (RFC 9768) was agreed on. Of what we sent, and of what we received: segments that were marked CE, and
     * payload by the mark it arrived with. The peer may not tell of his bytes; those marked CE are then estimated. */
    bool has_accurate_ecn;
    bool sends_ect; /* not where the path was seen to mangle ECN */
    uint32_t delivered_ce_pkts, received_ce_pkts;
    uint64_t delivered_ce_bytes, delivered_ect0_bytes, delivered_ect1_bytes;
    uint64_t received_ce_bytes, received_ect0_bytes, received_ect1_bytes;
};

/* Errors: BAD_STATE (not TCP). */
RN_PUBLIC RN_MUST_USE int rn_tcp_get_info(const struct rn_sock *sock, struct rn_tcp_info *ret);

/* One arriving segment, and the connection after it. */
struct rn_tcp_probe {
    int64_t time_ns;
    struct rn_endpoint local, remote;
    uint32_t seq, ack, len_bytes, window; /* as on the wire */
    uint16_t flags;
    struct rn_tcp_info info;
};

typedef void rn_tcp_probe_fn(const struct rn_tcp_probe *probe, void *arg);

/* An observer of every segment of every connection, run inline: it may read, all else is refused. NULL @fn: none. */
RN_PUBLIC void rn_tcp_set_probe(struct rn_stack *stack, rn_tcp_probe_fn *fn, void *arg);

/*
 * Forwarder: sees every SYN that no listener or connection takes, whatever its destination (the NIC must be
 * promiscuous). Each SYN becomes one request, as an event; retransmitted SYNs are deduplicated while it is open; at most
 * @max_in_flight requests are open, further SYNs are dropped and counted.
 */
struct rn_tcp_forwarder;
struct rn_tcp_request;

typedef void rn_tcp_forward_fn(struct rn_tcp_request *req, void *arg);

/* One per stack. Returns owned. Errors: EXISTS, NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_tcp_forwarder_new(struct rn_tcp_forwarder **ret,
                                               struct rn_stack *stack, unsigned max_in_flight,
                                               rn_tcp_forward_fn *fn, void *arg);
/* Consumes @fwd; open requests are reset. Returns NULL. */
RN_PUBLIC struct rn_tcp_forwarder *rn_tcp_forwarder_free(struct rn_tcp_forwarder *fwd);
/* The destination the client asked for, and the client. */
RN_PUBLIC struct rn_endpoint rn_tcp_request_local(const struct rn_tcp_request *req);
RN_PUBLIC struct rn_endpoint rn_tcp_request_remote(const struct rn_tcp_request *req);
/* For the caller's own state while the request is open. */
RN_PUBLIC void rn_tcp_request_set_data(struct rn_tcp_request *req, void *data);
RN_PUBLIC void *rn_tcp_request_data(const struct rn_tcp_request *req);
/* Called if the request ends by itself (client sent RST, or gave up, or the stack goes): it is gone afterwards. */
RN_PUBLIC void rn_tcp_request_on_cancel(struct rn_tcp_request *req,
                                        void (*fn)(struct rn_tcp_request *req));
/* Consumes @req: answers the SYN and returns owned a socket in SYN-RCVD, which becomes writable when established.
 * Errors: NOMEM (the request is then dropped). */
RN_PUBLIC RN_MUST_USE int rn_tcp_request_accept(struct rn_tcp_request *req, struct rn_sock **ret);

enum rn_tcp_refuse {
    RN_TCP_REFUSE_RESET,      /* RST: connection refused */
    RN_TCP_REFUSE_NET,        /* ICMP: network unreachable */
    RN_TCP_REFUSE_HOST,       /* ICMP: host unreachable */
    RN_TCP_REFUSE_PROHIBITED, /* ICMP: administratively prohibited */
    RN_TCP_REFUSE_SILENT,     /* nothing: the client times out */
};

/* Consumes @req. */
RN_PUBLIC void rn_tcp_request_refuse(struct rn_tcp_request *req, enum rn_tcp_refuse how);
