/*
 * What an arriving ACK means. The steps are in the order in which they need each other: window, SACK, what is
 * acknowledged, what that says of time, rate and loss, what congestion control makes of it, timers, the application.
 */
#include "tcp/accecn.h"
#include "tcp/cc.h"
#include "tcp/rtt.h"

/* --- window --------------------------------------------------------------------------------------------------------- */

/*
 * RFC 9293 §3.10.7.4: only a segment newer than the last one that told a window may change it. One that acknowledges
 * more is newer, though it fill a hole with an old sequence number: left out, the old window would be counted from
 * the new snd.una, beyond what the peer ever granted.
 */
static bool is_window_news(const struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    return rn_seq_lt(conn->snd.una, seg->ack) || rn_seq_le(conn->snd.wl1, seg->seq);
}

/* Written off by the application and not sent: there was no memory or no window for it. */
static bool owes_fin(const struct rn_tcp *conn)
{
    return (conn->flags & (RN_TCPF_SHUT_WRITE | RN_TCPF_FIN_SENT)) == RN_TCPF_SHUT_WRITE;
}

static void take_window(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    conn->snd.wnd = seg->wnd;
    conn->snd.wnd_max = rn_max_u32(conn->snd.wnd_max, seg->wnd);
    conn->snd.wl1 = seg->seq;
    if (seg->wnd != 0)
        rn_tcp_timers_window_opened(conn);
    conn->probes = 0;
}

/* --- without anything in flight ------------------------------------------------------------------------------------- */

/* RFC 6298 §3, RFC 7323 §4.1: a SYN sent twice gives a sample only by timestamps. */
static void sample_handshake(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    int64_t age_ns = rn_tcp_timers_syn_age_ns(conn);

    if (conn->syn_retries == 0 && age_ns >= 0)
        rn_tcp_rtt_sample(conn, age_ns / RN_NS_PER_US);
    else if ((conn->flags & RN_TCPF_TS) != 0 && seg->has_opts && seg->opts.has_ts)
        rn_tcp_rtt_sample(conn, (int64_t)(uint32_t)(rn_tcp_ts_now(conn) - seg->opts.ts_ecr) * 1000);
}

static void take_handshake(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    if (!rn_seq_eq(conn->snd.una, conn->iss) || conn->rtt.srtt_us != 0 ||
        rn_seq_eq(seg->ack, conn->snd.una))
        return;
    sample_handshake(conn, seg);
    conn->snd.una = rn_seq_add(conn->iss, 1);
    conn->rtt.backoff = 0;
    /* A SYN of ours and its data are one segment. */
    if ((conn->flags & (RN_TCPF_SYN_DATA_ACKED | RN_TCPF_PASSIVE)) != RN_TCPF_SYN_DATA_ACKED)
        conn->count.delivered++;
    rn_tcp_timers_handshake_done(conn);
}

/* --- what is acknowledged -------------------------------------------------------------------------------------------- */

void rn_tcp_delivered(struct rn_tcp *conn, struct rn_tcp_ack *ack, const struct rn_tcp_rec *rec,
                      uint32_t bytes)
{
    int64_t rtt_us;

    ack->delivered += bytes;
    conn->count.delivered += bytes < rn_tcp_rec_len(rec) ? bytes / rec->mss : rec->segs;
    if (rn_tcp_size_probe_is(conn->flight, rec))
        rn_tcp_size_probe_delivered(conn, rec, bytes);
    rn_tcp_rate_delivered(conn, ack, rec, bytes);
    rn_tcp_rack_delivered(conn, ack, rec);
    if (rec->sent_more != 0) {
        ack->has_retransmitted = true;
        return;
    }
    /* Karn: only what was sent once. The newest of it, so that a delayed ACK counts least. */
    rtt_us = (ack->now_ns - rec->sent_ns) / RN_NS_PER_US;
    if (ack->rtt_us < 0 || rtt_us < ack->rtt_us)
        ack->rtt_us = rtt_us;
    if (rec->state == RN_TCP_REC_LOST || conn->cc.ca_state == RN_TCP_CA_LOSS)
        ack->is_original_late |= rn_seq_le(rec->end, conn->flight->rec.high);
}

static void acknowledge_records(struct rn_tcp *conn, struct rn_tcp_ack *ack, rn_seq una)
{
    struct rn_tcp_flight *flight = conn->flight;
    struct rn_tcp_rec *rec;

    while ((rec = rn_tcp_rec_first(flight)) != NULL && rn_seq_lt(rec->seq, una)) {
        rn_seq end = rn_seq_min(rec->end, una);

        if (rec->state != RN_TCP_REC_SACKED)
            rn_tcp_delivered(conn, ack, rec, end.v - rec->seq.v);
        if (rn_seq_lt(una, rec->end)) {
            rn_tcp_rec_trim(conn, rec, una);
            return;
        }
        rn_tcp_rec_remove(conn, rec);
    }
}

static void acknowledge(struct rn_tcp *conn, struct rn_tcp_ack *ack)
{
    struct rn_tcp_flight *flight = conn->flight;
    rn_seq una = ack->seg->ack;

    if (!rn_seq_gt(una, conn->snd.una))
        return;
    ack->acked = una.v - conn->snd.una.v;
    acknowledge_records(conn, ack, una);
    conn->snd.queued -= rn_tcp_queue_trim(conn, &flight->queue, una);
    rn_tcp_count_wrap(&conn->count.una_wraps, conn->iss, conn->snd.una, una);
    conn->snd.una = una;
    conn->snd.dupacks = 0;
    conn->rtt.backoff = 0;
    flight->waits_since_ns = 0;
    rn_tcp_pmtu_acked(conn);
    if (rn_seq_lt(flight->rack.fack, una))
        flight->rack.fack = una;
}

/* RFC 5681 §2. */
static bool is_duplicate(const struct rn_tcp *conn, const struct rn_tcp_seg *seg,
                         uint32_t wnd_before)
{
    return conn->flight->n_recs != 0 && seg->data_len == 0 &&
           (seg->flags & (RN_TCP_SYN | RN_TCP_FIN)) == 0 && rn_seq_eq(seg->ack, conn->snd.una) &&
           seg->wnd == wnd_before;
}

/* --- after it --------------------------------------------------------------------------------------------------------- */

/*
 * A timestamp dates even an ACK of retransmitted data (RFC 7323 §4.1), in milliseconds. Within one of what is known it tells
 * nothing: on a path of 100 us it would say 0, which no later sample could be less than, or 1000, ten times too much.
 */
static void sample_by_timestamp(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    int32_t ms = (int32_t)(rn_tcp_ts_now(conn) - seg->opts.ts_ecr);
    int64_t known_us = conn->rtt.srtt_us;

    if (ms < 0 || seg->opts.ts_ecr == 0)
        return;
    if (known_us == 0 || known_us < ((int64_t)ms - 1) * 1000 || known_us > ((int64_t)ms + 1) * 1000)
        rn_tcp_rtt_sample(conn, rn_max_i64(ms, 1) * 1000);
}

static void sample_rtt(struct rn_tcp *conn, const struct rn_tcp_ack *ack)
{
    const struct rn_tcp_seg *seg = ack->seg;

    if (ack->rtt_us >= 0)
        rn_tcp_rtt_sample(conn, ack->rtt_us);
    else if (ack->acked != 0 && (conn->flags & RN_TCPF_TS) != 0 && seg->has_opts &&
             seg->opts.has_ts)
        sample_by_timestamp(conn, seg);
}

static void tell_application(struct rn_tcp *conn, const struct rn_tcp_ack *ack)
{
    if (ack->acked == 0)
        return;
    rn_tcp_tell_room(conn);
    if ((conn->flags & RN_TCPF_WANT_DRAINED) != 0 && conn->snd.queued == 0)
        rn_sock_ready(&conn->sock, RN_DRAINED);
}

/* All is acknowledged: nothing of the flight is needed, unless the last loss may yet be found to have been none. */
static void end_flight(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;

    if (flight->n_recs != 0 || conn->snd.queued != 0)
        return;
    rn_tcp_busy_end(conn);
    if (flight->linger_until_ns == 0)
        flight->linger_until_ns = rn_tcp_now_ns(conn) + rn_tcp_rto_ns(conn);
    if ((flight->rec.may_undo || flight->tlp.is_out) &&
        rn_tcp_now_ns(conn) < flight->linger_until_ns)
        rn_tcp_timers_linger(conn, flight->linger_until_ns);
    else
        rn_tcp_flight_free(conn);
}

static void process(struct rn_tcp *conn, struct rn_tcp_ack *ack, uint32_t wnd_before)
{
    struct rn_tcp_flight *flight = conn->flight;

    ack->is_dup = is_duplicate(conn, ack->seg, wnd_before);
    rn_tcp_sack_in(conn, ack);
    acknowledge(conn, ack);
    rn_tcp_sack_raise_fack(conn, ack->seg);
    if (rn_tcp_is_accurate(conn))
        rn_tcp_accecn_ack_in(conn, ack);
    rn_tcp_rate_sample(conn, ack);
    sample_rtt(conn, ack);
    rn_tcp_tlp_on_ack(conn, ack);
    rn_tcp_recovery_on_ack(conn, ack);
    if (ack->acked != 0 || ack->delivered != 0)
        rn_tcp_timers_data_acked(conn);
    rn_tcp_snd_tune(conn);
    tell_application(conn, ack);
    if (!rn_list_is_empty(&flight->lost) || rn_tcp_unsent(conn) != 0 || owes_fin(conn))
        rn_tcp_want_output(conn);
    end_flight(conn);
}

void rn_tcp_ack_in(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    struct rn_tcp_ack ack = { .seg = seg, .now_ns = rn_tcp_now_ns(conn), .rtt_us = -1 };
    uint32_t wnd_before = conn->snd.wnd;

    if (is_window_news(conn, seg))
        take_window(conn, seg);
    take_handshake(conn, seg);
    if (conn->flight == NULL) {
        if (rn_tcp_is_accurate(conn))
            rn_tcp_accecn_ack_in(conn, &ack);
        if (owes_fin(conn))
            rn_tcp_want_output(conn);
        return;
    }
    ack.is_ece = (conn->cc.ecn & (RN_TCP_ECN_ON | RN_TCP_ECN_ACCURATE)) == RN_TCP_ECN_ON &&
                 (seg->flags & RN_TCP_ECE) != 0;
    process(conn, &ack, wnd_before);
    rn_flow_confirm(conn->sock.stack, &conn->flow);
}

/* What SACK blocks say holds, whatever overtook them; its window and ECN counts are old, and it acknowledges nothing. */
void rn_tcp_late_ack_in(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    struct rn_tcp_ack ack = { .seg = seg, .now_ns = rn_tcp_now_ns(conn), .rtt_us = -1 };

    if (conn->flight == NULL || !seg->has_opts || seg->opts.n_sack == 0)
        return;
    seg->has_no_ace = true;
    process(conn, &ack, conn->snd.wnd);
}
