#include "tcp/accecn.h"
#include "tcp/fastopen.h"
#include "tcp/life.h"
#include "tcp/reorder.h"
#include "tcp/timewait.h"

#include <runnel/err.h>

/* RFC 9293 §3.10.7.4 in its order, hardened as RFC 5961 and RFC 7323 want it. LISTEN and SYN-SENT are elsewhere. */

/* RFC 7323 §5.5: a timestamp older than this says nothing. */
#define TS_RECENT_MAX_AGE_S (24u * 24 * 3600)

/* Each step says whether the next one is still to be done; if not, why the packet dies. */
enum step { GO_ON, DONE, DROP };

struct walk {
    struct rn_tcp *conn;
    struct rn_tcp_seg *seg;
    enum rn_drop why;
};

static enum step drop(struct walk *w, enum rn_drop why)
{
    w->why = why;
    return DROP;
}

static bool is_synchronized(const struct rn_tcp *conn)
{
    return conn->state != RN_TCP_SYN_RCVD;
}

static struct rn_stats *stats_of(const struct rn_tcp *conn)
{
    return &conn->sock.stack->stats;
}

/* --- timestamps (RFC 7323) -------------------------------------------------------------------------------------- */

static uint32_t now_s(const struct rn_tcp *conn)
{
    return (uint32_t)(rn_tcp_now_ns(conn) / RN_NS_PER_S);
}

static bool has_ts(const struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    return (conn->flags & RN_TCPF_TS) != 0 && seg->has_opts && seg->opts.has_ts;
}

static bool is_older_than_recent(const struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    return (int32_t)(seg->opts.ts_val - conn->rcv.ts_recent) < 0;
}

/* §5.3 R1. A segment without the option is let pass, though negotiated: middleboxes strip it, and sequence numbers are
 * checked all the same. */
static bool passes_paws(const struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    if (!has_ts(conn, seg) || (seg->flags & RN_TCP_RST) != 0)
        return true;
    return !is_older_than_recent(conn, seg) ||
           now_s(conn) - conn->rcv.ts_recent_s > TS_RECENT_MAX_AGE_S;
}

/* §4.3 (2). */
static void update_ts_recent(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    if (!has_ts(conn, seg) || rn_seq_gt(seg->seq, conn->rcv.wup))
        return;
    if (is_older_than_recent(conn, seg) &&
        now_s(conn) - conn->rcv.ts_recent_s <= TS_RECENT_MAX_AGE_S)
        return;
    conn->rcv.ts_recent = seg->opts.ts_val;
    conn->rcv.ts_recent_s = now_s(conn);
}

/* --- first: is it acceptable? ----------------------------------------------------------------------------------- */

/* The table of §3.10.7.4, but what precedes rcv.nxt is let in down to what we last acknowledged: such a segment was sent
 * before the peer heard of that and may bring news in its ACK. At a closed window, ACK and RST still count. */
static bool is_in_window(const struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    rn_seq edge = rn_tcp_rcv_edge(conn);
    rn_seq end = rn_tcp_seg_end(seg);

    if (rn_seq_gt(seg->seq, edge))
        return false;
    if (rn_seq_eq(seg->seq, end))
        return rn_seq_ge(end, conn->rcv.wup);
    return rn_seq_gt(end, conn->rcv.nxt);
}

static bool answers_duplicate(const struct rn_tcp_seg *seg)
{
    return seg->data_len > 0 || (seg->flags & RN_TCP_FIN) != 0;
}

/* Our ACK of a SYN+ACK may have got lost. RFC 9768 §3.2.2.1 wants the flags of the next one to say how it arrived, too; no
 * matter that the peer, for whom they count, takes those for a counter. */
static void challenge_syn(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    bool is_our_peer = (seg->flags & RN_TCP_ACK) != 0 && rn_seq_eq(seg->seq, conn->irs) &&
                       (conn->flags & RN_TCPF_PASSIVE) == 0;

    if (rn_tcp_is_accurate(conn) && is_our_peer)
        rn_tcp_accecn_challenge(conn, seg);
    else
        rn_tcp_challenge(conn);
}

/* Data that came again is acknowledged each time, or the peer cannot go on; empty segments could start an ACK war
 * between two sides that disagree, so their answers are limited. */
static void answer_unacceptable(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    rn_seq end = rn_seq_add(seg->seq, seg->data_len);

    if ((seg->flags & RN_TCP_SYN) != 0) {
        challenge_syn(conn, seg);
        return;
    }
    if (!answers_duplicate(seg)) {
        rn_tcp_challenge(conn);
        return;
    }
    if (rn_tcp_is_accurate(conn))
        rn_tcp_accecn_repeated(conn);
    if (seg->data_len > 0 && rn_seq_lt(seg->seq, conn->rcv.nxt))
        rn_tcp_reorder_note_dup(conn, seg->seq, rn_seq_min(end, conn->rcv.nxt));
    rn_tcp_send_ack(conn);
}

/* In SYN-RCVD the peer's SYN again: our SYN+ACK was lost, or (simultaneous open) his SYN+ACK repeats his SYN. */
static enum step check_repeated_syn(struct walk *w)
{
    struct rn_tcp *conn = w->conn;
    struct rn_tcp_seg *seg = w->seg;

    if (is_synchronized(conn) || (seg->flags & (RN_TCP_SYN | RN_TCP_RST)) != RN_TCP_SYN ||
        !rn_seq_eq(seg->seq, conn->irs))
        return GO_ON;
    if ((seg->flags & RN_TCP_ACK) == 0) {
        if (rn_tcp_ecn_on_syn_again(conn, seg)) {
            rn_tcp_send_syn(conn);
            return drop(w, RN_DROP_TCP_DUPLICATE);
        }
        rn_tcp_conn_abort(conn, RN_E_CONN_RESET);
        return drop(w, RN_DROP_TCP_UNACCEPTABLE);
    }
    seg->has_no_ace = true;
    seg->flags &= (uint16_t)~RN_TCP_SYN;
    seg->seq = rn_seq_add(seg->seq, 1);
    return GO_ON;
}

static enum step check_acceptable(struct walk *w)
{
    struct rn_tcp *conn = w->conn;
    struct rn_tcp_seg *seg = w->seg;

    if (!passes_paws(conn, seg)) {
        stats_of(conn)->tcp_paws_drops++;
        answer_unacceptable(conn, seg);
        return drop(w, RN_DROP_TCP_PAWS);
    }
    if (is_in_window(conn, seg))
        return GO_ON;
    if ((seg->flags & RN_TCP_RST) != 0)
        return drop(w, RN_DROP_TCP_RST_BLIND);
    answer_unacceptable(conn, seg);
    return drop(w, RN_DROP_TCP_UNACCEPTABLE);
}

/* --- second: RST ------------------------------------------------------------------------------------------------ */

static int reset_error(const struct rn_tcp *conn)
{
    return conn->state == RN_TCP_SYN_RCVD && !rn_tcp_is_early(conn) ? RN_E_CONN_REFUSED
                                                                    : RN_E_CONN_RESET;
}

/* RFC 5961 §3.2: only the exact number resets; what merely falls into the window may be a guess. The window is meant
 * strictly here: what lies at its edge gets no answer. */
static enum step check_reset(struct walk *w)
{
    struct rn_tcp *conn = w->conn;
    rn_seq seq = w->seg->seq;

    if ((w->seg->flags & RN_TCP_RST) == 0)
        return GO_ON;
    if (!rn_seq_eq(seq, conn->rcv.nxt)) {
        if (rn_seq_gt(seq, conn->rcv.nxt) && rn_seq_lt(seq, rn_tcp_rcv_edge(conn)))
            rn_tcp_challenge(conn);
        return drop(w, RN_DROP_TCP_RST_BLIND);
    }
    stats_of(conn)->tcp_in_rsts++;
    rn_tcp_conn_end(conn, reset_error(conn));
    return DONE;
}

/* --- fourth: SYN ------------------------------------------------------------------------------------------------ */

/* RFC 5961 §4.2: whatever its sequence number. A peer that restarted answers the ACK with a RST that fits. */
static enum step check_syn(struct walk *w)
{
    if ((w->seg->flags & RN_TCP_SYN) == 0)
        return GO_ON;
    challenge_syn(w->conn, w->seg);
    return drop(w, RN_DROP_TCP_UNACCEPTABLE);
}

/* --- fifth: ACK ------------------------------------------------------------------------------------------------- */

static void answer_by_reset(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    struct rn_endpoint local = rn_sock_local(&conn->sock);
    struct rn_endpoint remote = rn_sock_remote(&conn->sock);

    rn_tcp_send_reset_for(conn->sock.stack, &local, &remote, seg);
}

static void take_first_window(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    conn->snd.wnd = seg->wnd;
    conn->snd.wnd_max = seg->wnd;
    conn->snd.wl1 = seg->seq;
}

static enum step finish_handshake(struct walk *w)
{
    struct rn_tcp *conn = w->conn;
    struct rn_tcp_seg *seg = w->seg;

    if (rn_seq_le(seg->ack, conn->iss) || rn_seq_gt(seg->ack, conn->snd.nxt)) {
        answer_by_reset(conn, seg);
        return drop(w, RN_DROP_TCP_BAD_ACK);
    }
    take_first_window(conn, seg);
    rn_tcp_ecn_on_third_ack(conn, seg);
    rn_tcp_established(conn);
    rn_tcp_fastopen_settled(conn, RN_OK);
    return GO_ON;
}

/* RFC 5961 §5.2: an ACK from before the largest window, or for what was never sent, is a guess too. */
static bool is_ack_plausible(const struct rn_tcp *conn, rn_seq ack)
{
    return rn_seq_le(ack, conn->snd.nxt) &&
           rn_seq_ge(ack, rn_seq_sub(conn->snd.una, conn->snd.wnd_max));
}

static bool is_fin_acked(const struct rn_tcp *conn)
{
    return (conn->flags & RN_TCPF_FIN_SENT) != 0 && rn_seq_eq(conn->snd.una, conn->snd.nxt);
}

static enum step after_fin_acked(struct rn_tcp *conn)
{
    switch (conn->state) {
    case RN_TCP_FIN_WAIT_1:
        rn_tcp_move(conn, RN_TCP_EV_FIN_ACKED);
        if ((conn->sock.flags & RN_SOCK_ORPHAN) != 0)
            rn_tcp_timers_fin_wait_2(conn);
        return GO_ON;
    case RN_TCP_CLOSING:
        rn_tcp_move(conn, RN_TCP_EV_FIN_ACKED);
        rn_tcp_timewait_enter(conn);
        return DONE;
    case RN_TCP_LAST_ACK:
        rn_tcp_conn_end(conn, 0);
        return DONE;
    default:
        return GO_ON;
    }
}

static enum step check_ack(struct walk *w)
{
    struct rn_tcp *conn = w->conn;
    struct rn_tcp_seg *seg = w->seg;
    enum step step;

    if ((seg->flags & RN_TCP_ACK) == 0)
        return drop(w, RN_DROP_TCP_BAD_ACK);
    if (!is_synchronized(conn)) {
        step = finish_handshake(w);
        if (step != GO_ON)
            return step;
    }
    if (!is_ack_plausible(conn, seg->ack)) {
        rn_tcp_challenge(conn);
        return drop(w, RN_DROP_TCP_BAD_ACK);
    }
    update_ts_recent(conn, seg);
    if (rn_tcp_is_accurate(conn))
        rn_tcp_accecn_received(conn, seg);
    if (rn_seq_ge(seg->ack, conn->snd.una))
        rn_tcp_ack_in(conn, seg);
    else
        rn_tcp_late_ack_in(conn, seg);
    if (conn->state == RN_TCP_CLOSED)
        return DONE;
    return is_fin_acked(conn) ? after_fin_acked(conn) : GO_ON;
}

/* --- seventh and eighth: data and FIN (sixth is URG: data in line, RFC 6093) ------------------------------------- */

/* RFC 3168 §6.1.3. */
static void note_congestion(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    if ((conn->cc.ecn & (RN_TCP_ECN_ON | RN_TCP_ECN_ACCURATE)) != RN_TCP_ECN_ON)
        return;
    if ((seg->flags & RN_TCP_CWR) != 0)
        conn->cc.ecn &= (uint8_t)~RN_TCP_ECN_ECHO;
    if ((seg->tos & 3) == 3 && seg->data_len > 0) {
        if ((conn->cc.ecn & RN_TCP_ECN_ECHO) == 0)
            conn->flags |= RN_TCPF_ACK_NOW;
        conn->cc.ecn |= RN_TCP_ECN_ECHO;
    }
}

static bool takes_data(const struct rn_tcp *conn)
{
    return conn->state == RN_TCP_ESTABLISHED || conn->state == RN_TCP_FIN_WAIT_1 ||
           conn->state == RN_TCP_FIN_WAIT_2;
}

/* RFC 9293 §3.6.1, RFC 2525 §2.17: new data after close can reach nobody, and the peer must know. */
static bool is_data_for_nobody(const struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    return (conn->sock.flags & RN_SOCK_ORPHAN) != 0 && seg->data_len > 0 &&
           rn_seq_gt(rn_seq_add(seg->seq, seg->data_len), conn->rcv.nxt);
}

static enum step take_payload(struct walk *w)
{
    struct rn_tcp *conn = w->conn;
    struct rn_tcp_seg *seg = w->seg;
    rn_seq fin = rn_seq_add(seg->seq, seg->data_len);

    if (!takes_data(conn))
        return DONE;
    if (is_data_for_nobody(conn, seg)) {
        stats_of(conn)->tcp_aborts_on_data++;
        answer_by_reset(conn, seg);
        rn_tcp_conn_end(conn, RN_E_CONN_RESET);
        return drop(w, RN_DROP_TCP_CLOSED);
    }
    note_congestion(conn, seg);
    if (seg->data_len > 0)
        rn_tcp_rcv_data(conn, seg);
    if ((seg->flags & RN_TCP_FIN) != 0)
        rn_tcp_rcv_fin(conn, fin);
    else
        rn_tcp_rcv_held_fin(conn);
    return DONE;
}

/* --- header prediction ------------------------------------------------------------------------------------------ */

/* The next segment of an established connection, with no surprise in it: all checks above would let it pass. */
static bool is_predicted(const struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    if ((seg->flags & (0x1ff & ~RN_TCP_PSH)) != RN_TCP_ACK || conn->state != RN_TCP_ESTABLISHED)
        return false;
    if (!rn_seq_eq(seg->seq, conn->rcv.nxt) || rn_tcp_reorder_waits(conn))
        return false;
    if (rn_seq_lt(seg->ack, conn->snd.una) || rn_seq_gt(seg->ack, conn->snd.nxt))
        return false;
    if (has_ts(conn, seg) && is_older_than_recent(conn, seg))
        return false;
    return (seg->tos & 3) != 3 && !rn_tcp_is_accurate(conn) &&
           (conn->sock.flags & RN_SOCK_ORPHAN) == 0 &&
           seg->data_len <= (uint32_t)rn_seq_diff(rn_tcp_rcv_edge(conn), conn->rcv.nxt);
}

static bool says_nothing_new(const struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    return seg->data_len > 0 && rn_seq_eq(seg->ack, conn->snd.una) && seg->wnd == conn->snd.wnd &&
           seg->opts.n_sack == 0;
}

static void take_predicted(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    stats_of(conn)->tcp_hp_hits++;
    update_ts_recent(conn, seg);
    if (!says_nothing_new(conn, seg))
        rn_tcp_ack_in(conn, seg);
    if (seg->data_len > 0 && conn->state == RN_TCP_ESTABLISHED)
        rn_tcp_rcv_data(conn, seg);
}

/* ---------------------------------------------------------------------------------------------------------------- */

static void note_arrival(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    conn->count.segs_in += rn_pkt_segments(seg->pkt);
    conn->last_recv_ms = rn_tcp_clock_ms(conn->sock.stack);
    rn_tcp_timers_segment_received(conn);
    if ((seg->flags & RN_TCP_SYN) == 0)
        seg->wnd <<= conn->snd.wscale;
}

static void walk(struct walk *w)
{
    static enum step (*const steps[])(struct walk *) = {
        check_repeated_syn, check_acceptable, check_reset, check_syn, check_ack, take_payload,
    };
    enum step step = GO_ON;

    for (size_t i = 0; i < RN_ARRAY_LEN(steps) && step == GO_ON; i++)
        step = steps[i](w);
}

void rn_tcp_segment_in(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    struct walk w = { conn, seg, RN_DROP_CONSUMED };

    note_arrival(conn, seg);
    if (is_predicted(conn, seg))
        take_predicted(conn, seg);
    else
        walk(&w);
    if (seg->pkt == NULL)
        return;
    if (w.why == RN_DROP_CONSUMED)
        rn_pkt_free(seg->pkt);
    else
        rn_pkt_drop(seg->pkt, w.why);
}
