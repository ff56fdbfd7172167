#pragma once
/*
 * struct rn_tcp_flight: what a connection has only while data is queued or in flight. Three parts:
 *
 * The queue: chunks, runs of payload inside one buffer each, in order. A write fills the tail slab, appended buffers are
 * referenced; a segment references them again, however often it is sent. No payload byte is copied after the write.
 *
 * The records: one per transmission, ordered by sequence number. A super-segment is one record until SACK, a partial
 * retransmission or a smaller MSS splits it. A record is in exactly one of three places: in flight (list .sent, in the
 * order of last transmission, for RACK), lost and not yet sent again (list .lost), or SACKed (neighbours are merged). So
 * an ACK touches what it changes, never the window.
 *
 * The controls: RACK-TLP (RFC 8985), recovery with PRR (RFC 6937) and undo, delivery rate samples.
 */
#include "base/tree.h"
#include "tcp/conn.h"

/* Not worth holding a slab for: below this a write takes small slabs. */
#define RN_TCP_SMALL_WRITE_BYTES (4u * RN_BUF_SMALL_BYTES)
#define RN_TCP_CHUNKS_INLINE     4u

/* DESIGN 2.3: what one connection may have between TCP and the device. */
#define RN_TCP_BELOW_MAX_BYTES (128u * 1024u)

#define RN_TCP_DUPTHRESH 3u /* RFC 5681 §3.2 */

struct rn_tcp_chunk {
    struct rn_buf *buf; /* owns a reference */
    uint32_t off;
    uint32_t len;
    rn_seq seq;
    bool is_ours; /* a slab we filled ourselves: the tail may grow */
};

struct rn_tcp_queue {
    struct rn_tcp_chunk *items; /* ring; .inlined while it is small */
    uint32_t cap;               /* power of two */
    uint32_t head;              /* free running, index & (cap - 1) */
    uint32_t n;
    rn_seq start;     /* first byte not acknowledged */
    rn_seq end;       /* after the last byte written */
    uint32_t charged; /* true bytes, told to the stack */
    struct rn_tcp_chunk inlined[RN_TCP_CHUNKS_INLINE];
};

enum rn_tcp_rec_state { RN_TCP_REC_FLYING, RN_TCP_REC_LOST, RN_TCP_REC_SACKED };

/* One transmission: [seq, end), FIN included. */
struct rn_tcp_rec {
    struct rn_tree_node node; /* flight->recs, by seq */
    struct rn_list order;     /* flight->in_order */
    struct rn_list link;      /* .sent or .lost */
    rn_seq seq;
    rn_seq end;
    uint32_t segs;
    uint16_t mss;      /* of its last transmission */
    uint8_t state;     /* enum rn_tcp_rec_state */
    uint8_t sent_more; /* retransmissions, saturating */
    bool is_app_limited;
    bool is_pushed;        /* its end was sent with PSH, and is so again */
    uint32_t resent;       /* segments of it in flight for more than the first time, as counted */
    uint32_t tx_in_flight; /* in flight when it left, itself included */
    int64_t sent_ns;       /* last transmission */
    /* Delivery rate snapshot of that moment (draft-ietf-ccwg-bbr §4.1.2.2). */
    int64_t first_sent_ns;
    int64_t delivered_ns;
    uint64_t delivered;
    uint64_t lost;
};

/* RFC 8985 §5.2, §6.2. */
struct rn_tcp_rack {
    int64_t sent_ns; /* of the segment most recently sent among those delivered */
    rn_seq end;
    uint32_t rtt_us;
    rn_seq fack; /* highest sequence delivered, SACKed or acknowledged */
    bool is_reordering;
    bool has_sample;
    uint8_t wnd_mult;      /* reo_wnd_mult */
    uint8_t wnd_persist;   /* recoveries until the multiplier falls back */
    rn_seq dsack_round;    /* one increase per round trip */
    bool is_dsack_counted; /* dsack_round is meaningful */
    uint32_t reord_seen;
    uint32_t reord_pkts; /* how far the network was seen to reorder; 0: not beyond DupThresh */
};

/* RFC 8985 §7. */
struct rn_tcp_tlp {
    rn_seq end; /* snd.nxt when the probe was sent */
    bool is_out;
    bool is_retransmit;
    uint8_t n_unanswered; /* probes since the last ACK of something new */
};

/* Retransmissions of one episode. */
struct rn_tcp_resent {
    uint32_t first_ts; /* our timestamp of the first: Eifel, RFC 3522 */
    uint32_t bytes;    /* not yet found needless by DSACK */
    rn_seq from;       /* all of them lie in [from, to) */
    rn_seq to;
    bool is_any;
};

struct rn_tcp_recovery {
    rn_seq high; /* snd.nxt on entry: recovery is over when it is acknowledged */
    uint32_t prior_cwnd;
    uint32_t prior_ssthresh;
    uint32_t prr_delivered;
    uint32_t prr_out;
    uint32_t recover_fs;
    bool may_undo;    /* the reduction has not been proved right */
    bool is_high_set; /* .high is meaningful */
    struct rn_tcp_resent resent;
    struct rn_tcp_resent next; /* of what was first sent after .high */
    uint8_t frto;              /* enum in recovery.c, RFC 5682 */
    rn_seq undo_from;          /* snd.una on entry: DSACKs before it say nothing about us */
    uint32_t dup_bytes;        /* without SACK: what the duplicate ACKs stand for */
    uint32_t dup_segs;
};

struct rn_tcp_rate {
    uint64_t delivered; /* bytes, whole life of the flight */
    uint64_t lost;      /* the same of bytes called lost, however often */
    int64_t delivered_ns;
    int64_t first_sent_ns;
    uint64_t app_limited; /* delivered + pipe when the application had no more; 0 not limited */
    uint64_t bytes_per_s; /* newest sample */
    bool is_sample_app_limited;
};

/* What was handed to the NIC and not taken yet, in two halves (rn_nic_ticket). */
struct rn_tcp_below {
    uint64_t ticket;
    uint32_t bytes;
};

struct rn_tcp_flight {
    struct rn_tcp_queue queue;
    struct rn_tree recs;
    struct rn_list in_order;
    struct rn_list sent;
    struct rn_list lost;          /* by seq */
    struct rn_tcp_rec *last_lost; /* put there last; NULL unknown */
    struct rn_list spare;         /* records to use again, by .link */
    uint32_t pipe;                /* bytes of records in flight */
    uint32_t lost_bytes;
    uint32_t sacked_bytes;
    uint32_t sacked_segs;
    uint32_t resent_segs; /* in flight again */
    uint32_t n_recs;
    rn_seq small_end; /* end of the last segment smaller than mss: Minshall's Nagle */
    bool has_small;
    bool is_cork_over;  /* 200 ms have passed: a held partial segment may go */
    bool is_rwnd_held;  /* the peer's window is what stopped us last */
    uint8_t loss_timer; /* what T_LOSS means: enum rn_tcp_loss_timer */
    uint32_t max_out;   /* most bytes in flight during this round: is cwnd the limit? */
    rn_seq max_out_end;
    int64_t pace_ns;     /* next departure; 0 not paced yet */
    int64_t cork_ns;     /* when a held partial segment may go; 0 none is held. Shares T_PACE */
    uint32_t avoid_rest; /* fraction of a byte that congestion avoidance is owed, times cwnd */
    uint32_t mdev_us;
    uint32_t mdev_max_us; /* within the present round trip */
    rn_seq rtt_round;
    uint16_t good_before; /* sizes.good before it was lowered on suspicion */
    uint8_t n_stalls;     /* timeouts in a row of what could be smaller */
    bool is_size_guessed; /* sizes.good was lowered, and no ACK has come since */
    bool is_size_probe_out;
    rn_seq size_probe;   /* where it begins */
    uint64_t sizes_lost; /* rate.lost, rate.delivered when probing began: is the path clear? */
    uint64_t sizes_delivered;
    int64_t waits_since_ns;  /* user timeout: when what timed out was sent; 0 nothing timed out */
    int64_t linger_until_ns; /* all is acknowledged, but a late DSACK may still undo; 0 not begun */
    int64_t busy_since_ns;   /* 0: nothing is queued */
    int64_t limit_since_ns;  /* .limit is true */
    uint8_t limit;           /* enum rn_tcp_limit */
    struct rn_nic *below_nic;
    struct rn_tcp_below below[2];
    struct rn_tcp_rack rack;
    struct rn_tcp_tlp tlp;
    struct rn_tcp_recovery rec;
    struct rn_tcp_rate rate;
};

/* What keeps a sender with data from sending (TCP_INFO); both are parts of the time it is busy. */
enum rn_tcp_limit { RN_TCP_LIMIT_NONE, RN_TCP_LIMIT_RWND, RN_TCP_LIMIT_SNDBUF };

enum rn_tcp_loss_timer { RN_TCP_LOSS_REORDER, RN_TCP_LOSS_PROBE, RN_TCP_LOSS_LINGER };

/* What one ACK did; filled step by step in ack.c, read by recovery and congestion control. */
struct rn_tcp_ack {
    const struct rn_tcp_seg *seg;
    int64_t now_ns;
    uint32_t acked;     /* sequence numbers cumulatively acknowledged */
    uint32_t delivered; /* newly acknowledged or SACKed */
    uint32_t newly_lost;
    uint32_t known;  /* of .delivered, what duplicate ACKs without SACK had told of */
    uint32_t credit; /* what cwnd may grow by */
    int64_t rtt_us;  /* newest never-retransmitted segment delivered; -1 none */
    bool is_dup;     /* RFC 5681 §2 duplicate */
    bool is_dsack;
    bool is_original_late;  /* sent once and thought lost, or sent before the timeout: it arrived */
    bool has_retransmitted; /* acknowledged data was sent more than once */
    bool is_ece;
    bool has_tlp_dsack;
    /* Rate sample under construction: snapshot of the newest segment delivered. */
    int64_t newest_sent_ns;
    int64_t snap_first_sent_ns;
    int64_t snap_delivered_ns;
    uint64_t snap_delivered;
    uint64_t snap_lost;
    uint32_t snap_in_flight;
    bool is_app_limited;
    bool has_newest;
    uint32_t rate_bytes;       /* delivered since the newest segment delivered now was sent */
    uint64_t rate_bytes_per_s; /* the sample; 0: none that could be trusted */
};

/* --- flight.c ---------------------------------------------------------------------------------------------- */
/* conn->flight, made when it is missing. NULL: out of memory. */
struct rn_tcp_flight *rn_tcp_flight_need(struct rn_tcp *conn);
/* Frees conn->flight and all in it; NULL afterwards. */
void rn_tcp_flight_free(struct rn_tcp *conn);
/* A record of [seq, end) behind all others, in no list yet. NULL: out of memory. */
struct rn_tcp_rec *rn_tcp_rec_append(struct rn_tcp *conn, rn_seq seq, rn_seq end);
/* Cuts @rec at @at (inside it); returns the new right part, same state, or NULL when out of memory. */
struct rn_tcp_rec *rn_tcp_rec_split(struct rn_tcp *conn, struct rn_tcp_rec *rec, rn_seq at);
/* Drops @rec, in whatever state. */
void rn_tcp_rec_remove(struct rn_tcp *conn, struct rn_tcp_rec *rec);
/* Cuts acknowledged bytes off the front. */
void rn_tcp_rec_trim(struct rn_tcp *conn, struct rn_tcp_rec *rec, rn_seq una);
void rn_tcp_rec_to_flying(struct rn_tcp *conn, struct rn_tcp_rec *rec);
/* Lost after all not: back in front of all in flight, as what was lost was sent before them. */
void rn_tcp_rec_found(struct rn_tcp *conn, struct rn_tcp_rec *rec);
void rn_tcp_rec_to_lost(struct rn_tcp *conn, struct rn_tcp_rec *rec);
/* The same for what congestion lost, or seems to have: controllers hear of it. */
void rn_tcp_rec_lose(struct rn_tcp *conn, struct rn_tcp_rec *rec);
/* Merges with SACKed neighbours; returns the record that now covers it. */
struct rn_tcp_rec *rn_tcp_rec_to_sacked(struct rn_tcp *conn, struct rn_tcp_rec *rec);
/* The record that holds @seq, or the first after it; NULL if none. */
struct rn_tcp_rec *rn_tcp_rec_find(const struct rn_tcp_flight *flight, rn_seq seq);
struct rn_tcp_rec *rn_tcp_rec_first(const struct rn_tcp_flight *flight);
struct rn_tcp_rec *rn_tcp_rec_last(const struct rn_tcp_flight *flight);
struct rn_tcp_rec *rn_tcp_rec_next(const struct rn_tcp_flight *flight,
                                   const struct rn_tcp_rec *rec);
static inline uint32_t rn_tcp_rec_len(const struct rn_tcp_rec *rec)
{
    return rec->end.v - rec->seq.v;
}

/* --- busy.c: how long there was something to send, and what held it (TCP_INFO) ------------------------------------ */
/* Data is queued where none was. */
void rn_tcp_busy_begin(struct rn_tcp *conn);
/* Sending stops here for now, for a reason or for want of data. */
void rn_tcp_busy_held_by(struct rn_tcp *conn, enum rn_tcp_limit limit);
/* All is acknowledged, or given up. */
void rn_tcp_busy_end(struct rn_tcp *conn);
/* The sums in ms, what runs now included. */
void rn_tcp_busy_times(const struct rn_tcp *conn, uint32_t *ret_busy, uint32_t *ret_rwnd,
                       uint32_t *ret_sndbuf);

/* --- queue.c ----------------------------------------------------------------------------------------------- */
void rn_tcp_queue_init(struct rn_tcp_queue *queue, rn_seq start);
void rn_tcp_queue_fini(struct rn_tcp *conn, struct rn_tcp_queue *queue);
/* Lets go of everything before @una (at most up to the end); returns bytes. */
uint32_t rn_tcp_queue_trim(struct rn_tcp *conn, struct rn_tcp_queue *queue, rn_seq una);
/* How many bytes from @seq on, at most @max, one packet can reference. */
uint32_t rn_tcp_queue_span(const struct rn_tcp_queue *queue, rn_seq seq, uint32_t max);
/* Appends references to [seq, seq + len) to @pkt; the span must fit. */
RN_MUST_USE bool rn_tcp_queue_attach(const struct rn_tcp_queue *queue, rn_seq seq, uint32_t len,
                                     struct rn_pkt *pkt);

/* --- scoreboard.c, rack.c, recovery.c, rto.c, rtt.c, rate.c, snd.c between themselves ------------------------- */
/* Takes the SACK blocks of @ack's segment. Bad blocks are ignored, the ACK is not. */
void rn_tcp_sack_in(struct rn_tcp *conn, struct rn_tcp_ack *ack);
/* After the ACK was taken: how far the peer has anything (RACK.fack), by which the next ACK shows reordering. */
void rn_tcp_sack_raise_fack(struct rn_tcp *conn, const struct rn_tcp_seg *seg);
/* @rec was delivered (first acknowledged or SACKed now): RACK, RTT, rate, F-RTO learn of it. */
void rn_tcp_delivered(struct rn_tcp *conn, struct rn_tcp_ack *ack, const struct rn_tcp_rec *rec,
                      uint32_t bytes);

/* RFC 8985 §6.2 steps 1, 2 for one delivered record. */
void rn_tcp_rack_delivered(struct rn_tcp *conn, struct rn_tcp_ack *ack,
                           const struct rn_tcp_rec *rec);
/* Step 4: a DSACK widens the reordering window. */
void rn_tcp_rack_dsack(struct rn_tcp *conn);
/* Step 5: marks records lost; arms the reordering timer. Returns bytes newly lost. */
uint32_t rn_tcp_rack_detect(struct rn_tcp *conn);
void rn_tcp_rack_recovered(struct rn_tcp *conn);
/* Time left until @rec may be called lost, <= 0: now. For the timeout's marking. */
int64_t rn_tcp_rack_left_ns(const struct rn_tcp *conn, const struct rn_tcp_rec *rec);
/* Should a probe timeout be armed, and when; 0: no (RFC 8985 §7.2). */
int64_t rn_tcp_tlp_deadline_ns(const struct rn_tcp *conn);
void rn_tcp_tlp_fired(struct rn_tcp *conn);
void rn_tcp_tlp_on_ack(struct rn_tcp *conn, struct rn_tcp_ack *ack);
void rn_tcp_reorder_fired(struct rn_tcp *conn);

/* The state machine of congestion: OPEN, DISORDER, CWR, RECOVERY, LOSS. */
void rn_tcp_recovery_on_ack(struct rn_tcp *conn, struct rn_tcp_ack *ack);
/* Losses were found without an ACK (reordering timer): enters recovery. */
void rn_tcp_recovery_on_loss(struct rn_tcp *conn);
/* The retransmission timer fired: everything may be lost. */
void rn_tcp_recovery_on_timeout(struct rn_tcp *conn);
/* One reduction without loss: a loss that a tail loss probe repaired. */
void rn_tcp_recovery_on_mark(struct rn_tcp *conn);
/* Records were marked lost for their size: sent again without any reduction. */
void rn_tcp_recovery_on_resize(struct rn_tcp *conn);
/* The flight ends, and with it all that an episode is counted by: there is none any more. */
void rn_tcp_recovery_end(struct rn_tcp *conn);
void rn_tcp_recovery_dsack(struct rn_tcp *conn, rn_seq from, rn_seq to);
void rn_tcp_recovery_retransmitted(struct rn_tcp *conn, rn_seq seq, uint32_t bytes);
void rn_tcp_recovery_sent(struct rn_tcp *conn, uint32_t bytes);
/* F-RTO has its two segments out. */
bool rn_tcp_recovery_holds(const struct rn_tcp *conn);
/* Bytes in flight as congestion control sees them. */
uint32_t rn_tcp_pipe(const struct rn_tcp *conn);

void rn_tcp_rto_fired(struct rn_tcp *conn);
void rn_tcp_probe_fired(struct rn_tcp *conn); /* persist */
void rn_tcp_syn_fired(struct rn_tcp *conn);

/* @rec leaves; it does not count as in flight yet. */
void rn_tcp_rate_sent(struct rn_tcp *conn, struct rn_tcp_rec *rec);
void rn_tcp_rate_delivered(struct rn_tcp *conn, struct rn_tcp_ack *ack,
                           const struct rn_tcp_rec *rec, uint32_t bytes);
void rn_tcp_rate_sample(struct rn_tcp *conn, struct rn_tcp_ack *ack);
/* Nothing waits to be sent although cwnd would let it: samples of what is sent next say little of the path. */
void rn_tcp_rate_app_limited(struct rn_tcp *conn);
/* The same without asking: the controller itself held back. */
void rn_tcp_rate_mark_limited(struct rn_tcp *conn);
/* A rate in 16 bits, for TCP_INFO when the flight is over: ten bits of it, their exponent, and whether the application
 * limited it. */
uint16_t rn_tcp_rate_pack(const struct rn_tcp_rate *rate);
uint64_t rn_tcp_rate_unpack(uint16_t packed, bool *ret_is_app_limited);
/* Is there a departure time to wait for? Arms the timer if so. */
bool rn_tcp_pace_holds(struct rn_tcp *conn);
void rn_tcp_pace_sent(struct rn_tcp *conn, uint32_t bytes);
/* Most bytes of one paced departure. */
uint32_t rn_tcp_pace_quantum(const struct rn_tcp *conn);

/* Sends one retransmission of at most @max bytes from the front of @rec. false: could not build it. */
bool rn_tcp_retransmit(struct rn_tcp *conn, struct rn_tcp_rec *rec, uint32_t max);
/* Sends one segment of new data past the usual limits, if there is any within the window: TLP, F-RTO. */
bool rn_tcp_send_probe_data(struct rn_tcp *conn);
/* Sends what the window takes, however little of a segment: the override of SWS avoidance. */
bool rn_tcp_send_into_window(struct rn_tcp *conn);
/* The way out may have changed, and with it the size of segments. Before anything is sent. */
void rn_tcp_refresh_path(struct rn_tcp *conn);
/* Written and not yet sent. */
uint32_t rn_tcp_unsent(const struct rn_tcp *conn);
/* Bytes that may be written until as many as NOTSENT_LOWAT wait to be sent, those not counted that leave in this turn. */
uint32_t rn_tcp_lowat_room(const struct rn_tcp *conn);
/* Is so little left unsent that the application should be woken for more? As on Linux, half of NOTSENT_LOWAT. */
bool rn_tcp_wants_more(const struct rn_tcp *conn);
/* Tells a writer that waits, if it is worth its while. */
void rn_tcp_tell_room(struct rn_tcp *conn);
/* Lets the send buffer follow cwnd. */
void rn_tcp_snd_tune(struct rn_tcp *conn);
/* Bytes per second; 0: not paced. */
uint64_t rn_tcp_pacing_rate(const struct rn_tcp *conn);
/* An empty segment below the window, which the peer must answer: keepalive, closed window. */
void rn_tcp_send_probe(struct rn_tcp *conn);

/* pmtu.c: black holes */
void rn_tcp_pmtu_timeout(struct rn_tcp *conn);
void rn_tcp_pmtu_acked(struct rn_tcp *conn);
/* IP and TCP headers, options not counted. */
uint32_t rn_tcp_pmtu_header_bytes(const struct rn_tcp *conn);
/* The MSS by all that is known but .sizes, options in it. */
uint32_t rn_tcp_pmtu_full(const struct rn_tcp *conn);

/* pmtu_probe.c: the way back up */
/* Something may be tried from now on. */
void rn_tcp_size_probe_begin(struct rn_tcp *conn);
/* Bytes of data to send as one segment now, larger than mss; 0: nothing is to be tried. */
uint32_t rn_tcp_size_probe_len(struct rn_tcp *conn);
void rn_tcp_size_probe_sent(struct rn_tcp *conn, rn_seq seq);
bool rn_tcp_size_probe_is(const struct rn_tcp_flight *flight, const struct rn_tcp_rec *rec);
/* @bytes of @rec, which is the probe or what became of it, were delivered. */
void rn_tcp_size_probe_delivered(struct rn_tcp *conn, const struct rn_tcp_rec *rec, uint32_t bytes);
void rn_tcp_size_probe_lost(struct rn_tcp *conn);
/* This flight has lost segments of all sizes. */
bool rn_tcp_size_path_is_lossy(const struct rn_tcp *conn);

/* --- timers.c, beyond the vocabulary of conn.h ------------------------------------------------------------------ */
void rn_tcp_timers_rto_restart(struct rn_tcp *conn);
void rn_tcp_timers_probe_sent(struct rn_tcp *conn); /* timeout and next probe wait anew */
/* How long the SYN has been out, sent once; -1 unknown. */
int64_t rn_tcp_timers_syn_age_ns(const struct rn_tcp *conn);
void rn_tcp_timers_handshake_done(struct rn_tcp *conn);
void rn_tcp_timers_window_opened(struct rn_tcp *conn);
void rn_tcp_timers_reorder_stop(struct rn_tcp *conn);
void rn_tcp_timers_linger(struct rn_tcp *conn, int64_t until_ns);
/* A held partial segment goes after 200 ms. */
void rn_tcp_timers_cork(struct rn_tcp *conn);
