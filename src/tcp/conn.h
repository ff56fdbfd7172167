#pragma once
/*
 * struct rn_tcp: all that an idle connection has, in four parts (snd, rcv, rtt, cc) behind the common socket. What exists
 * only while data is in flight or queued (scoreboard, transmit records, rate samples) is struct rn_tcp_flight, allocated by
 * the first byte written and freed when all is acknowledged. Fields that every segment touches come first.
 *
 * Who writes what: .state only rn_tcp_move(); timers only timers.c; cwnd and ssthresh only cc and recovery; rcv.nxt
 * only rcv.c; snd.una only ack.c; snd.nxt only snd.c and rto.c.
 */
#include "base/pktq.h"
#include "base/seq.h"
#include "ip/ip.h"
#include "sock/sock.h"
#include "wire/tcp.h"
#include "wire/tcp_opts.h"
#include <runnel/tcp.h>

/* What a connection may queue in each direction though the memory of all sockets is full (as Linux tcp_rmem[0] and
 * tcp_wmem[0]): else two hosts that are full of what each wants to send would wait for each other's window for ever. */
#define RN_TCP_LEAST_BYTES 4096u

struct rn_tcp;
struct rn_tcp_flight;         /* tcp/flight.h */
struct rn_tcp_rx;             /* tcp/reorder.h */
struct rn_tcp_listen;         /* tcp/listen.h */
struct rn_tcp_cc_ops;         /* tcp/cc.h */
struct rn_tcp_accecn;         /* tcp/accecn.h */
struct rn_tcp_fastopen;       /* tcp/fastopen.h */
struct rn_tcp_fastopen_cache; /* tcp/fastopen_client.c */

/* One arriving segment: header in host order, options, payload still in its packet. */
struct rn_tcp_seg {
    struct rn_pkt *pkt; /* from the payload on; owned by who holds the segment; NULL once taken */
    rn_seq seq;         /* first sequence number, SYN included */
    rn_seq ack;
    uint32_t data_len;
    uint32_t wnd;   /* unscaled, as on the wire, until segment_in scales it */
    uint16_t flags; /* RN_TCP_FIN ... */
    uint8_t tos;    /* of the IP header, for ECN */
    bool has_opts;  /* opts below were parsed */
    bool
        has_no_ace; /* its ECN flags speak of the handshake: they are no counter (RFC 9768 §3.2.2) */
    struct rn_tcp_opts opts;
};

/* seq + data + SYN + FIN. */
static inline rn_seq rn_tcp_seg_end(const struct rn_tcp_seg *seg)
{
    return rn_seq_add(seg->seq, seg->data_len + ((seg->flags & RN_TCP_SYN) != 0) +
                                    ((seg->flags & RN_TCP_FIN) != 0));
}

struct rn_tcp_snd {
    rn_seq una;   /* oldest unacknowledged; iss until our SYN is acknowledged */
    rn_seq nxt;   /* next new to send, whatever is sent again; iss when the SYN was not sent yet */
    uint32_t wnd; /* scaled peer window, from una */
    uint32_t wnd_max; /* largest ever seen, for SWS avoidance */
    rn_seq wl1;       /* segment that last updated wnd (RFC 9293 §3.10.7.4); its ACK is una */
    uint32_t
        queued; /* bytes written and not yet acknowledged: [una, una + queued), without SYN and FIN */
    uint32_t buf_max;  /* send buffer limit, auto-tuned unless fixed */
    uint16_t mss;      /* payload bytes per segment now: min(peer MSS, path) less options */
    uint16_t mss_peer; /* from the SYN, or 536/1220 */
    uint16_t mss_user; /* TCP_MAXSEG; 0 none */
    uint8_t wscale;    /* shift of windows we receive */
    uint8_t dupacks;
};

struct rn_tcp_rcv {
    rn_seq nxt;
    rn_seq wup;           /* rcv.nxt when we last sent an ACK and its window (RFC 7323 §4.3) */
    uint32_t wnd;         /* window advertised at wup; the right edge wup + wnd never shrinks */
    uint32_t queued;      /* bytes readable */
    uint32_t buf_max;     /* receive buffer limit, auto-tuned unless fixed */
    uint32_t charged;     /* true bytes of memory held by queue and reorder store */
    struct rn_pkt *last;  /* of a ring by pkt->next, so last->next is the oldest readable packet */
    struct rn_tcp_rx *rx; /* reorder store, SACK blocks, auto-tuning; NULL when not needed */
    uint32_t ts_recent;
    uint32_t ts_recent_s;  /* when it was stored, in s: RFC 7323 §5.5, 24 days */
    uint32_t last_data_ms; /* when data came last, milliseconds modulo 2^32 */
    uint16_t mss_est;      /* estimate of the peer's segment size, for delayed ACKs */
    uint8_t wscale;        /* shift of windows we send */
    uint8_t pending_segs;  /* full-sized segments since the last ACK */
};

/* Microseconds hold every RTT there is (71 minutes) in half the bytes; a sample of less counts as 1 us. */
struct rn_tcp_rtt {
    uint32_t srtt_us; /* 0: no sample yet */
    uint32_t rttvar_us;
    uint32_t min_us;
    uint8_t backoff;    /* doublings of rto in force */
    uint8_t quick_acks; /* segments still to be answered at once: start of slow start at the peer */
    uint16_t last_rate; /* delivery rate when the last flight ended, packed (rate.c) */
};

struct rn_tcp_cc {
    const struct rn_tcp_cc_ops *ops;
    uint32_t cwnd;     /* bytes */
    uint32_t ssthresh; /* bytes; UINT32_MAX: none yet */
    uint8_t ca_state;  /* enum rn_tcp_ca_state */
    uint8_t ecn;       /* enum rn_tcp_ecn_bit, tcp/ecn.h */
    bool is_cwnd_limited;
    uint32_t last_sent_ms; /* any new data, milliseconds modulo 2^32: restart after idle */
    void *state;           /* controller's own, owned; NULL until first needed */
};

enum rn_tcp_conn_flag {
    RN_TCPF_TS = 1u << 0,     /* timestamps: wanted, and from the peer's SYN on: negotiated */
    RN_TCPF_SACK = 1u << 1,   /* SACK, likewise */
    RN_TCPF_WSCALE = 1u << 2, /* window scaling, likewise */
    RN_TCPF_NODELAY = 1u << 3,
    RN_TCPF_CORK = 1u << 4,
    RN_TCPF_QUICKACK = 1u << 5,
    RN_TCPF_KEEPALIVE = 1u << 6,
    RN_TCPF_SHUT_READ = 1u << 7,    /* read() at an empty queue is the end of the stream */
    RN_TCPF_SHUT_WRITE = 1u << 8,   /* application writes no more: FIN is queued behind the data */
    RN_TCPF_FIN_SENT = 1u << 9,     /* our FIN occupies una/nxt space */
    RN_TCPF_FIN_RCVD = 1u << 10,    /* peer's FIN was taken in order */
    RN_TCPF_ACK_NOW = 1u << 11,     /* the next output must carry an ACK */
    RN_TCPF_ACK_DELAYED = 1u << 12, /* an ACK is owed by the delack timer */
    RN_TCPF_SNDBUF_FIXED = 1u << 13,
    RN_TCPF_RCVBUF_FIXED = 1u << 14,
    RN_TCPF_WANT_WRITE = 1u << 15, /* a write was short: tell RN_WRITABLE */
    RN_TCPF_WANT_DRAINED = 1u << 16,
    RN_TCPF_MORE = 1u << 17,    /* last write said MORE */
    RN_TCPF_PASSIVE = 1u << 18, /* born of a listener or forwarder */
    RN_TCPF_FORWARDED = 1u << 19,
    RN_TCPF_SYN_DATA = 1u << 20,   /* the SYN to come may carry data */
    RN_TCPF_ORPHAN = 1u << 21,     /* closed by the application: owns itself, counted */
    RN_TCPF_FASTOPEN = 1u << 22,   /* passive: early (fastopen.h); active: our SYN had the option */
    RN_TCPF_FO_OPTION = 1u << 23,  /* the SYN or SYN+ACK to come carries the option */
    RN_TCPF_FO_EXP = 1u << 24,     /* in its experimental form */
    RN_TCPF_FO_CONNECT = 1u << 25, /* connect() waits for the first write if there is a cookie */
    RN_TCPF_FO_NO_COOKIE = 1u << 26,   /* neither ask for cookies nor send them */
    RN_TCPF_FO_DEFERRED = 1u << 27,    /* it waits */
    RN_TCPF_SYN_DATA_ACKED = 1u << 28, /* data in a SYN was taken, theirs or ours */
    RN_TCPF_CONNECT_ASKED = 1u << 29,  /* connect() has not told yet what became of it */
    RN_TCPF_REORDERS = 1u << 30, /* RFC 8985 §5.2: RACK.reordering_seen, of earlier flights */
};

/* What is known of the sizes the path takes, once some vanished without a word (RFC 8899); MSS with options in it. */
struct rn_tcp_sizes {
    uint16_t good;    /* gets through; 0: nothing is suspected, the rest means nothing */
    uint16_t bad;     /* does not; 0: not known of any yet */
    uint16_t probe;   /* being tried, or tried last */
    uint8_t failed;   /* probes of this size in a row */
    uint32_t next_ms; /* when to try again, milliseconds modulo 2^32 */
};

/* Rarely set options, and other rare things; allocated when one first differs from its default. */
struct rn_tcp_cold {
    int64_t keep_idle_ns, keep_intvl_ns, user_timeout_ns, linger_ns, linger2_ns, timewait_ns,
        defer_ns;
    uint64_t max_pacing_rate;
    uint32_t window_clamp, notsent_lowat, rcvlowat, rcvbuf_most;
    uint32_t rwnd_limited_ms, sndbuf_limited_ms; /* of the time busy */
    uint8_t keep_cnt, syn_cnt, burst_segs;
    struct rn_tcp_fastopen *fastopen; /* holds a reference; of listeners and early connections */
    struct rn_tcp_accecn *accecn;     /* owned; of who asks for Accurate ECN or uses it */
    struct rn_tcp_sizes sizes;
};

/* Lifetime counts that TCP_INFO reports. */
struct rn_tcp_count {
    uint16_t
        una_wraps; /* how often snd.una - iss went through 2^32: bytes acknowledged need no counter of their own */
    uint16_t nxt_wraps; /* rcv.nxt - irs */
    uint32_t segs_in, segs_out, retrans, data_segs_in;
    uint32_t delivered; /* segments that reached the peer, SYN and FIN included */
};

/* A number that began at @first goes on from @before to @after. */
static inline void rn_tcp_count_wrap(uint16_t *wraps, rn_seq first, rn_seq before, rn_seq after)
{
    if (after.v - first.v < before.v - first.v)
        ++*wraps;
}

/* Each is a deadline; the connection's one wheel node holds the least (timers.c). */
enum rn_tcp_timer {
    RN_TCP_T_RTO,  /* also persist: zero-window probes; and SYN, FIN retransmission */
    RN_TCP_T_LOSS, /* RACK reordering timer or tail loss probe */
    RN_TCP_T_DELACK,
    RN_TCP_T_LIFE, /* keepalive, FIN-WAIT-2, TIME-WAIT, user timeout of an orphan */
    RN_TCP_T_PACE, /* next departure when pacing */
    RN_TCP_T_COUNT
};

struct rn_tcp {
    struct rn_sock sock;  /* first: rn_sock_ops recover us by cast-free container_of */
    uint32_t flags;       /* enum rn_tcp_conn_flag */
    uint8_t state;        /* enum rn_tcp_state; written by rn_tcp_move() only */
    uint8_t persist_kind; /* what T_RTO means now: enum in timers.c */
    uint8_t probes;       /* unanswered keepalive or zero-window probes */
    uint8_t syn_retries;
    struct rn_tcp_snd snd;
    rn_seq iss;
    rn_seq irs;
    uint32_t ts_offset; /* added to our timestamp clock, RFC 7323 §5.4 */
    struct rn_tcp_rcv rcv;
    struct rn_tcp_flight *flight; /* NULL when nothing is queued or in flight */
    struct rn_task output;        /* OUTPUT phase: rn_tcp_flush; at the end, the reaper of conn.c */
    struct rn_tcp_cc cc;
    struct rn_timer timer;
    uint32_t due[RN_TCP_T_COUNT]; /* deadlines in wheel ticks modulo 2^32; 0: not armed */
    struct rn_tcp_rtt rtt;
    uint32_t last_recv_ms; /* any segment: keepalive; milliseconds modulo 2^32 */
    struct rn_flow flow;
    uint32_t last_challenge_ms; /* RFC 5961 §7 limit, this connection's own */
    uint32_t busy_ms;           /* with data under way or waiting; flights that are over */
    struct rn_tcp_cold *cold;   /* NULL: all defaults */
    struct rn_tcp_listen
        *listen; /* of a listener; or, while unaccepted, the listener we belong to */
    struct rn_list
        link; /* in one list always: its listener's accept queue, else the stack's conns */
    struct rn_tcp_count count;
};

/* malloc's 8 bytes make it 480, and its share of the demux table (a pointer, at a load between a half and one) less than 512,
 * resident memory. */
_Static_assert(sizeof(void *) != 8 || sizeof(struct rn_tcp) <= 472,
               "what an idle connection costs, DESIGN 2.3");

/* Keys of the cookies. n 0: made of the stack's secret, and changed from time to time. */
struct rn_tcp_fastopen_keys {
    struct rn_hash_key key[2]; /* the first makes cookies, both check them */
    uint8_t n;
};

/* Per-stack TCP state (rn_l4_ops.attach). */
struct rn_tcp_stack {
    struct rn_stack *stack;
    struct rn_list conns; /* every connection that is in no listener's queue */
    struct rn_tcp_forwarder *forwarder;
    rn_tcp_probe_fn *on_probe; /* observer */
    void *probe_arg;
    uint32_t n_orphans;
    uint32_t n_timewait;
    uint32_t n_flights;                     /* connections with data in their send buffers */
    uint32_t n_receivers;                   /* those whose window is measured */
    struct rn_list timewaits;               /* timewait.c, oldest first */
    struct rn_timer reclaim;                /* reclaim.c, while memory is full */
    struct rn_timer retry;                  /* reclaim.c, while somebody waits for a slab */
    const struct rn_tcp_cc_ops *congestion; /* of new connections; NULL: the default */
    struct rn_tcp_fastopen_keys fastopen_keys;
    struct rn_tcp_fastopen_cache *fastopen_cache; /* owned; NULL until first needed */
};

/* --- conn.c: birth, death --------------------------------------------------------------------------------- */
/* A CLOSED connection with defaults. Returns owned. Errors: NOMEM. */
RN_MUST_USE int rn_tcp_conn_new(struct rn_tcp **ret, struct rn_stack *stack);
/* Consumes @conn: leaves every list, table and timer, frees queues. The state must be CLOSED. */
void rn_tcp_conn_free(struct rn_tcp *conn);
/* The rarely set options, allocated by the first call (NULL: no memory); to read, those never set too. */
struct rn_tcp_cold *rn_tcp_cold_of(struct rn_tcp *conn);
extern const struct rn_tcp_cold rn_tcp_cold_defaults;
static inline const struct rn_tcp_cold *rn_tcp_cold_get(const struct rn_tcp *conn)
{
    return conn->cold != NULL ? conn->cold : &rn_tcp_cold_defaults;
}
/* The connection is over: @err 0 for a clean end. Moves to CLOSED, tells the application (or frees an orphan at the end of
 * the turn). Never frees inline: callers may still look at conn->state. */
void rn_tcp_conn_end(struct rn_tcp *conn, int err);
/* Sends RST (where RFC 9293 §3.10.5 wants one) and ends @conn. */
void rn_tcp_conn_abort(struct rn_tcp *conn, int err);
static inline struct rn_tcp *rn_tcp_of(struct rn_sock *sock)
{
    return rn_container_of(sock, struct rn_tcp, sock);
}
static inline struct rn_tcp_stack *rn_tcp_stack_of(const struct rn_tcp *conn)
{
    return rn_stack_l4_state(conn->sock.stack, RN_PROTO_TCP);
}
static inline int64_t rn_tcp_now_ns(const struct rn_tcp *conn)
{
    return conn->sock.stack->turn->now_ns;
}
/* A protocol invariant that no peer can break; else traced, counted, the connection aborted. Fatal in tests and fuzzers. */
bool rn_tcp_check(struct rn_tcp *conn, bool holds);

/* --- state.c ------------------------------------------------------------------------------------------------ */
enum rn_tcp_event {
    RN_TCP_EV_OPEN_ACTIVE,
    RN_TCP_EV_OPEN_PASSIVE,
    RN_TCP_EV_SYN_RCVD,
    RN_TCP_EV_SYN_ACKED,
    RN_TCP_EV_FIN_SENT,
    RN_TCP_EV_FIN_RCVD,
    RN_TCP_EV_FIN_ACKED,
    RN_TCP_EV_TIMEOUT,
    RN_TCP_EV_RESET,
    RN_TCP_EV_COUNT
};
/* The only writer of conn->state: looks the event up in the table. */
void rn_tcp_move(struct rn_tcp *conn, enum rn_tcp_event event);

/* --- input side (input.c segment_in.c listen.c cookie.c connect.c rcv.c reorder.c reset.c timewait.c) --------- */
extern const struct rn_l4_ops rn_tcp_ops;
/* RFC 9293 §3.10.7 in order, for a connection past LISTEN. Consumes seg->pkt. */
void rn_tcp_segment_in(struct rn_tcp *conn, struct rn_tcp_seg *seg);
/* In-window data (trimmed to the window): in order to the queue, else to the reorder store. Takes seg->pkt. */
void rn_tcp_rcv_data(struct rn_tcp *conn, struct rn_tcp_seg *seg);
/* The window to advertise now, unscaled bytes; SWS-avoiding, never shrinking the right edge (RFC 9293 §3.8.6.2.2). */
uint32_t rn_tcp_rcv_window(struct rn_tcp *conn);
/* A segment with an ACK leaves now: returns its window field and accounts both as sent (right edge, wup, no
 * ACK owed any more). Only build.c calls it. */
uint16_t rn_tcp_rcv_announce(struct rn_tcp *conn, uint16_t flags);
/* Up to @max blocks to report: DSACK first, then most recent (RFC 2018 §4, 2883). Returns how many. A DSACK is reported
 * once. */
unsigned rn_tcp_rcv_sack_blocks(struct rn_tcp *conn, struct rn_tcp_sack_block *ret, unsigned max);

/* --- opts.c: which options a segment carries --------------------------------------------------------------- */
enum rn_tcp_opts_kind { RN_TCP_OPTS_SYN, RN_TCP_OPTS_SYN_ACK, RN_TCP_OPTS_SEGMENT };
/* Fills @ret for a segment that leaves now (a pending DSACK is taken by it). */
void rn_tcp_opts_for(struct rn_tcp *conn, enum rn_tcp_opts_kind kind, struct rn_tcp_opts *ret);
/* Bytes rn_tcp_opts_for(SEGMENT) would take now: timestamps, and SACK blocks while there is something to report. */
uint32_t rn_tcp_opts_segment_bytes(const struct rn_tcp *conn);
/* Answers a segment for no connection with RST (RFC 9293 §3.10.7.1). @pkt borrowed. */
void rn_tcp_reset_unknown(struct rn_nic *nic, const struct rn_ip_in *ip,
                          const struct rn_tcp_seg *seg, const struct rn_tcp_hdr *hdr);
/* RST for a live connection we abort. */
void rn_tcp_send_reset(struct rn_tcp *conn);
/* Challenge ACK with the connection's own limit (RFC 5961 §5, §7). */
void rn_tcp_challenge(struct rn_tcp *conn);

/* --- api.c, for gates: by reference ---------------------------------------------------------------------------- */
/* As rn_tcp_write, but queues a reference to @buf; consumes one on success. */
RN_MUST_USE int64_t rn_tcp_write_buf(struct rn_sock *sock, struct rn_buf *buf, uint32_t off,
                                     uint32_t len);
/* Bytes rn_tcp_write would take now; if none, RN_WRITABLE is told when there is room again. */
size_t rn_tcp_await_room(struct rn_sock *sock);

/* --- output side (snd.c ack.c scoreboard.c rack.c recovery.c rto.c rtt.c cc build.c timers.c) ------------------- */
/* Defaults of a new connection: controller, RTO of 1 s (RFC 6298 §2), send buffer. */
void rn_tcp_snd_init(struct rn_tcp *conn);
/* Frees the flight and the controller's state. */
void rn_tcp_snd_fini(struct rn_tcp *conn);
/* Something may have to go out (data, ACK, FIN, window update): schedules rn_tcp_flush in this turn. */
void rn_tcp_want_output(struct rn_tcp *conn);
/* OUTPUT phase: sends what cwnd, rwnd, Nagle, pacing and the NIC's room allow, or at least the ACK that is owed. */
void rn_tcp_flush(struct rn_task *task);
/* Appends to the send queue. All: bytes taken (>= 0) or NOMEM. */
int64_t rn_tcp_snd_copy(struct rn_tcp *conn, const void *bytes, size_t len);
/* Consumes a reference to @buf on success. Returns len, or NOMEM. */
int64_t rn_tcp_snd_append(struct rn_tcp *conn, struct rn_buf *buf, uint32_t off, uint32_t len);
size_t rn_tcp_snd_room(const struct rn_tcp *conn);
/* All queued data is sent or dropped: used by conn_end. Frees the flight. */
void rn_tcp_snd_clear(struct rn_tcp *conn);
/* An acceptable ACK arrived (snd.una <= ack <= snd.nxt, already checked): what it means for the send queue, RTT, loss
 * detection, cwnd, window. @seg->wnd is scaled. That our FIN was acknowledged (FIN_SENT and una == nxt) the input side
 * sees for itself; FIN_SENT is moved by snd.c when the FIN leaves. */
void rn_tcp_ack_in(struct rn_tcp *conn, struct rn_tcp_seg *seg);
/* One that another has overtaken: below snd.una, but plausible. */
void rn_tcp_late_ack_in(struct rn_tcp *conn, struct rn_tcp_seg *seg);
/* ICMP told of a smaller path, or the route changed: recompute snd.mss; resend what is too big. */
void rn_tcp_mtu_changed(struct rn_tcp *conn);
/* SYN (in SYN-SENT) or SYN+ACK (in SYN-RCVD): sends or resends it at iss with options; arms the timer. */
void rn_tcp_send_syn(struct rn_tcp *conn);
/* Effective MSS for what we send: path MTU, peer MSS, options in use. */
uint16_t rn_tcp_mss_now(const struct rn_tcp *conn);
/* The same, had segments no options. */
uint32_t rn_tcp_mss_without_opts(const struct rn_tcp *conn);
/* Starting values when the handshake is done: cwnd = IW10 (RFC 6928), controller, mss. The input side calls it before it
 * gives the ACK of our SYN to rn_tcp_ack_in, which advances una over the SYN and takes the RTT sample. */
void rn_tcp_snd_established(struct rn_tcp *conn);
/* Our timestamp clock (ms) for this connection. */
uint32_t rn_tcp_ts_now(const struct rn_tcp *conn);

/* build.c: one segment (or super-segment) leaves. Data is [seq, seq + len) of the send queue. */
struct rn_tcp_out {
    rn_seq seq;
    uint32_t len;   /* data bytes, may exceed mss: GSO */
    uint16_t flags; /* RN_TCP_ACK is added in synchronised states */
    bool is_retransmit;
    bool is_size_probe; /* one segment, though it is longer than mss */
};
/* Builds, accounts the ACK as sent, hands to rn_ip_output. Errors as rn_ip_output, NOMEM. */
int rn_tcp_build(struct rn_tcp *conn, const struct rn_tcp_out *out);
/* A bare ACK now. */
void rn_tcp_send_ack(struct rn_tcp *conn);

/* timers.c: the event vocabulary; nobody else arms anything. */
void rn_tcp_timers_init(struct rn_tcp *conn);
void rn_tcp_timers_stop_all(struct rn_tcp *conn);
void rn_tcp_timers_syn_sent(struct rn_tcp *conn);
/* Our SYN left at @sent_ns, before there was a connection to arm. */
void rn_tcp_timers_syn_was_sent(struct rn_tcp *conn, int64_t sent_ns);
void rn_tcp_timers_data_sent(struct rn_tcp *conn);
void rn_tcp_timers_data_acked(struct rn_tcp *conn); /* some or all; re-arms or stops RTO and TLP */
void rn_tcp_timers_window_closed(struct rn_tcp *conn); /* persist */
/* Delayed ACK: sent within this time; one that is owed already keeps its own. */
void rn_tcp_timers_ack_owed(struct rn_tcp *conn, int64_t within_ns);
void rn_tcp_timers_ack_sent(struct rn_tcp *conn);
void rn_tcp_timers_segment_received(struct rn_tcp *conn); /* keepalive restarts lazily */
void rn_tcp_timers_keepalive_changed(struct rn_tcp *conn);
void rn_tcp_timers_fin_wait_2(struct rn_tcp *conn); /* of an orphan */
void rn_tcp_timers_orphaned(struct rn_tcp *conn);   /* SO_LINGER bounds what is left to do */
void rn_tcp_timers_reorder(struct rn_tcp *conn, int64_t deadline_ns);
void rn_tcp_timers_pace(struct rn_tcp *conn, int64_t departure_ns);
