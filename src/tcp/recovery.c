/*
 * Congestion's states. OPEN: nothing is wrong. DISORDER: something is missing, perhaps only late. CWR, RECOVERY: cwnd
 * comes down to ssthresh, paced by deliveries (PRR, RFC 6937) while losses are repaired. LOSS: after a timeout, slow
 * start anew. Every reduction can be undone while nothing proves it right: Eifel (RFC 3522), DSACK (RFC 3708), F-RTO
 * (RFC 5682).
 */
#include "tcp/cc.h"
#include "tcp/ecn.h"

/* RFC 5682 §2.1: what the ACKs after a timeout must show. */
enum { FRTO_OFF, FRTO_FIRST, FRTO_SECOND };

static bool has_sack(const struct rn_tcp *conn)
{
    return (conn->flags & RN_TCPF_SACK) != 0;
}

static bool is_reducing(const struct rn_tcp *conn)
{
    return conn->cc.ca_state == RN_TCP_CA_CWR || conn->cc.ca_state == RN_TCP_CA_RECOVERY;
}

/* It sets cwnd itself: no PRR, no ssthresh. */
static bool has_model(const struct rn_tcp *conn)
{
    return conn->cc.ops->control != NULL;
}

/* The window in which the last reduction was made is still being acknowledged. */
static bool is_in_episode(const struct rn_tcp *conn)
{
    return (is_reducing(conn) || conn->cc.ca_state == RN_TCP_CA_LOSS) &&
           rn_seq_lt(conn->snd.una, conn->flight->rec.high);
}

uint32_t rn_tcp_pipe(const struct rn_tcp *conn)
{
    const struct rn_tcp_flight *flight = conn->flight;

    return flight->pipe - rn_min_u32(flight->pipe, flight->rec.dup_bytes);
}

/* --- entering ------------------------------------------------------------------------------------------------------- */

static void remember_for_undo(struct rn_tcp *conn)
{
    struct rn_tcp_recovery *rec = &conn->flight->rec;

    rec->prior_cwnd = conn->cc.cwnd;
    rec->prior_ssthresh = conn->cc.ssthresh;
    rec->undo_from = conn->snd.una;
    rec->resent = rec->next;
    rec->next = (struct rn_tcp_resent){ 0 };
    rec->may_undo = true;
}

static void begin_prr(struct rn_tcp *conn, uint32_t delivered)
{
    struct rn_tcp_flight *flight = conn->flight;
    uint32_t outstanding = conn->snd.nxt.v - conn->snd.una.v - flight->sacked_bytes;

    flight->rec.prr_delivered = 0;
    flight->rec.prr_out = 0;
    flight->rec.recover_fs = rn_max_u32(outstanding + delivered, conn->snd.mss);
}

/* One reduction per window of data. */
static void reduce_window(struct rn_tcp *conn, uint32_t delivered, enum rn_tcp_cc_sign sign)
{
    remember_for_undo(conn);
    conn->cc.ssthresh = conn->cc.ops->ssthresh(conn, sign);
    begin_prr(conn, delivered);
    /* A loss that a probe repaired would have been paid for when the probe is acknowledged (RFC 8985 §7.4.2): it is now. */
    conn->flight->tlp.is_out = false;
}

static void enter_recovery(struct rn_tcp *conn, uint32_t delivered)
{
    struct rn_tcp_recovery *rec = &conn->flight->rec;
    struct rn_stats *stats = &conn->sock.stack->stats;

    if (!is_in_episode(conn))
        reduce_window(conn, delivered, RN_TCP_CC_LOST);
    rec->high = conn->snd.nxt;
    rec->is_high_set = true;
    conn->cc.ca_state = RN_TCP_CA_RECOVERY;
    if (has_sack(conn))
        stats->tcp_sack_recoveries++;
    else
        stats->tcp_reno_recoveries++;
}

static void enter_cwr(struct rn_tcp *conn, uint32_t delivered, enum rn_tcp_cc_sign sign)
{
    if (is_in_episode(conn))
        return;
    reduce_window(conn, delivered, sign);
    conn->flight->rec.may_undo = false;
    conn->flight->rec.high = conn->snd.nxt;
    conn->cc.ca_state = RN_TCP_CA_CWR;
}

void rn_tcp_recovery_on_mark(struct rn_tcp *conn)
{
    enter_cwr(conn, 0, RN_TCP_CC_LOST);
}

void rn_tcp_recovery_on_loss(struct rn_tcp *conn)
{
    if (conn->cc.ca_state == RN_TCP_CA_RECOVERY || conn->cc.ca_state == RN_TCP_CA_LOSS)
        return;
    enter_recovery(conn, 0);
    if (!has_model(conn))
        conn->cc.cwnd = rn_tcp_pipe(conn) + conn->snd.mss; /* the fast retransmit itself */
}

/* --- leaving and undoing ----------------------------------------------------------------------------------------------- */

static void settle(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;
    bool is_whole = flight->sacked_bytes == 0 && flight->rec.dup_segs == 0;

    conn->cc.ca_state = is_whole ? RN_TCP_CA_OPEN : RN_TCP_CA_DISORDER;
    flight->rec.frto = FRTO_OFF;
}

static void leave(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;

    if (has_model(conn))
        conn->cc.ops->on_recovered(conn);
    else if (is_reducing(conn))
        conn->cc.cwnd = conn->cc.ssthresh;
    if (conn->cc.ca_state != RN_TCP_CA_CWR)
        rn_tcp_rack_recovered(conn);
    flight->rec.dup_bytes = 0;
    flight->rec.dup_segs = 0;
    settle(conn);
}

void rn_tcp_recovery_end(struct rn_tcp *conn)
{
    if (conn->cc.ca_state > RN_TCP_CA_DISORDER)
        leave(conn);
    conn->cc.ca_state = RN_TCP_CA_OPEN;
}

static void undo(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;
    struct rn_tcp_recovery *rec = &flight->rec;

    while (!rn_list_is_empty(&flight->lost))
        rn_tcp_rec_found(conn, rn_list_entry(flight->lost.prev, struct rn_tcp_rec, link));
    conn->cc.cwnd = rn_max_u32(conn->cc.cwnd, rec->prior_cwnd);
    conn->cc.ssthresh = rn_max_u32(conn->cc.ssthresh, rec->prior_ssthresh);
    if (conn->cc.ops->undo != NULL)
        conn->cc.ops->undo(conn);
    rec->may_undo = false;
    /* What RACK took for lost was late: from now on it waits. */
    flight->rack.is_reordering |= conn->cc.ca_state == RN_TCP_CA_RECOVERY;
    conn->sock.stack->stats.tcp_undos++;
    if (conn->cc.ca_state == RN_TCP_CA_LOSS)
        conn->sock.stack->stats.tcp_spurious_rtos++;
    settle(conn);
}

/* RFC 3522 §3.2: the ACK echoes a timestamp older than the first retransmission, so it answers an original. */
static bool eifel_detects(const struct rn_tcp *conn, const struct rn_tcp_ack *ack)
{
    const struct rn_tcp_seg *seg = ack->seg;

    return ack->acked != 0 && conn->flight->rec.resent.is_any && (conn->flags & RN_TCPF_TS) != 0 &&
           seg->has_opts && seg->opts.has_ts && seg->opts.ts_ecr != 0 &&
           (int32_t)(seg->opts.ts_ecr - conn->flight->rec.resent.first_ts) < 0;
}

/* Every retransmission of the episode was reported as a duplicate. */
static bool dsack_detects(const struct rn_tcp *conn, const struct rn_tcp_ack *ack)
{
    const struct rn_tcp_recovery *rec = &conn->flight->rec;

    return ack->is_dsack && rec->resent.is_any && rec->resent.bytes == 0;
}

/* RFC 5682 §3.1, step 3b: something sent before the timeout, and never again, arrived only now. */
static bool frto_detects(const struct rn_tcp *conn, const struct rn_tcp_ack *ack)
{
    const struct rn_tcp_recovery *rec = &conn->flight->rec;

    if (conn->cc.ca_state != RN_TCP_CA_LOSS || rec->frto == FRTO_OFF)
        return false;
    if (has_sack(conn))
        return ack->is_original_late;
    return rec->frto == FRTO_SECOND && ack->acked != 0;
}

static bool try_undo(struct rn_tcp *conn, const struct rn_tcp_ack *ack)
{
    if (!conn->flight->rec.may_undo)
        return false;
    if (!eifel_detects(conn, ack) && !dsack_detects(conn, ack) && !frto_detects(conn, ack))
        return false;
    undo(conn);
    return true;
}

void rn_tcp_recovery_dsack(struct rn_tcp *conn, rn_seq from, rn_seq to)
{
    struct rn_tcp_recovery *rec = &conn->flight->rec;

    /* What was not sent twice cannot have come twice: a lie, or a copy the network made. */
    if (rec->may_undo && rn_seq_ge(from, rec->undo_from) && rec->resent.is_any &&
        rn_seq_ge(from, rec->resent.from) && rn_seq_le(to, rec->resent.to))
        rec->resent.bytes -= rn_min_u32(rec->resent.bytes, to.v - from.v);
}

static void note_retransmission(struct rn_tcp *conn, struct rn_tcp_resent *resent, rn_seq seq,
                                uint32_t bytes)
{
    rn_seq end = rn_seq_add(seq, bytes);

    if (!resent->is_any)
        resent->first_ts = rn_tcp_ts_now(conn);
    resent->from = resent->is_any ? rn_seq_min(resent->from, seq) : seq;
    resent->to = resent->is_any ? rn_seq_max(resent->to, end) : end;
    resent->is_any = true;
    resent->bytes += bytes;
}

/* What was sent during an episode and lost is the next one's loss: it began in another window of data. */
void rn_tcp_recovery_retransmitted(struct rn_tcp *conn, rn_seq seq, uint32_t bytes)
{
    struct rn_tcp_recovery *rec = &conn->flight->rec;
    bool is_next = is_in_episode(conn) && rn_seq_ge(seq, rec->high);

    note_retransmission(conn, is_next ? &rec->next : &rec->resent, seq, bytes);
    rec->prr_out += bytes;
}

void rn_tcp_recovery_sent(struct rn_tcp *conn, uint32_t bytes)
{
    conn->flight->rec.prr_out += bytes;
}

/* --- without SACK: NewReno (RFC 6582) ------------------------------------------------------------------------------------ */

static void lose_head(struct rn_tcp *conn)
{
    struct rn_tcp_rec *rec = rn_tcp_rec_first(conn->flight);

    if (rec == NULL || rec->state != RN_TCP_REC_FLYING)
        return;
    if (rn_tcp_rec_len(rec) > rec->mss)
        (void)rn_tcp_rec_split(conn, rec, rn_seq_add(rec->seq, rec->mss));
    if (rn_tcp_size_probe_is(conn->flight, rec))
        rn_tcp_size_probe_lost(conn);
    rn_tcp_rec_lose(conn, rec);
}

/* A duplicate ACK stands for a segment that has left the network, whichever it was. */
static void count_duplicate(struct rn_tcp *conn, struct rn_tcp_ack *ack)
{
    struct rn_tcp_recovery *rec = &conn->flight->rec;

    if (ack->acked != 0) {
        uint32_t more = ack->acked - rn_min_u32(ack->acked, conn->snd.mss);

        ack->known = rn_min_u32(rec->dup_bytes, more);
        rec->dup_bytes =
            is_in_episode(conn) ? rec->dup_bytes - rn_min_u32(rec->dup_bytes, more) : 0;
        rec->dup_segs = 0;
        return;
    }
    if (!ack->is_dup)
        return;
    conn->snd.dupacks = rn_sat_u8((uint64_t)conn->snd.dupacks + 1);
    rec->dup_segs++;
    rec->dup_bytes = rn_min_u32(rec->dup_bytes + conn->snd.mss, conn->flight->pipe);
    ack->delivered += conn->snd.mss;
}

/* §3.2: not for duplicates that our own retransmissions may have caused. */
static void find_losses_newreno(struct rn_tcp *conn, struct rn_tcp_ack *ack)
{
    const struct rn_tcp_recovery *rec = &conn->flight->rec;

    count_duplicate(conn, ack);
    if (conn->cc.ca_state == RN_TCP_CA_RECOVERY) {
        if (ack->acked != 0 && rn_seq_lt(conn->snd.una, rec->high))
            lose_head(conn); /* partial ACK: the next hole */
        return;
    }
    if (conn->cc.ca_state == RN_TCP_CA_LOSS || conn->snd.dupacks != RN_TCP_DUPTHRESH)
        return;
    if (rec->is_high_set && rn_seq_le(conn->snd.una, rec->high))
        return;
    lose_head(conn);
}

/* --- on every ACK --------------------------------------------------------------------------------------------------------- */

static void find_losses(struct rn_tcp *conn, struct rn_tcp_ack *ack)
{
    uint32_t before = conn->flight->lost_bytes;

    if (has_sack(conn))
        ack->newly_lost = rn_tcp_rack_detect(conn);
    else
        find_losses_newreno(conn, ack);
    if (conn->flight->lost_bytes > before)
        ack->newly_lost = conn->flight->lost_bytes - before;
}

/* RFC 6937 §3.1 with the SafeACK rule of its successor: grow back only on an ACK that advances and shows no new loss. */
static void reduce_by_delivery(struct rn_tcp *conn, const struct rn_tcp_ack *ack)
{
    struct rn_tcp_recovery *rec = &conn->flight->rec;
    uint32_t pipe = rn_tcp_pipe(conn);
    uint32_t ssthresh = conn->cc.ssthresh;
    int64_t room;

    if (ack->delivered == 0)
        return;
    rec->prr_delivered += ack->delivered;
    if (pipe > ssthresh) {
        uint64_t share = (uint64_t)rec->prr_delivered * ssthresh + rec->recover_fs - 1;

        room = (int64_t)(share / rec->recover_fs) - rec->prr_out;
    } else {
        room = rn_max_i64((int64_t)rec->prr_delivered - rec->prr_out, ack->delivered);
        if (ack->acked != 0 && ack->newly_lost == 0)
            room += conn->snd.mss;
        room = rn_min_i64(room, (int64_t)ssthresh - pipe);
    }
    if (rec->prr_out == 0)
        room = rn_max_i64(room, conn->snd.mss);
    conn->cc.cwnd = pipe + (uint32_t)rn_max_i64(room, 0);
}

/* RFC 7661's point: a window that is not used says nothing of the path. In slow start half of it is enough. */
static bool is_window_used(const struct rn_tcp *conn)
{
    if (rn_tcp_cc_in_slow_start(conn))
        return conn->cc.cwnd / 2 < conn->flight->max_out;
    return conn->cc.is_cwnd_limited;
}

/* Only what advances the window makes it grow (RFC 5681 §3.2), and only by what was delivered now: an ACK that fills a hole
 * acknowledges at once what arrived before, and a burst would follow. */
static void grow_window(struct rn_tcp *conn, struct rn_tcp_ack *ack)
{
    ack->credit = rn_min_u32(ack->acked, ack->delivered - rn_min_u32(ack->delivered, ack->known));
    if (ack->acked != 0 && ack->credit != 0 && is_window_used(conn))
        conn->cc.ops->on_ack(conn, ack);
}

static void adjust_window(struct rn_tcp *conn, struct rn_tcp_ack *ack)
{
    if (has_model(conn))
        conn->cc.ops->control(conn, ack);
    else if (is_reducing(conn))
        reduce_by_delivery(conn, ack);
    else
        grow_window(conn, ack);
}

/* RFC 5682 §2.1, step 3a: three segments, since the two new ones are still out: what was lost goes on at once. */
static void resume_resending(struct rn_tcp *conn)
{
    conn->flight->rec.frto = FRTO_OFF;
    conn->cc.cwnd = rn_max_u32(conn->cc.cwnd, 3u * conn->snd.mss);
}

/* RFC 5682 §2.1: the first ACK advances: two new segments test whether the second does too. No: it was a loss. */
static void frto_step(struct rn_tcp *conn, const struct rn_tcp_ack *ack)
{
    struct rn_tcp_recovery *rec = &conn->flight->rec;

    if (rec->frto == FRTO_OFF)
        return;
    if (ack->acked == 0 || rec->frto == FRTO_SECOND) {
        if (ack->is_dup || ack->delivered != 0)
            resume_resending(conn);
        return;
    }
    rec->frto = FRTO_OFF;
    if (rn_tcp_send_probe_data(conn)) {
        (void)rn_tcp_send_probe_data(conn);
        rec->frto = FRTO_SECOND;
    }
}

/* The answer to the two new segments decides; until then nothing else goes out. */
bool rn_tcp_recovery_holds(const struct rn_tcp *conn)
{
    return conn->cc.ca_state == RN_TCP_CA_LOSS && conn->flight->rec.frto == FRTO_SECOND;
}

/* RFC 3168 §6.1.2. An echo is repeated until CWR answers it, a count (RFC 9768) is told once, perhaps by the flight's last
 * ACK, and has no such answer. */
static void note_ecn(struct rn_tcp *conn, const struct rn_tcp_ack *ack)
{
    bool is_count = rn_tcp_is_accurate(conn);

    if (!ack->is_ece || is_in_episode(conn) || (conn->flight->n_recs == 0 && !is_count))
        return;
    enter_cwr(conn, ack->delivered, RN_TCP_CC_MARKED);
    if (has_model(conn))
        conn->cc.ops->on_mark(conn);
    if (!is_count)
        conn->cc.ecn |= RN_TCP_ECN_CWR;
}

static void next_state(struct rn_tcp *conn, const struct rn_tcp_ack *ack)
{
    const struct rn_tcp_flight *flight = conn->flight;

    if (conn->cc.ca_state > RN_TCP_CA_DISORDER && !is_in_episode(conn))
        leave(conn);
    switch ((enum rn_tcp_ca_state)conn->cc.ca_state) {
    case RN_TCP_CA_LOSS:
        frto_step(conn, ack);
        break;
    case RN_TCP_CA_RECOVERY:
        break;
    case RN_TCP_CA_OPEN:
    case RN_TCP_CA_DISORDER:
        settle(conn);
        /* fall through */
    case RN_TCP_CA_CWR:
        if (flight->lost_bytes != 0 || flight->rec.next.is_any)
            enter_recovery(conn, ack->delivered);
        break;
    }
}

void rn_tcp_recovery_on_ack(struct rn_tcp *conn, struct rn_tcp_ack *ack)
{
    if (try_undo(conn, ack)) {
        (void)rn_tcp_rack_detect(conn);
        if (has_model(conn))
            conn->cc.ops->control(conn, ack);
        return;
    }
    find_losses(conn, ack);
    note_ecn(conn, ack);
    next_state(conn, ack);
    adjust_window(conn, ack);
}

void rn_tcp_recovery_on_resize(struct rn_tcp *conn)
{
    struct rn_tcp_recovery *rec = &conn->flight->rec;

    if (is_in_episode(conn))
        return;
    rec->may_undo = false;
    rec->frto = FRTO_OFF;
    rec->high = conn->snd.nxt;
    rec->is_high_set = true;
    conn->cc.ca_state = RN_TCP_CA_LOSS;
}

/* --- timeout ------------------------------------------------------------------------------------------------------------- */

/* RFC 2018 §8: a receiver may discard what it SACKed; at a timeout with the head SACKed it evidently has. */
static void forget_sacks(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;
    struct rn_tcp_rec *rec = rn_tcp_rec_first(flight);

    if (rec == NULL || rec->state != RN_TCP_REC_SACKED)
        return;
    for (; rec != NULL; rec = rn_tcp_rec_next(flight, rec)) {
        if (rec->state == RN_TCP_REC_SACKED)
            rn_tcp_rec_to_lost(conn, rec);
    }
}

/* RFC 8985 §6.3: the head, and whatever RACK would call lost by now; what was sent just before stays in flight. */
static void lose_by_timeout(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;
    struct rn_tcp_rec *head = rn_tcp_rec_first(flight);
    struct rn_list *node;

    forget_sacks(conn);
    if (head->state == RN_TCP_REC_FLYING)
        rn_tcp_rec_lose(conn, head);
    while ((node = rn_list_first(&flight->sent)) != NULL) {
        struct rn_tcp_rec *rec = rn_list_entry(node, struct rn_tcp_rec, link);

        if (has_sack(conn) && flight->rack.has_sample && rn_tcp_rack_left_ns(conn, rec) > 0)
            break;
        rn_tcp_rec_lose(conn, rec);
    }
}

void rn_tcp_recovery_on_timeout(struct rn_tcp *conn)
{
    struct rn_tcp_recovery *rec = &conn->flight->rec;
    bool is_repeated = conn->cc.ca_state == RN_TCP_CA_LOSS;

    if (!is_in_episode(conn))
        reduce_window(conn, 0, RN_TCP_CC_LOST);
    if (conn->cc.ops->on_timeout != NULL)
        conn->cc.ops->on_timeout(conn);
    conn->cc.ca_state = RN_TCP_CA_LOSS;
    lose_by_timeout(conn);
    rec->dup_bytes = 0;
    rec->dup_segs = 0;
    rec->high = conn->snd.nxt;
    rec->is_high_set = true;
    rec->frto = is_repeated ? FRTO_OFF : FRTO_FIRST;
    conn->flight->tlp.is_out = false;
    conn->cc.cwnd = rn_tcp_pipe(conn) + conn->snd.mss; /* RFC 5681 §3.1: the loss window */
}
