/*
 * What may be sent now: retransmissions first, then new data, as far as cwnd, the peer's window, Nagle, pacing and the
 * room below allow. Runs once per turn and connection, so that what many ACKs opened leaves as few big segments.
 */
#include "tcp/accecn.h"
#include "tcp/cc.h"
#include "tcp/fastopen.h"

#include <runnel/err.h>

#define SNDBUF_FIRST_BYTES (256u * 1024u)
#define SNDBUF_MAX_BYTES   (8u * 1024u * 1024u)
/* Enough for any path within one machine; and what all connections there may hold together, at a least for each: data
 * that outgrew the cache before it left has to be fetched three times, by the checksum, the device and the reader. */
#define SNDBUF_LOCAL_BYTES     (512u * 1024u)
#define SNDBUF_LOCAL_ALL_BYTES (8u * 1024u * 1024u)
#define SNDBUF_LOCAL_MIN_BYTES (64u * 1024u)
/* A path so short is one: two buffers of SNDBUF_LOCAL_BYTES carry 33 Gbit/s over it. */
#define LOCAL_RTT_US 250u
/* Bytes of a super-segment: an IPv4 packet of 65535 with the largest headers. */
#define SUPER_MAX_BYTES (65535u - 60u - RN_TCP_HDR_MAX_BYTES)

/* --- birth ---------------------------------------------------------------------------------------------------------- */

void rn_tcp_snd_init(struct rn_tcp *conn)
{
    const struct rn_tcp_cc_ops *chosen = rn_tcp_stack_of(conn)->congestion;

    conn->cc.ops = chosen != NULL ? chosen : rn_tcp_cc_find(NULL);
    conn->cc.ssthresh = UINT32_MAX;
    conn->snd.buf_max = SNDBUF_FIRST_BYTES;
}

void rn_tcp_snd_fini(struct rn_tcp *conn)
{
    rn_tcp_flight_free(conn);
    rn_tcp_cc_fini(conn);
}

uint32_t rn_tcp_ts_now(const struct rn_tcp *conn)
{
    return (uint32_t)(rn_tcp_now_ns(conn) / RN_NS_PER_MS) + conn->ts_offset;
}

static uint32_t now_ms(const struct rn_tcp *conn)
{
    return (uint32_t)(rn_tcp_now_ns(conn) / RN_NS_PER_MS);
}

void rn_tcp_snd_established(struct rn_tcp *conn)
{
    conn->snd.mss = rn_tcp_mss_now(conn);
    conn->cc.cwnd = rn_tcp_cc_initial_window(conn);
    /* RFC 5681 §3.1, RFC 6298 §5.7: a lost SYN speaks of congestion. */
    if (conn->syn_retries > 1)
        conn->cc.cwnd = conn->snd.mss;
    /* RFC 9768 §3.2.2.2: so does a marked one, of less. */
    if (rn_tcp_is_accurate(conn) && rn_tcp_accecn_of(conn)->is_syn_marked)
        conn->cc.cwnd = rn_max_u32(conn->cc.cwnd / 2, conn->snd.mss);
    conn->rtt.backoff = 0;
    conn->cc.last_sent_ms = now_ms(conn);
    if (conn->flight != NULL && conn->snd.queued != 0)
        rn_tcp_want_output(conn);
}

/* --- SYN ------------------------------------------------------------------------------------------------------------ */

void rn_tcp_send_syn(struct rn_tcp *conn)
{
    struct rn_tcp_out out = { .seq = conn->iss,
                              .flags = (uint16_t)(RN_TCP_SYN | rn_tcp_ecn_syn_flags(conn)) };
    rn_seq after;

    out.is_retransmit = !rn_seq_eq(conn->snd.nxt, conn->iss);
    out.len = rn_tcp_fastopen_load(conn);
    after = rn_seq_add(conn->iss, 1 + out.len);
    conn->snd.nxt = rn_seq_max(conn->snd.nxt, after);
    if (out.is_retransmit)
        conn->count.retrans++;
    (void)rn_tcp_build(conn, &out);
    rn_tcp_fastopen_left(conn);
    if (conn->state != RN_TCP_CLOSED)
        rn_tcp_timers_syn_sent(conn);
}

/* --- what is there to send ---------------------------------------------------------------------------------------- */

uint32_t rn_tcp_unsent(const struct rn_tcp *conn)
{
    int32_t n = conn->flight == NULL ? 0 : rn_seq_diff(conn->flight->queue.end, conn->snd.nxt);

    return n > 0 ? (uint32_t)n : 0;
}

static bool wants_fin(const struct rn_tcp *conn)
{
    return (conn->flags & (RN_TCPF_SHUT_WRITE | RN_TCPF_FIN_SENT)) == RN_TCPF_SHUT_WRITE &&
           conn->state != RN_TCP_SYN_RCVD;
}

static bool may_send_data(const struct rn_tcp *conn)
{
    switch (conn->state) {
    case RN_TCP_ESTABLISHED:
    case RN_TCP_CLOSE_WAIT:
    case RN_TCP_FIN_WAIT_1:
    case RN_TCP_CLOSING:
    case RN_TCP_LAST_ACK:
        return true;
    default:
        return rn_tcp_is_early(conn);
    }
}

/* Bytes of window beyond snd.nxt. */
static uint32_t usable_window(const struct rn_tcp *conn)
{
    /* What a SYN grants begins behind ours. */
    rn_seq from = rn_tcp_is_early(conn) ? rn_seq_add(conn->iss, 1) : conn->snd.una;
    int32_t n = rn_seq_diff(rn_seq_add(from, conn->snd.wnd), conn->snd.nxt);

    return n > 0 ? (uint32_t)n : 0;
}

static uint32_t cwnd_room(const struct rn_tcp *conn)
{
    uint32_t pipe = rn_tcp_pipe(conn);

    return conn->cc.cwnd > pipe ? conn->cc.cwnd - pipe : 0;
}

/* --- NOTSENT_LOWAT ------------------------------------------------------------------------------------------------- */

static uint32_t leaving_now(const struct rn_tcp *conn)
{
    return rn_min_u32(cwnd_room(conn), usable_window(conn));
}

uint32_t rn_tcp_lowat_room(const struct rn_tcp *conn)
{
    uint64_t most = (uint64_t)rn_tcp_cold_get(conn)->notsent_lowat;
    uint32_t unsent = rn_tcp_unsent(conn);

    if (conn->flight != NULL)
        most += leaving_now(conn);
    else
        most += rn_min_u32(conn->cc.cwnd, conn->snd.wnd);
    return most > unsent ? rn_sat_u32(most - unsent) : 0;
}

bool rn_tcp_wants_more(const struct rn_tcp *conn)
{
    uint32_t lowat = rn_tcp_cold_get(conn)->notsent_lowat;
    uint32_t unsent = rn_tcp_unsent(conn);

    if (lowat == 0 || unsent == 0)
        return true;
    unsent -= rn_min_u32(unsent, leaving_now(conn));
    return unsent < (lowat + 1) / 2;
}

static bool is_third_free(const struct rn_tcp *conn)
{
    uint32_t third = conn->snd.buf_max / 3;

    return conn->snd.queued <= conn->snd.buf_max - third &&
           rn_stack_pressure(conn->sock.stack) != RN_PRESSURE_FULL;
}

/* Room is told when a third of the buffer is free: a wake-up should be worth its cost. */
void rn_tcp_tell_room(struct rn_tcp *conn)
{
    if ((conn->flags & RN_TCPF_WANT_WRITE) == 0 || !is_third_free(conn) || !rn_tcp_wants_more(conn))
        return;
    conn->flags &= ~(uint32_t)RN_TCPF_WANT_WRITE;
    rn_sock_refill(&conn->sock);
}

/* --- room below (DESIGN 2.3: at most 128 KiB of a connection between TCP and the device) ---------------------------- */

static bool has_room_below(struct rn_tcp *conn, struct rn_tcp_flight *flight)
{
    struct rn_tcp_below *below = flight->below;
    struct rn_nic *nic = conn->flow.nic;

    if (nic == NULL || nic != flight->below_nic) {
        flight->below_nic = nic;
        below[0] = below[1] = (struct rn_tcp_below){ 0 };
        return true;
    }
    if (rn_nic_is_taken(nic, below[0].ticket)) {
        below[0] = below[1];
        below[1] = (struct rn_tcp_below){ 0 };
        if (rn_nic_is_taken(nic, below[0].ticket))
            below[0] = (struct rn_tcp_below){ 0 };
    }
    return below[0].bytes + below[1].bytes < RN_TCP_BELOW_MAX_BYTES;
}

/* Two halves, so that room comes back before all is gone. */
static void note_below(struct rn_tcp *conn, struct rn_tcp_flight *flight, uint32_t bytes)
{
    bool is_first =
        flight->below[1].bytes == 0 && flight->below[0].bytes < RN_TCP_BELOW_MAX_BYTES / 2;
    struct rn_tcp_below *below = &flight->below[is_first ? 0 : 1];

    if (conn->flow.nic == NULL || conn->flow.nic != flight->below_nic)
        return;
    below->bytes += bytes;
    below->ticket = rn_nic_ticket(conn->flow.nic);
}

/* What the path takes in a millisecond, by cwnd and round-trip time; at short times more, since there every packet costs
 * more than its burst. As Linux's tcp_tso_autosize: bursts small enough for queues on a wide-area path, large enough to
 * be cheap within one machine. */
static uint32_t auto_burst_bytes(const struct rn_tcp *conn)
{
    bool is_slow_start = conn->cc.cwnd < conn->cc.ssthresh / 2;
    uint64_t per_round = (uint64_t)conn->cc.cwnd * (is_slow_start ? 200 : 120) / 100;
    uint32_t halvings = conn->rtt.min_us >> 9;

    if (conn->rtt.srtt_us == 0)
        return SUPER_MAX_BYTES;
    return rn_sat_u32(per_round * 1000 / conn->rtt.srtt_us +
                      (halvings < 16 ? SUPER_MAX_BYTES >> halvings : 0));
}

static uint32_t super_bytes(const struct rn_tcp *conn)
{
    uint32_t mss = conn->snd.mss;
    uint32_t least = mss * rn_tcp_cold_get(conn)->burst_segs;
    uint32_t most = SUPER_MAX_BYTES;
    const struct rn_nic *nic = conn->flow.nic;

    if (rn_tcp_accecn_forbids_gso(conn))
        return mss;
    if (nic != NULL && nic->device != NULL && nic->device->gso_max_bytes > 2 * RN_TCP_HDR_MAX_BYTES)
        most = rn_min_u32(most, nic->device->gso_max_bytes - 2 * RN_TCP_HDR_MAX_BYTES);
    most = rn_min_u32(
        most, rn_max_u32(rn_min_u32(rn_tcp_pace_quantum(conn), auto_burst_bytes(conn)), least));
    /* Half of cwnd, so that the ACKs of the first half let the second one's successor go in time. */
    most = rn_min_u32(most, rn_max_u32(conn->cc.cwnd / 2, mss));
    return rn_max_u32(most - most % mss, mss);
}

/* --- retransmission -------------------------------------------------------------------------------------------------- */

static void retransmitted(struct rn_tcp *conn, struct rn_tcp_rec *rec)
{
    uint32_t len = rn_tcp_rec_len(rec);

    rec->mss = conn->snd.mss;
    rec->sent_more = rn_sat_u8((uint64_t)rec->sent_more + 1);
    rec->segs = (len + rec->mss - 1) / rec->mss;
    rn_tcp_rate_sent(conn, rec);
    rn_tcp_rec_to_flying(conn, rec);
    conn->count.retrans += rec->segs;
    if (conn->cc.ca_state == RN_TCP_CA_RECOVERY)
        conn->sock.stack->stats.tcp_fast_retrans += rec->segs;
    rn_tcp_recovery_retransmitted(conn, rec->seq, len);
    rn_tcp_pace_sent(conn, len);
    note_below(conn, conn->flight, len);
    rn_tcp_timers_data_sent(conn);
}

/* RFC 9293 §3.9.1.2: what ends the queue is pushed, unless the application said that more follows. */
static bool is_pushed(const struct rn_tcp *conn, rn_seq end, uint32_t len)
{
    bool has_more = (conn->flags & (RN_TCPF_MORE | RN_TCPF_SHUT_WRITE)) == RN_TCPF_MORE;

    return len != 0 && rn_seq_ge(end, conn->flight->queue.end) && !has_more;
}

static uint16_t end_flags(const struct rn_tcp *conn, const struct rn_tcp_rec *rec, uint32_t len)
{
    uint16_t flags = 0;

    if (rn_seq_gt(rec->end, conn->flight->queue.end))
        flags |= RN_TCP_FIN;
    /* A burst is pushed too, as Linux has it: the peer's GRO hands it up at once instead of waiting for more. */
    if (rec->is_pushed || len > conn->snd.mss)
        flags |= RN_TCP_PSH;
    return flags;
}

bool rn_tcp_retransmit(struct rn_tcp *conn, struct rn_tcp_rec *rec, uint32_t max)
{
    struct rn_tcp_flight *flight = conn->flight;
    uint32_t data = rn_seq_min(rec->end, flight->queue.end).v - rec->seq.v;
    struct rn_tcp_out out = { .seq = rec->seq, .is_retransmit = true };

    /* At least a segment: that of the largest MTU is more than a super-segment holds. */
    max = rn_min_u32(max, SUPER_MAX_BYTES);
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): never below MSS_FLOOR (opts.c) */
    out.len = rn_min_u32(data, rn_max_u32(max - max % conn->snd.mss, conn->snd.mss));
    if (out.len != 0)
        out.len = rn_tcp_queue_span(&flight->queue, out.seq, out.len);
    if (out.len < data && rn_tcp_rec_split(conn, rec, rn_seq_add(rec->seq, out.len)) == NULL)
        return false;
    out.flags = end_flags(conn, rec, out.len);
    if (rn_tcp_build(conn, &out) == RN_E_NOMEM)
        return false;
    retransmitted(conn, rec);
    return true;
}

static bool send_lost(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;
    struct rn_list *node = rn_list_first(&flight->lost);
    uint32_t room = cwnd_room(conn);
    struct rn_tcp_rec *rec;

    if (node == NULL)
        return false;
    rec = rn_list_entry(node, struct rn_tcp_rec, link);
    if (room < rn_min_u32(rn_tcp_rec_len(rec), conn->snd.mss)) {
        conn->cc.is_cwnd_limited = true;
        return false;
    }
    return rn_tcp_retransmit(conn, rec, rn_min_u32(room, super_bytes(conn)));
}

/* --- new data ---------------------------------------------------------------------------------------------------------- */

/* A last piece smaller than a segment: Nagle as Minshall has it (hold it only while another small one is out), cork. */
static bool may_send_tail(struct rn_tcp *conn, struct rn_tcp_flight *flight)
{
    if ((conn->flags & RN_TCPF_SHUT_WRITE) != 0)
        return true;
    if ((conn->flags & (RN_TCPF_CORK | RN_TCPF_MORE)) != 0) {
        if (!flight->is_cork_over)
            rn_tcp_timers_cork(conn);
        return flight->is_cork_over;
    }
    if ((conn->flags & RN_TCPF_NODELAY) != 0)
        return true;
    return !flight->has_small || rn_seq_le(flight->small_end, conn->snd.una);
}

/* Sender's SWS avoidance, RFC 9293 §3.8.6.2.1: a piece the window cuts off is worth sending if it is half of the largest
 * window ever seen; else we wait, with the persist timer as the override. */
static uint32_t cut_to_window(const struct rn_tcp *conn, uint32_t len)
{
    uint32_t mss = conn->snd.mss;

    if (len >= mss)
        return len - len % mss;
    return len >= rn_max_u32(conn->snd.wnd_max / 2, 1) ? len : 0;
}

/* A packet references a few buffers only: many small writes make a shorter super-segment, still of whole segments. */
static uint32_t fit_into_packet(const struct rn_tcp *conn, const struct rn_tcp_flight *flight,
                                uint32_t len)
{
    uint32_t span = rn_tcp_queue_span(&flight->queue, conn->snd.nxt, len);

    return span < len && span > conn->snd.mss ? span - span % conn->snd.mss : span;
}

/* How long the next segment of new data is; 0: none may go now. */
static uint32_t next_len(struct rn_tcp *conn, struct rn_tcp_flight *flight, uint32_t unsent)
{
    uint32_t mss = conn->snd.mss;
    uint32_t wnd = usable_window(conn);
    uint32_t room = cwnd_room(conn);
    uint32_t len = rn_min_u32(unsent, super_bytes(conn));

    flight->is_rwnd_held = false;
    if (wnd < len) {
        len = cut_to_window(conn, wnd);
        flight->is_rwnd_held = true;
    }
    if (room < len) {
        len = room - room % mss;
        conn->cc.is_cwnd_limited = true;
        flight->is_rwnd_held = false;
    }
    if (len % mss != 0 && len == unsent && !may_send_tail(conn, flight))
        len -= len % mss;
    return len == 0 ? 0 : fit_into_packet(conn, flight, len);
}

/* The record of what just left; its bytes are in flight from now on. */
static bool record(struct rn_tcp *conn, rn_seq seq, rn_seq end)
{
    struct rn_tcp_rec *rec = rn_tcp_rec_append(conn, seq, end);

    if (rec == NULL)
        return false;
    rn_tcp_rate_sent(conn, rec);
    rn_tcp_rec_to_flying(conn, rec);
    return true;
}

static void note_out(struct rn_tcp *conn, struct rn_tcp_flight *flight)
{
    uint32_t pipe = rn_tcp_pipe(conn);

    if (rn_seq_ge(conn->snd.una, flight->max_out_end) || pipe > flight->max_out) {
        flight->max_out = pipe;
        flight->max_out_end = conn->snd.nxt;
    }
}

static void sent_new(struct rn_tcp *conn, const struct rn_tcp_out *out)
{
    struct rn_tcp_flight *flight = conn->flight;
    uint32_t fin = (out->flags & RN_TCP_FIN) != 0;

    conn->snd.nxt = rn_seq_add(out->seq, out->len + fin);
    conn->cc.last_sent_ms = now_ms(conn);
    if (out->len % conn->snd.mss != 0 && !out->is_size_probe) {
        flight->small_end = conn->snd.nxt;
        flight->has_small = true;
    }
    flight->is_cork_over = false;
    flight->cork_ns = 0;
    note_below(conn, flight, out->len);
    note_out(conn, flight);
    rn_tcp_recovery_sent(conn, out->len);
    rn_tcp_pace_sent(conn, out->len);
    if (fin != 0) {
        conn->flags |= RN_TCPF_FIN_SENT;
        rn_tcp_move(conn, RN_TCP_EV_FIN_SENT);
    }
    rn_tcp_timers_data_sent(conn);
}

/* The record comes before the packet: what is on the wire must be known. A packet that the layers below lose is lost as
 * on any link; only when none could be made is nothing sent. */
static bool send_segment(struct rn_tcp *conn, uint32_t len, bool has_fin)
{
    struct rn_tcp_out out = { .seq = conn->snd.nxt, .len = len };
    rn_seq end = rn_seq_add(out.seq, len + has_fin);
    struct rn_tcp_rec *rec;

    if (!record(conn, out.seq, end))
        return false;
    rec = rn_tcp_rec_last(conn->flight);
    rec->is_pushed = is_pushed(conn, end, len);
    out.flags = end_flags(conn, rec, len);
    if (rn_tcp_build(conn, &out) == RN_E_NOMEM) {
        rn_tcp_rec_remove(conn, rec);
        return false;
    }
    sent_new(conn, &out);
    return true;
}

/* One segment larger than all others, to see whether the path takes it. */
static bool send_size_probe(struct rn_tcp *conn, uint32_t len)
{
    struct rn_tcp_out out = { .seq = conn->snd.nxt, .len = len, .is_size_probe = true };
    struct rn_tcp_rec *rec;

    if (cwnd_room(conn) < len || usable_window(conn) < len ||
        rn_tcp_queue_span(&conn->flight->queue, out.seq, len) < len ||
        !record(conn, out.seq, rn_seq_add(out.seq, len)))
        return false;
    rec = rn_tcp_rec_last(conn->flight);
    rec->mss = rn_sat_u16(len);
    rec->segs = 1;
    if (rn_tcp_build(conn, &out) == RN_E_NOMEM) {
        rn_tcp_rec_remove(conn, rec);
        return false;
    }
    rn_tcp_size_probe_sent(conn, out.seq);
    sent_new(conn, &out);
    return true;
}

static bool send_new(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;
    uint32_t unsent = rn_tcp_unsent(conn);
    uint32_t len;

    if (unsent == 0)
        return wants_fin(conn) && usable_window(conn) > 0 && send_segment(conn, 0, true);
    len = rn_tcp_size_probe_len(conn);
    if (len != 0 && send_size_probe(conn, len))
        return true;
    len = next_len(conn, flight, unsent);
    if (len == 0)
        return false;
    return send_segment(conn, len, len == unsent && wants_fin(conn) && usable_window(conn) > len);
}

bool rn_tcp_send_probe_data(struct rn_tcp *conn)
{
    uint32_t len;

    rn_tcp_refresh_path(conn);
    len = rn_min_u32(rn_tcp_unsent(conn), conn->snd.mss);
    if (len == 0 || usable_window(conn) < len)
        return false;
    len = rn_tcp_queue_span(&conn->flight->queue, conn->snd.nxt, len);
    return send_segment(conn, len, false);
}

/* What the window takes of the next segment, however small: the override of SWS avoidance. */
bool rn_tcp_send_into_window(struct rn_tcp *conn)
{
    uint32_t len = rn_min_u32(rn_tcp_unsent(conn), rn_min_u32(usable_window(conn), conn->snd.mss));

    if (len == 0)
        return false;
    return send_segment(conn, rn_tcp_queue_span(&conn->flight->queue, conn->snd.nxt, len), false);
}

/* --- output --------------------------------------------------------------------------------------------------------- */

/* Nothing in flight asks for an answer, yet there is data: without a timer we would wait for ever. */
static void guard_against_silence(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;

    if (flight->n_recs != 0 || (rn_tcp_unsent(conn) == 0 && !wants_fin(conn)))
        return;
    if (conn->due[RN_TCP_T_PACE] == 0)
        rn_tcp_timers_window_closed(conn);
}

/* true: something is left that waits for room below, not for the peer. */
static bool push(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;

    for (;;) {
        if (!has_room_below(conn, flight))
            return !rn_list_is_empty(&flight->lost) || rn_tcp_unsent(conn) != 0;
        if (rn_tcp_pace_holds(conn))
            return false;
        if (rn_tcp_recovery_holds(conn) || (!send_lost(conn) && !send_new(conn)))
            return false;
        if (conn->state == RN_TCP_CLOSED)
            return false;
    }
}

static void note_limit(struct rn_tcp *conn, const struct rn_tcp_flight *flight)
{
    bool wants_room = rn_tcp_unsent(conn) == 0 && (conn->flags & RN_TCPF_WANT_WRITE) != 0;

    if (flight->is_rwnd_held && rn_tcp_unsent(conn) != 0)
        rn_tcp_busy_held_by(conn, RN_TCP_LIMIT_RWND);
    else if (wants_room && !conn->cc.is_cwnd_limited)
        rn_tcp_busy_held_by(conn, RN_TCP_LIMIT_SNDBUF);
    else
        rn_tcp_busy_held_by(conn, RN_TCP_LIMIT_NONE);
}

static void send_data(struct rn_tcp *conn)
{
    bool waits;

    if (wants_fin(conn) && rn_tcp_flight_need(conn) == NULL)
        rn_tcp_timers_window_closed(conn); /* no memory for the FIN: try again later */
    if (conn->flight == NULL)
        return;
    if (conn->flight->n_recs == 0 && rn_tcp_unsent(conn) != 0)
        rn_tcp_cc_restart_after_idle(conn);
    conn->cc.is_cwnd_limited = false;
    waits = push(conn);
    if (conn->state == RN_TCP_CLOSED || conn->flight == NULL)
        return;
    note_limit(conn, conn->flight);
    rn_tcp_tell_room(conn);
    if (waits) {
        rn_nic_wait(conn->flow.nic, &conn->output);
        return;
    }
    if (rn_tcp_unsent(conn) == 0)
        rn_tcp_rate_app_limited(conn);
    guard_against_silence(conn);
}

void rn_tcp_refresh_path(struct rn_tcp *conn)
{
    if (conn->state == RN_TCP_SYN_SENT)
        return; /* the peer has not said yet what it takes */
    if (!rn_flow_is_fresh(conn->sock.stack, &conn->flow))
        rn_tcp_mtu_changed(conn);
    else /* SACK blocks we have to report take room away */
        conn->snd.mss = rn_tcp_mss_now(conn);
}

void rn_tcp_flush(struct rn_task *task)
{
    struct rn_tcp *conn = rn_container_of(task, struct rn_tcp, output);

    if (may_send_data(conn)) {
        rn_tcp_refresh_path(conn);
        send_data(conn);
    }
    if ((conn->flags & RN_TCPF_ACK_NOW) != 0 && conn->state != RN_TCP_CLOSED)
        rn_tcp_send_ack(conn);
}

void rn_tcp_want_output(struct rn_tcp *conn)
{
    /* While it waits at a NIC the task is linked there: an ACK must not wait with it. */
    rn_turn_unschedule(&conn->output);
    rn_turn_schedule(conn->sock.stack->turn, RN_PHASE_OUTPUT, &conn->output);
}

/* --- the buffer ----------------------------------------------------------------------------------------- */

/* The window without the queue it stands in: what really fills the path. Where nothing is ever lost (a TUN, a veth) cwnd
 * grows beyond what is sent and without end, and only lengthens our own queue; what is read ahead for it is cold in the
 * cache when it leaves. */
static uint32_t window_on_path(const struct rn_tcp *conn)
{
    uint32_t out = conn->flight != NULL ? conn->flight->max_out : 0;
    uint64_t window =
        rn_min_u64(rn_min_u64(conn->cc.cwnd, 2 * (uint64_t)out), SNDBUF_MAX_BYTES / 2);
    uint32_t rtt = rn_max_u32(conn->rtt.srtt_us, 1);

    return rn_sat_u32(window * rn_min_u32(conn->rtt.min_us, rtt) / rtt);
}

/* Do others share this short path? Then whoever seems to fill more of it than SNDBUF_LOCAL_BYTES only makes them wait. */
static bool is_local_and_shared(const struct rn_tcp *conn)
{
    return conn->rtt.min_us < LOCAL_RTT_US && rn_tcp_stack_of(conn)->n_flights > 1;
}

static uint32_t local_share(const struct rn_tcp *conn)
{
    uint32_t n = rn_max_u32(rn_tcp_stack_of(conn)->n_flights, 1);
    /* Of less than three segments the peer never sees two at once, and delays the ACK that is to make room. */
    uint32_t least = rn_max_u32(SNDBUF_LOCAL_MIN_BYTES, 3u * conn->snd.mss);
    uint32_t share = rn_max_u32(SNDBUF_LOCAL_ALL_BYTES / n, least);

    return rn_min_u32(share, SNDBUF_LOCAL_BYTES);
}

/* The buffer holds two windows: one in flight, one to follow without waiting for the application. What a path without a
 * queue once seemed to take is given back as it drains: else who was alone for a moment keeps many times the share of
 * those who came later. */
void rn_tcp_snd_tune(struct rn_tcp *conn)
{
    uint32_t path = window_on_path(conn) * 2;
    uint32_t share = local_share(conn);
    uint32_t want;

    if ((conn->flags & RN_TCPF_SNDBUF_FIXED) != 0)
        return;
    if (is_local_and_shared(conn))
        path = rn_min_u32(path, SNDBUF_LOCAL_BYTES);
    want = rn_max_u32(path, rn_min_u32(2 * conn->cc.cwnd, share));
    if (want > conn->snd.buf_max && rn_stack_pressure(conn->sock.stack) == RN_PRESSURE_NONE)
        conn->snd.buf_max = want;
    else if (conn->snd.buf_max > share && path <= SNDBUF_LOCAL_BYTES)
        conn->snd.buf_max =
            rn_max_u32(rn_max_u32(path, share), rn_min_u32(conn->snd.queued, conn->snd.buf_max));
}
