#include "tcp/accecn.h"

#include "tcp/life.h"

/*
 * The counters of Accurate ECN (RFC 9768 §3.2). What the peer's three bits may hide when many ACKs are lost is guessed as
 * its appendix A.2 proposes: from the bytes in his option, else from how much was acknowledged at once.
 */

#define ACE_SHIFT      6u
#define ACE_FIRST      5u /* §3.2.1 */
#define BYTES_FIRST    1u /* of ECT(0) and ECT(1) */
#define ACE_CYCLE      8u
#define FIELD_MASK     0xffffffu
#define FIELD_HALF     0x800000u
#define MARKS_WITH_ACK 2u /* §3.2.2.5.1: so many make an ACK leave, if one is owed, */
#define MARKS_ALONE    3u /* if none is: or two sides would acknowledge each other's ACKs for ever */
#define SACKS_FIRST    2u /* §3.2.3.3: blocks that the option must leave room for */
#define LOST_OPTIONS   3u
#define GOOD_SEGMENTS  32u
#define AVG_ONE        16u
#define AVG_MANY                                                                                   \
    (4 * AVG_ONE) /* an ACK usually stands for so many segments: ACKs are thinned, not lost */

unsigned rn_tcp_accecn_field(uint8_t order, unsigned i)
{
    static const uint8_t fields[2][RN_TCP_ACCECN_MAX] = {
        { RN_TCP_ECT_0, RN_TCP_CE, RN_TCP_ECT_1 },
        { RN_TCP_ECT_1, RN_TCP_CE, RN_TCP_ECT_0 },
    };

    return fields[order][i];
}

/* --- what leaves -------------------------------------------------------------------------------------------------- */

static uint32_t first_of(unsigned ect)
{
    return ect == RN_TCP_CE ? 0 : BYTES_FIRST;
}

static unsigned ace_now(const struct rn_tcp_accecn *accecn)
{
    return (ACE_FIRST + accecn->received_ce) % ACE_CYCLE;
}

uint16_t rn_tcp_accecn_flags(struct rn_tcp *conn, const struct rn_tcp_out *out)
{
    struct rn_tcp_accecn *accecn = rn_tcp_accecn_of(conn);

    if (accecn->reflect != 0 && out->len == 0 && (out->flags & RN_TCP_FIN) == 0)
        return (uint16_t)(accecn->reflect << ACE_SHIFT);
    accecn->told_ce = accecn->received_ce;
    return (uint16_t)(ace_now(accecn) << ACE_SHIFT);
}

bool rn_tcp_accecn_forbids_gso(const struct rn_tcp *conn)
{
    return rn_tcp_is_accurate(conn) &&
           (ace_now(rn_tcp_accecn_of(conn)) << ACE_SHIFT & RN_TCP_CWR) != 0;
}

/* Not-ECT has no counter. */
static bool has_changed(const struct rn_tcp_accecn *accecn, unsigned ect)
{
    return accecn->told[ect] != (uint32_t)accecn->received[ect];
}

static bool has_news(const struct rn_tcp_accecn *accecn)
{
    return has_changed(accecn, RN_TCP_ECT_0) || has_changed(accecn, RN_TCP_CE) ||
           has_changed(accecn, RN_TCP_ECT_1);
}

static bool is_first_chance(const struct rn_tcp_accecn *accecn)
{
    return accecn->owes_option || accecn->reflect != 0;
}

/* What never changed goes last, where it can be left out. */
static uint8_t order_of(const struct rn_tcp_accecn *accecn)
{
    return accecn->received[RN_TCP_ECT_0] == 0 && accecn->received[RN_TCP_ECT_1] != 0;
}

/* Counters from the front, so that all that ever changed are there; @only_news: all that did since the last
 * option. */
static unsigned n_fields(const struct rn_tcp_accecn *accecn, bool only_news)
{
    unsigned n = 0;

    for (unsigned i = 0; i < RN_TCP_ACCECN_MAX; i++) {
        unsigned ect = rn_tcp_accecn_field(order_of(accecn), i);

        if (only_news ? has_changed(accecn, ect) : accecn->received[ect] != 0)
            n = i + 1;
    }
    return n;
}

static unsigned n_wanted(const struct rn_tcp_accecn *accecn)
{
    return is_first_chance(accecn) ? RN_TCP_ACCECN_MAX : n_fields(accecn, false);
}

static bool wants_option(const struct rn_tcp_accecn *accecn)
{
    return !accecn->is_option_off && (has_news(accecn) || is_first_chance(accecn));
}

uint32_t rn_tcp_accecn_bytes(const struct rn_tcp *conn)
{
    const struct rn_tcp_accecn *accecn = rn_tcp_accecn_of(conn);
    struct rn_tcp_opts opts = { .has_accecn = true, .n_accecn = (uint8_t)n_wanted(accecn) };

    return wants_option(accecn) ? (uint32_t)rn_tcp_opts_bytes(&opts) : 0;
}

/* A segment with data was measured before its options were known. */
static bool fits(const struct rn_tcp *conn, const struct rn_tcp_out *out,
                 const struct rn_tcp_opts *opts)
{
    size_t bytes = rn_tcp_opts_bytes(opts);

    if (bytes > RN_TCP_OPTS_MAX_BYTES)
        return false;
    return out->len == 0 ||
           rn_min_u32(out->len, conn->snd.mss) + bytes <= rn_tcp_mss_without_opts(conn);
}

/* §3.2.3.3: fields go first, then SACK blocks, of which two stay; then there is no option. */
static bool make_room(const struct rn_tcp *conn, const struct rn_tcp_out *out, unsigned least,
                      struct rn_tcp_opts *opts)
{
    while (!fits(conn, out, opts)) {
        if (opts->n_accecn > least)
            opts->n_accecn--;
        else if (opts->n_sack > SACKS_FIRST && out->len == 0)
            opts->n_sack--;
        else
            return false;
    }
    return true;
}

static void told(struct rn_tcp_accecn *accecn, const struct rn_tcp_out *out)
{
    for (unsigned ect = 0; ect < RN_TCP_ECT_COUNT; ect++)
        accecn->told[ect] = (uint32_t)accecn->received[ect];
    accecn->owes_option = accecn->owes_option && out->len == 0;
    accecn->had_option = true;
}

/* Never beside what is sent again: had the option been why it was lost, it would be lost again (§3.2.3.2.2). */
void rn_tcp_accecn_put(struct rn_tcp *conn, const struct rn_tcp_out *out, struct rn_tcp_opts *opts)
{
    struct rn_tcp_accecn *accecn = rn_tcp_accecn_of(conn);
    struct rn_tcp_opts with = *opts;

    accecn->had_option = false;
    if (!wants_option(accecn) || out->is_retransmit || out->is_size_probe ||
        (out->flags & RN_TCP_RST) != 0)
        return;
    with.has_accecn = true;
    with.accecn_order = order_of(accecn);
    with.n_accecn = (uint8_t)n_wanted(accecn);
    if (!make_room(conn, out, rn_max_u32(n_fields(accecn, true), 1), &with))
        return;
    for (unsigned i = 0; i < with.n_accecn; i++) {
        unsigned ect = rn_tcp_accecn_field(with.accecn_order, i);

        with.accecn[i] = (uint32_t)(accecn->received[ect] + first_of(ect)) & FIELD_MASK;
    }
    *opts = with;
    told(accecn, out);
}

void rn_tcp_accecn_put_first(struct rn_tcp_opts *opts)
{
    opts->has_accecn = true;
    opts->n_accecn = RN_TCP_ACCECN_MAX;
    for (unsigned i = 0; i < RN_TCP_ACCECN_MAX; i++)
        opts->accecn[i] = first_of(rn_tcp_accecn_field(0, i));
    if (rn_tcp_opts_bytes(opts) > RN_TCP_OPTS_MAX_BYTES)
        opts->has_accecn = false;
}

/* Table 3. */
static uint8_t reflection_of(const struct rn_tcp_seg *seg)
{
    static const uint8_t codes[RN_TCP_ECT_COUNT] = { 2, 3, 4, 6 };

    return codes[seg->tos & 3u];
}

void rn_tcp_accecn_ack_syn_ack(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    struct rn_tcp_accecn *accecn = rn_tcp_accecn_of(conn);

    accecn->reflect = reflection_of(seg);
    rn_tcp_send_ack(conn);
    accecn->reflect = 0;
}

void rn_tcp_accecn_challenge(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    struct rn_tcp_accecn *accecn = rn_tcp_accecn_of(conn);

    accecn->reflect = reflection_of(seg);
    rn_tcp_challenge(conn);
    accecn->reflect = 0;
}

/* --- what arrives ------------------------------------------------------------------------------------------------- */

/* §3.2.3.2.2: what our ACK with the option acknowledged comes again, and again: the option seems to be why. */
void rn_tcp_accecn_repeated(struct rn_tcp *conn)
{
    struct rn_tcp_accecn *accecn = rn_tcp_accecn_of(conn);

    if (!accecn->had_option || accecn->is_option_off)
        return;
    accecn->n_answered = 0;
    accecn->is_option_off = ++accecn->n_unanswered == LOST_OPTIONS;
}

static void note_progress(struct rn_tcp_accecn *accecn)
{
    if (++accecn->n_answered == GOOD_SEGMENTS) {
        accecn->n_answered = 0;
        accecn->n_unanswered = 0;
    }
}

static bool is_ack_due(const struct rn_tcp *conn, const struct rn_tcp_seg *seg, bool was_ce)
{
    const struct rn_tcp_accecn *accecn = rn_tcp_accecn_of(conn);
    bool owes_ack = seg->data_len > 0 || !rn_seq_eq(conn->rcv.nxt, conn->rcv.wup);
    uint32_t untold = accecn->received_ce - accecn->told_ce;

    return (seg->data_len > 0 && !was_ce) || untold >= (owes_ack ? MARKS_WITH_ACK : MARKS_ALONE);
}

void rn_tcp_accecn_received(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    struct rn_tcp_accecn *accecn = rn_tcp_accecn_of(conn);
    unsigned ect = seg->tos & 3u;
    bool was_ce = accecn->was_ce;

    if (seg->data_len > 0)
        note_progress(accecn);
    accecn->received[ect] += seg->data_len;
    accecn->was_ce = ect == RN_TCP_CE;
    if (ect != RN_TCP_CE)
        return;
    accecn->received_ce += rn_pkt_segments(seg->pkt);
    if (!is_ack_due(conn, seg, was_ce))
        return;
    conn->flags |= RN_TCPF_ACK_NOW;
    rn_tcp_want_output(conn);
}

/* --- what the peer tells ------------------------------------------------------------------------------------------ */

/* Appendix A.1: an ACK that was overtaken tells of less. */
static bool is_overtaken(const struct rn_tcp *conn, struct rn_tcp_accecn *accecn,
                         const struct rn_tcp_ack *ack)
{
    const struct rn_tcp_seg *seg = ack->seg;
    bool has_ts = (conn->flags & RN_TCPF_TS) != 0 && seg->has_opts && seg->opts.has_ts;
    bool is_newer =
        has_ts && (!accecn->has_last_ts || (int32_t)(seg->opts.ts_val - accecn->last_ts) > 0);

    if (is_newer) {
        accecn->last_ts = seg->opts.ts_val;
        accecn->has_last_ts = true;
    }
    return !is_newer && ack->acked == 0 && ack->delivered == 0;
}

/* Takes the counters of the option. Returns the bytes newly told to be marked CE. */
static uint32_t take_option(struct rn_tcp_accecn *accecn, const struct rn_tcp_opts *opts)
{
    uint32_t ce = 0;

    for (unsigned i = 0; i < opts->n_accecn; i++) {
        unsigned ect = rn_tcp_accecn_field(opts->accecn_order, i);
        uint32_t more = (opts->accecn[i] - accecn->seen[ect]) & FIELD_MASK;

        if (more >= FIELD_HALF)
            continue; /* less than before: of an ACK that was overtaken after all */
        accecn->seen[ect] = opts->accecn[i];
        accecn->delivered[ect] += more;
        if (ect == RN_TCP_CE)
            ce = more;
    }
    accecn->has_seen_option = true;
    return ce;
}

static void average(struct rn_tcp_accecn *accecn, uint32_t acked_pkts)
{
    int32_t sample = (int32_t)(rn_min_u32(acked_pkts, 1024) * AVG_ONE);

    accecn->acked_avg =
        (uint16_t)(accecn->acked_avg + (sample - (int32_t)accecn->acked_avg) / (int32_t)8);
}

/* Appendix A.2: the most that the three bits can mean when @acked segments were acknowledged at once. */
static uint32_t most_marks(uint32_t marks, uint32_t acked)
{
    return acked < marks + ACE_CYCLE ? marks : acked - (acked - marks) % ACE_CYCLE;
}

struct news {
    uint32_t acked_pkts;
    uint32_t marks; /* at least */
    uint32_t ce_bytes;
    bool has_option;
};

static uint32_t marks_of(const struct rn_tcp *conn, const struct rn_tcp_accecn *accecn,
                         const struct news *news)
{
    uint32_t most = most_marks(news->marks, news->acked_pkts);
    uint64_t mss = conn->snd.mss;

    if (most == news->marks)
        return most;
    if (news->has_option) /* A.2.2 */
        return news->ce_bytes <= mss * news->marks && news->ce_bytes < most * mss / 2 ? news->marks
                                                                                      : most;
    if (accecn->has_seen_option || accecn->acked_avg > AVG_MANY)
        return news->marks;
    return most;
}

/* §3.2.3.2.5: bytes were marked and no packet was, and the packets cannot have gone round: somebody changes our flags. */
static bool is_mangled(const struct rn_tcp *conn, const struct rn_tcp_accecn *accecn,
                       uint32_t ce_bytes)
{
    return ce_bytes != 0 && accecn->delivered_ce == accecn->opt_ce &&
           conn->count.delivered - accecn->opt_to < ACE_CYCLE;
}

static struct news read_news(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    struct rn_tcp_accecn *accecn = rn_tcp_accecn_of(conn);
    unsigned ace = seg->flags >> ACE_SHIFT & (ACE_CYCLE - 1);
    struct news news = {
        .acked_pkts = conn->count.delivered - accecn->counted_to,
        .marks = (ace - ACE_FIRST - accecn->delivered_ce) % ACE_CYCLE,
        .has_option = seg->has_opts && seg->opts.has_accecn && !accecn->is_option_bad,
    };

    if (news.has_option)
        news.ce_bytes = take_option(accecn, &seg->opts);
    return news;
}

static void take_news(struct rn_tcp *conn, struct rn_tcp_ack *ack)
{
    struct rn_tcp_accecn *accecn = rn_tcp_accecn_of(conn);
    struct news news = read_news(conn, ack->seg);
    uint32_t marks = marks_of(conn, accecn, &news);

    average(accecn, news.acked_pkts);
    accecn->counted_to = conn->count.delivered;
    accecn->delivered_ce += marks;
    if (!news.has_option)
        accecn->delivered[RN_TCP_CE] +=
            accecn->has_seen_option ? 0 : (uint64_t)marks * conn->snd.mss;
    ack->is_ece = marks != 0 || news.ce_bytes != 0;
    if (!news.has_option)
        return;
    if (is_mangled(conn, accecn, news.ce_bytes))
        conn->cc.ecn &= (uint8_t)~RN_TCP_ECN_ON;
    accecn->opt_ce = accecn->delivered_ce;
    accecn->opt_to = conn->count.delivered;
}

/* §3.2.2.4: no counter begins at 0, so somebody wipes it out. */
static bool is_wiped_out(struct rn_tcp_accecn *accecn, const struct rn_tcp_seg *seg)
{
    bool is_first = !accecn->has_seen_ace;

    accecn->has_seen_ace = true;
    return is_first && (seg->flags >> ACE_SHIFT & (ACE_CYCLE - 1)) == 0;
}

void rn_tcp_accecn_ack_in(struct rn_tcp *conn, struct rn_tcp_ack *ack)
{
    struct rn_tcp_accecn *accecn = rn_tcp_accecn_of(conn);

    if (ack->seg->has_no_ace)
        return;
    if (is_wiped_out(accecn, ack->seg)) {
        accecn->is_deaf = true;
        conn->cc.ecn &= (uint8_t)~RN_TCP_ECN_ON;
    }
    if (!accecn->is_deaf && !is_overtaken(conn, accecn, ack))
        take_news(conn, ack);
}
