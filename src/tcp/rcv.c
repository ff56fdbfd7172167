#include "tcp/life.h"
#include "tcp/reorder.h"
#include "tcp/timewait.h"

/*
 * Data in order, the window, the FIN, and when an ACK is due. Two promises: what lies in an advertised window is never
 * refused, and the right edge of the window never moves left (RFC 9293 §3.8.6). .buf_max limits payload bytes; memory
 * really held stays within twice of it, since packets that waste their slabs are copied together.
 */

#define RCVBUF_DEFAULT_BYTES (256u << 10)
/* Segments answered at once when a connection begins, so that the peer's slow start is not held up (as Linux does). */
#define QUICK_ACKS       16u
#define DELACK_NS        (40 * RN_NS_PER_MS) /* RFC 5681 §4.2 allows 500 ms; as Linux's least */
#define SOON_NS          (2 * RN_NS_PER_MS)
#define ENOUGH_BYTES     (UINT16_MAX / 2u)
#define MSS_EST_START    536u
#define SMALL_PKT_BYTES  1024u
#define COMPACT_SLACK    4096u
#define HELD_SLACK_BYTES (64u << 10)

void rn_tcp_rcv_init(struct rn_tcp *conn)
{
    conn->rcv.buf_max = RCVBUF_DEFAULT_BYTES;
    conn->rcv.mss_est = MSS_EST_START;
    conn->rtt.quick_acks = QUICK_ACKS;
}

void rn_tcp_rcv_start(struct rn_tcp *conn, rn_seq irs)
{
    conn->irs = irs;
    conn->rcv.last_data_ms = rn_tcp_clock_ms(conn->sock.stack);
    conn->rcv.nxt = rn_seq_add(irs, 1);
    conn->rcv.wup = conn->rcv.nxt;
}

/* --- memory ----------------------------------------------------------------------------------------------------- */

void rn_tcp_rcv_charge(struct rn_tcp *conn, int64_t bytes)
{
    conn->rcv.charged = (uint32_t)(conn->rcv.charged + bytes);
    rn_stack_charge(conn->sock.stack, bytes);
}

/* Memory an application lent (data from a stack beside us) is not ours to count. */
uint32_t rn_tcp_rcv_pkt_cost(const struct rn_pkt *pkt)
{
    uint32_t cost = (uint32_t)sizeof(*pkt);
    bool is_paid = (pkt->flags & RN_PKT_LENT) != 0;

    for (unsigned i = 0; i < pkt->n_frags; i++) {
        const struct rn_frag *frag = &pkt->frags[i];

        cost +=
            is_paid || frag->buf->class == RN_BUF_LENT ? frag->len : rn_buf_true_bytes(frag->buf);
    }
    return cost;
}

bool rn_tcp_rcv_is_full(const struct rn_tcp *conn, uint32_t more)
{
    uint64_t limit = 2 * (uint64_t)conn->rcv.buf_max + HELD_SLACK_BYTES;

    return (uint64_t)conn->rcv.charged + more > limit;
}

/* Appends @len bytes at @off in pieces that go into small slabs. */
static bool copy_into_small(struct rn_pkt *to, const struct rn_pkt *from)
{
    uint8_t piece[512];
    size_t off;

    for (off = 0; off < from->len; off += sizeof(piece)) {
        size_t n = rn_min_size(sizeof(piece), from->len - off);

        rn_pkt_copy_out(from, off, piece, n);
        if (!rn_pkt_append_copy(to, piece, n))
            return false;
    }
    return true;
}

struct rn_pkt *rn_tcp_rcv_compact(struct rn_pkt *pkt)
{
    struct rn_pkt *copy;

    if (rn_tcp_rcv_pkt_cost(pkt) <= 2 * pkt->len + COMPACT_SLACK)
        return pkt;
    copy = rn_pkt_new(pkt->pool);
    if (copy == NULL)
        return pkt;
    copy->account = pkt->account;
    if (!copy_into_small(copy, pkt)) {
        rn_pkt_free(copy);
        return pkt;
    }
    rn_pkt_free(pkt);
    return copy;
}

/* Small data joins the slab before it, else a byte per packet would cost 2 KiB each. */
static bool join_last(struct rn_tcp *conn, const struct rn_pkt *pkt)
{
    struct rn_pkt *last = conn->rcv.last;
    struct rn_view bytes = rn_pkt_front(pkt);
    uint32_t cost;

    if (last == NULL || pkt->len > SMALL_PKT_BYTES || bytes.len != pkt->len)
        return false;
    cost = rn_tcp_rcv_pkt_cost(last);
    if (!rn_pkt_append_copy(last, bytes.ptr, bytes.len))
        return false;
    rn_tcp_rcv_charge(conn, (int64_t)rn_tcp_rcv_pkt_cost(last) - cost);
    return true;
}

/* Consumes @pkt. */
static void append(struct rn_tcp *conn, struct rn_pkt *pkt)
{
    conn->rcv.queued += pkt->len;
    if (join_last(conn, pkt)) {
        rn_pkt_free(pkt);
        return;
    }
    pkt = rn_tcp_rcv_compact(pkt);
    rn_tcp_rcv_charge(conn, rn_tcp_rcv_pkt_cost(pkt));
    pkt->next = conn->rcv.last != NULL ? conn->rcv.last->next : pkt;
    if (conn->rcv.last != NULL)
        conn->rcv.last->next = pkt;
    conn->rcv.last = pkt;
}

static void free_first(struct rn_tcp *conn)
{
    struct rn_pkt *last = conn->rcv.last;
    struct rn_pkt *pkt = last->next;

    rn_tcp_rcv_charge(conn, -(int64_t)rn_tcp_rcv_pkt_cost(pkt));
    last->next = pkt->next;
    if (pkt == last)
        conn->rcv.last = NULL;
    rn_pkt_free(pkt);
}

static void drop_queue(struct rn_tcp *conn)
{
    while (conn->rcv.last != NULL)
        free_first(conn);
    conn->rcv.queued = 0;
}

void rn_tcp_rcv_clear(struct rn_tcp *conn)
{
    drop_queue(conn);
    rn_tcp_reorder_clear(conn);
}

/* --- the window ------------------------------------------------------------------------------------------------- */

static uint32_t promised(const struct rn_tcp *conn)
{
    int32_t left = rn_seq_diff(rn_tcp_rcv_edge(conn), conn->rcv.nxt);

    return left > 0 ? (uint32_t)left : 0;
}

/* The largest window there may be now. */
static uint32_t window_limit(const struct rn_tcp *conn)
{
    uint32_t clamp = rn_tcp_cold_get(conn)->window_clamp;
    uint32_t limit = clamp != 0 ? rn_min_u32(conn->rcv.buf_max, clamp) : conn->rcv.buf_max;

    if (rn_stack_pressure(conn->sock.stack) == RN_PRESSURE_FULL)
        limit = rn_min_u32(limit, RN_TCP_LEAST_BYTES);
    return limit;
}

static uint32_t room(const struct rn_tcp *conn)
{
    uint32_t limit = window_limit(conn);

    if (rn_tcp_rcv_is_full(conn, 0))
        return 0;
    return limit > conn->rcv.queued ? limit - conn->rcv.queued : 0;
}

uint32_t rn_tcp_rcv_window(struct rn_tcp *conn)
{
    uint32_t now = promised(conn);
    uint32_t want = rn_min_u32(room(conn), (uint32_t)UINT16_MAX << conn->rcv.wscale);

    if (want <= now)
        return now;
    /* Receiver's SWS avoidance, RFC 9293 §3.8.6.2.2: open by a segment or half the buffer, or not at all. */
    if (want - now < rn_min_u32(window_limit(conn) / 2, conn->rcv.mss_est))
        return now;
    return want;
}

uint16_t rn_tcp_rcv_first_window(const struct rn_tcp *model)
{
    return rn_sat_u16(window_limit(model));
}

void rn_tcp_rcv_announced(struct rn_tcp *conn, uint16_t field)
{
    conn->rcv.wnd = field;
    conn->rcv.wup = conn->rcv.nxt;
}

/* Rounded up where rounding down would take back what was promised. */
static uint16_t to_field(const struct rn_tcp *conn, uint32_t wnd, uint16_t flags)
{
    unsigned shift = (flags & RN_TCP_SYN) != 0 ? 0 : conn->rcv.wscale;
    uint32_t now = promised(conn);
    uint32_t field = wnd >> shift;

    if (field << shift < now)
        field++;
    return rn_sat_u16(field);
}

uint16_t rn_tcp_rcv_announce(struct rn_tcp *conn, uint16_t flags)
{
    uint16_t field = to_field(conn, rn_tcp_rcv_window(conn), flags);
    unsigned shift = (flags & RN_TCP_SYN) != 0 ? 0 : conn->rcv.wscale;

    conn->rcv.wnd = rn_max_u32((uint32_t)field << shift, promised(conn));
    conn->rcv.wup = conn->rcv.nxt;
    if ((flags & RN_TCP_ACK) == 0)
        return field;
    conn->rcv.pending_segs = 0;
    conn->flags &= ~(uint32_t)(RN_TCPF_ACK_NOW | RN_TCPF_ACK_DELAYED);
    rn_tcp_timers_ack_sent(conn);
    return field;
}

/* Reading reopens the window; the peer is told when it gained much by it, not for every read. */
static void maybe_update_window(struct rn_tcp *conn)
{
    uint32_t now = promised(conn);
    uint32_t next = rn_tcp_rcv_window(conn);

    if ((conn->flags & RN_TCPF_FIN_RCVD) != 0 || next <= now)
        return;
    if (next / 2 < now && next - now < conn->rcv.buf_max / 4)
        return;
    /* A SYN cannot grant more than 64 KiB, and most of that is left: the first ACK of data tells of the rest. */
    if (rn_seq_diff(conn->rcv.wup, conn->irs) == 1 && now >= ENOUGH_BYTES)
        return;
    conn->flags |= RN_TCPF_ACK_NOW;
    rn_tcp_want_output(conn);
}

static bool peer_listens(const struct rn_tcp *conn)
{
    return conn->state == RN_TCP_ESTABLISHED || conn->state == RN_TCP_FIN_WAIT_1 ||
           conn->state == RN_TCP_FIN_WAIT_2;
}

void rn_tcp_rcv_consume(struct rn_tcp *conn, uint32_t len)
{
    uint32_t left = rn_min_u32(len, conn->rcv.queued);

    conn->rcv.queued -= left;
    rn_tcp_tune_consumed(conn, left);
    while (left > 0) {
        struct rn_pkt *pkt = conn->rcv.last->next;
        uint32_t cost = rn_tcp_rcv_pkt_cost(pkt);

        if (pkt->len <= left) {
            left -= pkt->len;
            free_first(conn);
            continue;
        }
        rn_pkt_pull(pkt, left);
        rn_tcp_rcv_charge(conn, (int64_t)rn_tcp_rcv_pkt_cost(pkt) - cost);
        left = 0;
    }
    if (peer_listens(conn))
        maybe_update_window(conn);
}

void rn_tcp_rcv_set_buf(struct rn_tcp *conn, uint32_t bytes)
{
    conn->rcv.buf_max = bytes;
    if (peer_listens(conn))
        maybe_update_window(conn);
}

/* --- data ------------------------------------------------------------------------------------------------------- */

/* Largest segment seen of late: what "full-sized" means for delayed ACKs (RFC 9293 §3.8.6.3). */
static void estimate_mss(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    uint32_t size = seg->pkt->gso != RN_GSO_NONE && seg->pkt->gso_size != 0 ? seg->pkt->gso_size
                                                                            : seg->data_len;

    /* A merged packet may not say how large its segments were; larger than what we asked for they were not. */
    size = rn_min_u32(size, rn_tcp_opts_our_mss(conn));
    if (size > conn->rcv.mss_est)
        conn->rcv.mss_est = rn_sat_u16(size);
}

/* Cuts @seg to [rcv.nxt, right edge). false: nothing is left of it. */
static bool trim_to_window(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    int32_t old = rn_seq_diff(conn->rcv.nxt, seg->seq);
    uint32_t dup = old > 0 ? rn_min_u32((uint32_t)old, seg->data_len) : 0;
    int32_t wnd;

    if (dup > 0) {
        rn_tcp_reorder_note_dup(conn, seg->seq, rn_seq_add(seg->seq, dup));
        conn->flags |= RN_TCPF_ACK_NOW;
        rn_pkt_pull(seg->pkt, dup);
        seg->seq = rn_seq_add(seg->seq, dup);
        seg->data_len -= dup;
    }
    wnd = rn_seq_diff(rn_tcp_rcv_edge(conn), seg->seq);
    if (wnd < 0)
        wnd = 0;
    if (seg->data_len > (uint32_t)wnd) {
        seg->data_len = (uint32_t)wnd;
        rn_pkt_trim(seg->pkt, seg->data_len);
        seg->flags &= (uint16_t)~RN_TCP_FIN;
    }
    return seg->data_len > 0;
}

static void advance(struct rn_tcp *conn, uint32_t len)
{
    rn_seq next = rn_seq_add(conn->rcv.nxt, len);

    rn_tcp_count_wrap(&conn->count.nxt_wraps, conn->irs, conn->rcv.nxt, next);
    conn->rcv.nxt = next;
}

static void ack_at_once(struct rn_tcp *conn)
{
    conn->flags |= RN_TCPF_ACK_NOW;
    rn_tcp_send_ack(conn);
}

/* A forwarded connection's answers come from elsewhere: soon, but not in this turn. */
static bool is_answered_soon(const struct rn_tcp *conn)
{
    return (conn->flags & (RN_TCPF_FORWARDED | RN_TCPF_QUICKACK | RN_TCPF_ACK_NOW)) ==
           RN_TCPF_FORWARDED;
}

/* A quick ACK of something small, or of a FIN, waits so long for an answer to ride on: not so long that a sender with
 * Nagle's algorithm would suffer from it. */
static void owe_ack_soon(struct rn_tcp *conn)
{
    conn->flags |= RN_TCPF_ACK_DELAYED;
    rn_tcp_timers_ack_owed(conn, SOON_NS);
}

/* RFC 9293 §3.8.6.3: every second full-sized segment at least, in one ACK at the end of the turn. */
static void owe_ack(struct rn_tcp *conn, uint32_t len)
{
    bool is_full_sized = len >= conn->rcv.mss_est;
    bool is_quick = (conn->flags & RN_TCPF_QUICKACK) != 0 || conn->rtt.quick_acks > 0;

    if (is_full_sized)
        conn->rcv.pending_segs =
            rn_sat_u8((uint64_t)conn->rcv.pending_segs + len / conn->rcv.mss_est);
    if (conn->rtt.quick_acks > 0)
        conn->rtt.quick_acks--;
    if (is_quick && conn->rcv.pending_segs == 0 && is_answered_soon(conn)) {
        owe_ack_soon(conn);
        return;
    }
    if (is_quick || conn->rcv.pending_segs >= 2 || (conn->flags & RN_TCPF_ACK_NOW) != 0) {
        conn->flags |= RN_TCPF_ACK_NOW;
        rn_tcp_want_output(conn);
        return;
    }
    conn->flags |= RN_TCPF_ACK_DELAYED;
    rn_tcp_timers_ack_owed(conn, DELACK_NS);
}

static void tell_readable(struct rn_tcp *conn)
{
    if (conn->rcv.queued >= rn_tcp_cold_get(conn)->rcvlowat)
        rn_sock_ready(&conn->sock, RN_READABLE);
}

/* Consumes @pkt. */
static void take_one(struct rn_tcp *conn, struct rn_pkt *pkt)
{
    while (rn_tcp_rcv_is_full(conn, rn_tcp_rcv_pkt_cost(pkt)) && rn_tcp_reorder_evict(conn))
        ;
    append(conn, pkt);
}

static void fill_from_store(struct rn_tcp *conn)
{
    struct rn_pktq more = { 0 };
    struct rn_pkt *pkt;

    advance(conn, rn_tcp_reorder_take(conn, conn->rcv.nxt, &more));
    while ((pkt = rn_pktq_pop(&more)) != NULL)
        take_one(conn, pkt);
}

/* The FIN, in @seg or held, comes right after what is there now: its ACK is that of the data too. */
static bool is_fin_next(const struct rn_tcp *conn, const struct rn_tcp_seg *seg, rn_seq end)
{
    const struct rn_tcp_rx *rx = conn->rcv.rx;

    if ((seg->flags & RN_TCP_FIN) != 0 && rn_seq_eq(end, conn->rcv.nxt))
        return true;
    return rx != NULL && rx->has_fin && rn_seq_eq(rx->fin, conn->rcv.nxt);
}

static void take_in_order(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    bool fills_hole = !rn_tcp_reorder_is_empty(conn);
    rn_seq end = rn_seq_add(seg->seq, seg->data_len);

    advance(conn, seg->data_len);
    take_one(conn, seg->pkt);
    seg->pkt = NULL;
    if (fills_hole) {
        fill_from_store(conn);
        if (!is_fin_next(conn, seg, end))
            ack_at_once(conn);
    } else {
        owe_ack(conn, seg->data_len);
    }
    tell_readable(conn);
}

void rn_tcp_rcv_data(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    if (!trim_to_window(conn, seg)) {
        rn_pkt_drop(seg->pkt, RN_DROP_TCP_DUPLICATE);
        seg->pkt = NULL;
        ack_at_once(conn);
        return;
    }
    estimate_mss(conn, seg);
    rn_tcp_tune_measure(conn, seg);
    conn->count.data_segs_in += rn_pkt_segments(seg->pkt);
    conn->rcv.last_data_ms = rn_tcp_clock_ms(conn->sock.stack);
    if (rn_seq_eq(seg->seq, conn->rcv.nxt)) {
        take_in_order(conn, seg);
        return;
    }
    rn_tcp_reorder_add(conn, seg);
    ack_at_once(conn);
}

/* --- FIN -------------------------------------------------------------------------------------------------------- */

static void take_fin(struct rn_tcp *conn)
{
    conn->rcv.nxt = rn_seq_add(conn->rcv.nxt, 1);
    conn->flags |= RN_TCPF_FIN_RCVD;
    rn_tcp_reorder_clear(conn);
    rn_tcp_move(conn, RN_TCP_EV_FIN_RCVD);
    rn_sock_ready(&conn->sock, RN_READABLE | RN_PEER_SHUT);
    if (conn->state == RN_TCP_TIME_WAIT) {
        ack_at_once(conn); /* as what it is now; the rest of it goes */
        rn_tcp_timewait_enter(conn);
        return;
    }
    if (conn->state == RN_TCP_CLOSE_WAIT && is_answered_soon(conn)) {
        owe_ack_soon(conn);
        return;
    }
    /* In this turn: an application that answers or closes when it hears of the end sends the ACK along with that. */
    conn->flags |= RN_TCPF_ACK_NOW;
    rn_tcp_want_output(conn);
}

void rn_tcp_rcv_fin(struct rn_tcp *conn, rn_seq fin)
{
    struct rn_tcp_rx *rx;

    if (rn_seq_eq(fin, conn->rcv.nxt)) {
        take_fin(conn);
        return;
    }
    rx = rn_seq_gt(fin, conn->rcv.nxt) ? rn_tcp_rx_of(conn) : NULL;
    if (rx == NULL)
        return; /* without memory the peer sends it again */
    rx->has_fin = true;
    rx->fin = fin;
}

void rn_tcp_rcv_held_fin(struct rn_tcp *conn)
{
    const struct rn_tcp_rx *rx = conn->rcv.rx;

    if (rx != NULL && rx->has_fin && rn_seq_eq(rx->fin, conn->rcv.nxt))
        take_fin(conn);
}
