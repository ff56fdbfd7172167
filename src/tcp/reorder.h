#pragma once
/*
 * What the receive side needs only while data arrives: the out-of-order store, what SACK has to say of it, the measure of
 * auto-tuning. The store is a tree of islands, runs of data without a hole; so its size is the number of holes, data is
 * added in O(log holes), and nothing is kept twice.
 */
#include "base/tree.h"
#include "tcp/conn.h"

/* Islands of one connection: what an attacker with 1-byte segments can make of it (SegmentSmack). */
#define RN_TCP_ISLANDS_MAX 1024u

struct rn_tcp_rx {
    struct rn_tree islands;
    struct rn_list
        recent; /* islands, the last changed first: the order of SACK blocks (RFC 2018 §4) */
    struct rn_tcp_sack_block dsack;
    bool has_dsack;
    bool has_fin;
    rn_seq fin;       /* sequence number of a FIN that came before what precedes it */
    uint32_t n_ooo;   /* packets that came out of order, for TCP_INFO */
    int64_t round_ns; /* auto-tuning: start of this measure, */
    uint32_t copied;  /* bytes the application took since, */
    uint32_t space;   /* the most it took in one round */
    uint32_t rtt_us;  /* from timestamps echoed in data; 0 unknown */
};

/* NULL without memory: everything here can be done without. */
struct rn_tcp_rx *rn_tcp_rx_of(struct rn_tcp *conn);
bool rn_tcp_reorder_is_empty(const struct rn_tcp *conn);
/* Data or a FIN lies beyond a hole. */
static inline bool rn_tcp_reorder_waits(const struct rn_tcp *conn)
{
    const struct rn_tcp_rx *rx = conn->rcv.rx;

    return rx != NULL && (rx->islands.root != NULL || rx->has_fin);
}
/* Keeps [seg->seq, +data_len), which begins beyond rcv.nxt; what was here already is cut off. Takes seg->pkt. Returns
 * false when all of it was here (seg->pkt is dropped). */
bool rn_tcp_reorder_add(struct rn_tcp *conn, struct rn_tcp_seg *seg);
/* Takes out what is now next, since all before @nxt is there: appends its packets to @to, returns their bytes. */
uint32_t rn_tcp_reorder_take(struct rn_tcp *conn, rn_seq nxt, struct rn_pktq *to);
/* Gives up the island farthest from rcv.nxt to make room for data in order; false if there is none. */
bool rn_tcp_reorder_evict(struct rn_tcp *conn);
/* Reports [from, to) as received twice (RFC 2883); only if SACK is negotiated. */
void rn_tcp_reorder_note_dup(struct rn_tcp *conn, rn_seq from, rn_seq to);
/* How many blocks rn_tcp_rcv_sack_blocks has to report. */
unsigned rn_tcp_reorder_n_blocks(const struct rn_tcp *conn);
void rn_tcp_reorder_clear(struct rn_tcp *conn);

/* --- rcv.c ---------------------------------------------------------------------------------------------------- */
void rn_tcp_rcv_init(struct rn_tcp *conn);
/* Frees all that was received and not read. */
void rn_tcp_rcv_clear(struct rn_tcp *conn);
/* The packets that can be read, oldest first: NULL ends the walk. */
static inline struct rn_pkt *rn_tcp_rcv_first(const struct rn_tcp *conn)
{
    return conn->rcv.last != NULL ? conn->rcv.last->next : NULL;
}
static inline struct rn_pkt *rn_tcp_rcv_next(const struct rn_tcp *conn, const struct rn_pkt *pkt)
{
    return pkt != conn->rcv.last ? pkt->next : NULL;
}
/* The first byte after the window the peer knows of. */
static inline rn_seq rn_tcp_rcv_edge(const struct rn_tcp *conn)
{
    return rn_seq_add(conn->rcv.wup, conn->rcv.wnd);
}
/* The window field of a SYN+ACK for a connection like @model, which is not there yet; and that it was sent. */
uint16_t rn_tcp_rcv_first_window(const struct rn_tcp *model);
void rn_tcp_rcv_announced(struct rn_tcp *conn, uint16_t field);
/* Memory held on behalf of the connection: charges it and the stack. */
void rn_tcp_rcv_charge(struct rn_tcp *conn, int64_t bytes);
uint32_t rn_tcp_rcv_pkt_cost(const struct rn_pkt *pkt);
/* A packet that costs many times what it carries is copied into small slabs. Consumes @pkt, returns owned. */
struct rn_pkt *rn_tcp_rcv_compact(struct rn_pkt *pkt);
/* True when what is held leaves no memory for data out of order. */
bool rn_tcp_rcv_is_full(const struct rn_tcp *conn, uint32_t more);
/* The application took @len bytes off the queue. */
void rn_tcp_rcv_consume(struct rn_tcp *conn, uint32_t len);
/* The peer's SYN: the receive side starts. */
void rn_tcp_rcv_start(struct rn_tcp *conn, rn_seq irs);
/* The peer's FIN at sequence number @fin: taken when it is next, else held until the data before it is there. */
void rn_tcp_rcv_fin(struct rn_tcp *conn, rn_seq fin);
/* After data was taken: is the held FIN next? */
void rn_tcp_rcv_held_fin(struct rn_tcp *conn);
/* A new SO_RCVBUF, window clamp: at most what is promised already stays. */
void rn_tcp_rcv_set_buf(struct rn_tcp *conn, uint32_t bytes);
/* --- tune.c: receive window auto-tuning (DRS) ------------------------------------------------------------------ */
void rn_tcp_tune_measure(struct rn_tcp *conn, const struct rn_tcp_seg *seg);
void rn_tcp_tune_consumed(struct rn_tcp *conn, uint32_t len);
/* The shift we ask for: what the largest window we may come to needs (RFC 7323 §2.3). */
uint8_t rn_tcp_tune_wscale(const struct rn_tcp *conn);
