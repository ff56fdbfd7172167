/*
 * RACK-TLP (RFC 8985). Records in flight are kept in the order of their last transmission, so what was sent before the
 * newest delivered one stands in front: detection looks at those, and at no other.
 */
#include "tcp/flight.h"
#include "tcp/rtt.h"

#define WND_PERSIST_RECOVERIES 16u  /* RFC 8985 §6.2 step 4 */
#define REORDER_MAX_PKTS       300u /* as Linux's tcp_max_reordering: told, not acted upon */
#define MAX_ACK_DELAY_NS       (200 * RN_NS_PER_MS)
#define PTO_NO_RTT_NS          RN_NS_PER_S
#define PTO_SLACK_MIN_NS       (2LL << RN_WHEEL_TICK_SHIFT)
#define PTO_SLACK_MAX_NS       (2 * RN_NS_PER_MS)
#define LONGER_MAX             8u /* times that the wait for an answer grew: none is as long */
/* Waits: as much sooner must a probe come than a timeout, or a copy than a delayed ACK, to be worth it. */
#define TIMEOUT_AGES     16
#define DELAYED_ACK_AGES 64

static bool sent_after(int64_t a_ns, rn_seq a_end, int64_t b_ns, rn_seq b_end)
{
    return a_ns > b_ns || (a_ns == b_ns && rn_seq_gt(a_end, b_end));
}

/* Step 2: an ACK of a retransmission that comes too soon, or echoes an older timestamp, is one of the original. */
static bool may_be_original(const struct rn_tcp *conn, const struct rn_tcp_ack *ack,
                            const struct rn_tcp_rec *rec, int64_t rtt_us)
{
    const struct rn_tcp_seg *seg = ack->seg;
    uint32_t sent_ts;

    if (rec->sent_more == 0)
        return false;
    if ((conn->flags & RN_TCPF_TS) != 0 && seg->has_opts && seg->opts.has_ts) {
        sent_ts = (uint32_t)(rec->sent_ns / RN_NS_PER_MS) + conn->ts_offset;
        if ((int32_t)(seg->opts.ts_ecr - sent_ts) < 0)
            return true;
    }
    return rtt_us < conn->rtt.min_us;
}

static void note_distance(struct rn_tcp_rack *rack, uint32_t bytes, uint32_t mss)
{
    uint32_t pkts = rn_min_u32((bytes + mss - 1) / mss, REORDER_MAX_PKTS);

    if (pkts > RN_TCP_DUPTHRESH)
        rack->reord_pkts = rn_max_u32(rack->reord_pkts, pkts);
}

void rn_tcp_rack_delivered(struct rn_tcp *conn, struct rn_tcp_ack *ack,
                           const struct rn_tcp_rec *rec)
{
    struct rn_tcp_rack *rack = &conn->flight->rack;
    int64_t rtt_us = (ack->now_ns - rec->sent_ns) / RN_NS_PER_US;

    /* Step 3: delivered below what was delivered before, and sent once: the network reorders. */
    if (rec->sent_more == 0 && rn_seq_lt(rec->end, rack->fack)) {
        rack->is_reordering = true;
        rack->reord_seen++;
        note_distance(rack, rack->fack.v - rec->seq.v, rec->mss);
    }
    if (may_be_original(conn, ack, rec, rtt_us))
        return;
    if (rack->has_sample && !sent_after(rec->sent_ns, rec->end, rack->sent_ns, rack->end))
        return;
    rack->has_sample = true;
    rack->sent_ns = rec->sent_ns;
    rack->end = rec->end;
    rack->rtt_us = rn_sat_u32((uint64_t)rn_max_i64(rtt_us, 1));
}

/* Step 4: once per round trip; a needless retransmission says the window was too small. */
void rn_tcp_rack_dsack(struct rn_tcp *conn)
{
    struct rn_tcp_rack *rack = &conn->flight->rack;

    if (rack->is_dsack_counted && rn_seq_lt(conn->snd.una, rack->dsack_round))
        return;
    rack->is_dsack_counted = true;
    rack->dsack_round = conn->snd.nxt;
    rack->wnd_mult = rn_sat_u8((uint64_t)rack->wnd_mult + 1);
    rack->wnd_persist = WND_PERSIST_RECOVERIES;
}

void rn_tcp_rack_recovered(struct rn_tcp *conn)
{
    struct rn_tcp_rack *rack = &conn->flight->rack;

    if (rack->wnd_persist != 0 && --rack->wnd_persist == 0)
        rack->wnd_mult = 1;
}

static bool in_recovery(const struct rn_tcp *conn)
{
    return conn->cc.ca_state == RN_TCP_CA_RECOVERY || conn->cc.ca_state == RN_TCP_CA_LOSS;
}

static int64_t reorder_window_ns(const struct rn_tcp *conn)
{
    const struct rn_tcp_flight *flight = conn->flight;
    uint64_t window_us;

    if (!flight->rack.is_reordering &&
        (in_recovery(conn) || flight->sacked_segs >= RN_TCP_DUPTHRESH))
        return 0;
    /* A packet that overtakes others by half a round trip leaves a minimum that no order could keep within. */
    window_us = rn_max_u32(conn->rtt.min_us / 4, conn->rtt.srtt_us / 16);
    window_us *= flight->rack.wnd_mult;
    return (int64_t)rn_min_u64(window_us, conn->rtt.srtt_us) * RN_NS_PER_US;
}

int64_t rn_tcp_rack_left_ns(const struct rn_tcp *conn, const struct rn_tcp_rec *rec)
{
    const struct rn_tcp_rack *rack = &conn->flight->rack;

    return rec->sent_ns + (int64_t)rack->rtt_us * RN_NS_PER_US + reorder_window_ns(conn) -
           rn_tcp_now_ns(conn);
}

/* RFC 4821 §7.6.1: alone, its loss is no sign of congestion. */
static void lose_size_probe(struct rn_tcp *conn, struct rn_tcp_rec *rec)
{
    rn_tcp_rec_to_lost(conn, rec);
    rn_tcp_size_probe_lost(conn);
}

/* Step 5. */
uint32_t rn_tcp_rack_detect(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;
    const struct rn_tcp_rack *rack = &flight->rack;
    uint32_t newly_lost = 0;
    bool is_probe_lost = false;
    bool is_waiting = false;
    struct rn_list *node;

    if (!rack->has_sample)
        return 0;
    while ((node = rn_list_first(&flight->sent)) != NULL) {
        struct rn_tcp_rec *rec = rn_list_entry(node, struct rn_tcp_rec, link);
        int64_t left_ns;

        if (!sent_after(rack->sent_ns, rack->end, rec->sent_ns, rec->end))
            break;
        left_ns = rn_tcp_rack_left_ns(conn, rec);
        if (left_ns > 0) {
            rn_tcp_timers_reorder(conn, rn_tcp_now_ns(conn) + left_ns);
            is_waiting = true;
            break;
        }
        if (rn_tcp_size_probe_is(flight, rec)) {
            lose_size_probe(conn, rec);
            is_probe_lost = true;
            continue;
        }
        newly_lost += rn_tcp_rec_len(rec);
        rn_tcp_rec_lose(conn, rec);
    }
    if (!is_waiting)
        rn_tcp_timers_reorder_stop(conn);
    if (is_probe_lost && newly_lost == 0)
        rn_tcp_recovery_on_resize(conn);
    return newly_lost;
}

void rn_tcp_reorder_fired(struct rn_tcp *conn)
{
    if (rn_tcp_rack_detect(conn) != 0)
        rn_tcp_recovery_on_loss(conn);
    rn_tcp_want_output(conn);
}

/* --- tail loss probe (§7) ------------------------------------------------------------------------------------------- */

/* RFC 8985 §7.2 has two round trips and nothing more. Our clock wants a little, and answers may come unevenly (RFC 9002
 * §6.2.1). What they varied by says little before anything was lost: the window grows, and a queue with it. */
static int64_t slack_ns(const struct rn_tcp *conn)
{
    int64_t uneven_ns = 4 * (int64_t)conn->rtt.rttvar_us * RN_NS_PER_US;

    if (conn->flight->rate.lost == 0)
        return PTO_SLACK_MAX_NS;
    return rn_max_i64(PTO_SLACK_MIN_NS, rn_min_i64(uneven_ns, PTO_SLACK_MAX_NS));
}

static int64_t silence_ns(const struct rn_tcp *conn)
{
    return 2 * (int64_t)conn->rtt.srtt_us * RN_NS_PER_US + slack_ns(conn);
}

/* What stays unanswered is probed ever more rarely, and then left to the timeout. */
static int64_t probe_wait_ns(const struct rn_tcp *conn)
{
    return silence_ns(conn) << 2 * rn_min_u32(conn->flight->tlp.n_unanswered, LONGER_MAX);
}

/* The path is so short that the timeout, by its floor of 200 ms, is tens or hundreds of round trips away. */
static bool is_timeout_ages_away(const struct rn_tcp *conn)
{
    return conn->rtt.srtt_us != 0 && probe_wait_ns(conn) * TIMEOUT_AGES < rn_tcp_rto_ns(conn);
}

/* So is a delayed ACK, with which a lone new segment may be answered. */
static bool is_delayed_ack_ages_away(const struct rn_tcp *conn)
{
    return conn->rtt.srtt_us != 0 && probe_wait_ns(conn) * DELAYED_ACK_AGES < MAX_ACK_DELAY_NS;
}

/* §7.2: one probe, and none in recovery; silence there is the timeout's. Where that is ages away, the loss of a probe, of a
 * repair or of the ACK of either would cost hundreds of round trips. */
static bool may_probe(const struct rn_tcp *conn)
{
    const struct rn_tcp_flight *flight = conn->flight;
    uint8_t state = conn->cc.ca_state;

    if ((conn->flags & RN_TCPF_SACK) == 0 || flight->n_recs == 0)
        return false;
    if (is_timeout_ages_away(conn))
        return state != RN_TCP_CA_LOSS;
    return (state == RN_TCP_CA_OPEN || state == RN_TCP_CA_CWR) && flight->sacked_bytes == 0 &&
           flight->pipe != 0 && !flight->tlp.is_out;
}

int64_t rn_tcp_tlp_deadline_ns(const struct rn_tcp *conn)
{
    const struct rn_tcp_flight *flight = conn->flight;
    int64_t now_ns = rn_tcp_now_ns(conn);
    int64_t probe_ns = PTO_NO_RTT_NS;

    if (!may_probe(conn))
        return 0;
    if (conn->rtt.srtt_us != 0) {
        probe_ns = probe_wait_ns(conn);
        /* A lone segment may be answered by a delayed ACK; a copy of it is not. */
        if (flight->tlp.n_unanswered == 0 && flight->n_recs == 1 &&
            rn_tcp_rec_first(flight)->segs == 1)
            probe_ns += MAX_ACK_DELAY_NS;
    }
    return now_ns + probe_ns;
}

/* The last segment alone: if it arrives, SACK tells of all that is missing before it. */
static bool resend_last(struct rn_tcp *conn)
{
    struct rn_tcp_rec *rec = rn_tcp_rec_last(conn->flight);
    uint32_t len = rn_tcp_rec_len(rec);

    if (len > rec->mss) {
        uint32_t tail = len % rec->mss == 0 ? rec->mss : len % rec->mss;

        rec = rn_tcp_rec_split(conn, rec, rn_seq_sub(rec->end, tail));
        if (rec == NULL)
            return false;
    }
    return rn_tcp_retransmit(conn, rec, rec->mss);
}

/* What is known to be lost and was held back; else the first hole: it was mended long since, or its repair was lost. */
static bool resend_hole(struct rn_tcp *conn)
{
    struct rn_list *lost = rn_list_first(&conn->flight->lost);
    struct rn_tcp_rec *rec = lost != NULL ? rn_list_entry(lost, struct rn_tcp_rec, link)
                                          : rn_tcp_rec_first(conn->flight);

    return rn_tcp_retransmit(conn, rec, rec->mss);
}

/* §7.3: new data if there is any. On a short path a copy, though: it is answered at once, by a DSACK if by nothing else. */
static bool probe_the_tail(struct rn_tcp *conn)
{
    struct rn_tcp_tlp *tlp = &conn->flight->tlp;
    bool is_new = !is_delayed_ack_ages_away(conn) && rn_tcp_send_probe_data(conn);

    if (!is_new && !resend_last(conn))
        return false;
    tlp->is_out = true;
    tlp->is_retransmit = !is_new;
    tlp->end = conn->snd.nxt;
    return true;
}

void rn_tcp_tlp_fired(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;
    bool is_tail = flight->sacked_bytes == 0 && flight->lost_bytes == 0 &&
                   conn->cc.ca_state != RN_TCP_CA_RECOVERY;

    if (!may_probe(conn))
        return;
    if (is_tail ? probe_the_tail(conn) : resend_hole(conn))
        conn->sock.stack->stats.tcp_tlp_probes++;
    flight->tlp.n_unanswered = rn_sat_u8((uint64_t)flight->tlp.n_unanswered + 1);
    rn_tcp_timers_probe_sent(conn);
}

/* §7.4.2: a probe that was itself the repair hides a loss; congestion control must hear of it. */
void rn_tcp_tlp_on_ack(struct rn_tcp *conn, struct rn_tcp_ack *ack)
{
    struct rn_tcp_flight *flight = conn->flight;
    struct rn_tcp_tlp *tlp = &flight->tlp;

    /* A DSACK alone is no progress: by it a probe of what was there already would put off the timeout for ever. */
    if (ack->acked != 0 || ack->delivered != 0)
        tlp->n_unanswered = 0;
    if (!tlp->is_out || rn_seq_lt(ack->seg->ack, tlp->end))
        return;
    if (!tlp->is_retransmit || ack->has_tlp_dsack) {
        tlp->is_out = false;
    } else if (rn_seq_gt(ack->seg->ack, tlp->end)) {
        tlp->is_out = false;
        conn->sock.stack->stats.tcp_tlp_recoveries++;
        rn_tcp_recovery_on_mark(conn);
    } else if (ack->acked == 0 && ack->is_dup) {
        tlp->is_out = false; /* both copies arrived */
    }
}
