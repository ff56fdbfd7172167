/*
 * RACK-TLP (RFC 8985). Records in flight are kept in the order of their last transmission, so what was sent before the
 * newest delivered one stands in front: detection looks at those, and at no other.
 */
#include "tcp/flight.h"

#define WND_PERSIST_RECOVERIES 16u  /* RFC 8985 §6.2 step 4 */
#define REORDER_MAX_PKTS       300u /* as Linux's tcp_max_reordering: told, not acted upon */
#define MAX_ACK_DELAY_NS       (200 * RN_NS_PER_MS)
#define PTO_NO_RTT_NS          RN_NS_PER_S
#define PTO_SLACK_NS           (2 * RN_NS_PER_MS)
#define RECOVERY_PROBE_SHARE   16 /* of a timeout: a probe in recovery comes no later */

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

static int64_t silence_ns(const struct rn_tcp *conn)
{
    return 2 * (int64_t)conn->rtt.srtt_us * RN_NS_PER_US + PTO_SLACK_NS;
}

/* §7.2 leaves silence in recovery to the timeout. Where the path is so short that its floor is ages, the ACK of the repair or
 * the repair itself would cost hundreds of round trips: one probe is due then, too. */
static bool is_probed_in_recovery(const struct rn_tcp *conn)
{
    return conn->cc.ca_state == RN_TCP_CA_RECOVERY && conn->rtt.srtt_us != 0 &&
           rn_list_is_empty(&conn->flight->lost) &&
           silence_ns(conn) * RECOVERY_PROBE_SHARE < rn_tcp_rto_ns(conn);
}

static bool may_probe(const struct rn_tcp *conn)
{
    const struct rn_tcp_flight *flight = conn->flight;

    if ((conn->flags & RN_TCPF_SACK) == 0 || flight->tlp.is_out || flight->pipe == 0)
        return false;
    return (conn->cc.ca_state == RN_TCP_CA_OPEN && flight->sacked_bytes == 0) ||
           is_probed_in_recovery(conn);
}

int64_t rn_tcp_tlp_deadline_ns(const struct rn_tcp *conn)
{
    const struct rn_tcp_flight *flight = conn->flight;
    int64_t now_ns = rn_tcp_now_ns(conn);
    int64_t probe_ns = PTO_NO_RTT_NS;

    if (!may_probe(conn))
        return 0;
    if (conn->rtt.srtt_us != 0) {
        probe_ns = silence_ns(conn);
        /* A lone segment may be answered by a delayed ACK. */
        if (flight->n_recs == 1 && rn_tcp_rec_first(flight)->segs == 1)
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

/* The first hole: it was mended long since, or its repair was lost. Any progress is the answer. */
static void probe_in_recovery(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;
    struct rn_tcp_rec *first = rn_tcp_rec_first(flight);

    if (!rn_tcp_retransmit(conn, first, first->mss))
        return;
    flight->tlp.is_out = true;
    flight->tlp.is_retransmit = false;
    flight->tlp.end = rn_seq_add(conn->snd.una, 1);
    conn->sock.stack->stats.tcp_tlp_probes++;
}

static void probe_the_tail(struct rn_tcp *conn)
{
    struct rn_tcp_flight *flight = conn->flight;
    bool is_new = rn_tcp_send_probe_data(conn);

    if (!is_new && !resend_last(conn))
        return;
    flight->tlp.is_out = true;
    flight->tlp.is_retransmit = !is_new;
    flight->tlp.end = conn->snd.nxt;
    conn->sock.stack->stats.tcp_tlp_probes++;
}

void rn_tcp_tlp_fired(struct rn_tcp *conn)
{
    if (!may_probe(conn))
        return;
    if (conn->cc.ca_state == RN_TCP_CA_RECOVERY)
        probe_in_recovery(conn);
    else
        probe_the_tail(conn);
    rn_tcp_timers_rto_restart(conn);
}

/* §7.4.2: a probe that was itself the repair hides a loss; congestion control must hear of it. */
void rn_tcp_tlp_on_ack(struct rn_tcp *conn, struct rn_tcp_ack *ack)
{
    struct rn_tcp_flight *flight = conn->flight;
    struct rn_tcp_tlp *tlp = &flight->tlp;

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
