/*
 * SACK (RFC 2018, 2883). Blocks mark records; both edges of a block are checked, and it is cut inwards to the segments we
 * sent: a peer cannot make records smaller than segments, so it cannot make more of them than we made segments
 * (CVE-2019-11477 and its like).
 */
#include "tcp/flight.h"

#define RECS_MAX 4096u /* beyond it blocks cut none */

static bool is_sane(const struct rn_tcp *conn, const struct rn_tcp_sack_block *block)
{
    return rn_seq_lt(block->from, block->to) && rn_seq_gt(block->from, conn->snd.una) &&
           rn_seq_le(block->to, conn->snd.nxt);
}

/* RFC 2883 §4: the first block is a DSACK when it lies below the ACK, or inside the second block. */
static bool is_dsack(const struct rn_tcp *conn, const struct rn_tcp_opts *opts, rn_seq ack)
{
    const struct rn_tcp_sack_block *first = &opts->sack[0];
    const struct rn_tcp_sack_block *second = &opts->sack[1];

    if (!rn_seq_lt(first->from, first->to) ||
        (uint32_t)rn_seq_diff(first->to, first->from) > conn->snd.wnd_max)
        return false;
    if (rn_seq_lt(first->from, ack))
        return rn_seq_le(first->to, ack);
    return opts->n_sack > 1 && rn_seq_le(second->from, first->from) &&
           rn_seq_le(first->to, second->to);
}

static void take_dsack(struct rn_tcp *conn, struct rn_tcp_ack *ack,
                       const struct rn_tcp_sack_block *block)
{
    conn->sock.stack->stats.tcp_dsack_in++;
    ack->is_dsack = true;
    rn_tcp_recovery_dsack(conn, block->from, block->to);
    /* A probe's copy says nothing of reordering. */
    if (conn->flight->tlp.is_out && rn_seq_eq(block->to, conn->flight->tlp.end))
        ack->has_tlp_dsack = true;
    else
        rn_tcp_rack_dsack(conn);
}

/* First segment edge at or after @at, seen from the start of @rec. */
static rn_seq edge_up(const struct rn_tcp_rec *rec, rn_seq at)
{
    uint32_t into = at.v - rec->seq.v;
    uint32_t over = into % rec->mss;

    return over == 0 ? at : rn_seq_min(rec->end, rn_seq_add(at, rec->mss - over));
}

/* Last segment edge at or before @at; the end of @rec is one. */
static rn_seq edge_down(const struct rn_tcp_rec *rec, rn_seq at)
{
    return rn_seq_ge(at, rec->end) ? rec->end : rn_seq_sub(at, (at.v - rec->seq.v) % rec->mss);
}

/* Every other segment of a large window of small ones would make more bytes of records than there are to send. What
 * blocks say of parts may be forgotten (RFC 2018 §5). */
static bool may_cut(const struct rn_tcp *conn)
{
    return conn->flight->n_recs < RECS_MAX &&
           rn_stack_pressure(conn->sock.stack) != RN_PRESSURE_FULL;
}

/* Cuts @rec so that exactly [from, to) of it remains; NULL: out of memory, or no whole segment is inside. */
static struct rn_tcp_rec *cut(struct rn_tcp *conn, struct rn_tcp_rec *rec, rn_seq from, rn_seq to)
{
    from = rn_seq_gt(from, rec->seq) ? edge_up(rec, from) : rec->seq;
    to = edge_down(rec, to);
    if (!rn_seq_lt(from, to))
        return NULL;
    if ((rn_seq_lt(to, rec->end) || rn_seq_gt(from, rec->seq)) && !may_cut(conn))
        return NULL;
    if (rn_seq_lt(to, rec->end) && rn_tcp_rec_split(conn, rec, to) == NULL)
        return NULL;
    return rn_seq_gt(from, rec->seq) ? rn_tcp_rec_split(conn, rec, from) : rec;
}

static void take_block(struct rn_tcp *conn, struct rn_tcp_ack *ack,
                       const struct rn_tcp_sack_block *block)
{
    struct rn_tcp_flight *flight = conn->flight;
    struct rn_tcp_rec *rec = rn_tcp_rec_find(flight, block->from);

    while (rec != NULL && rn_seq_lt(rec->seq, block->to)) {
        if (rec->state != RN_TCP_REC_SACKED) {
            struct rn_tcp_rec *inside = cut(conn, rec, block->from, block->to);

            if (inside != NULL) {
                rn_tcp_delivered(conn, ack, inside, rn_tcp_rec_len(inside));
                rec = rn_tcp_rec_to_sacked(conn, inside);
            }
        }
        rec = rn_tcp_rec_next(flight, rec);
    }
}

void rn_tcp_sack_in(struct rn_tcp *conn, struct rn_tcp_ack *ack)
{
    const struct rn_tcp_opts *opts = &ack->seg->opts;
    unsigned first = 0;

    if (!ack->seg->has_opts || opts->n_sack == 0 || (conn->flags & RN_TCPF_SACK) == 0)
        return;
    if (is_dsack(conn, opts, ack->seg->ack)) {
        take_dsack(conn, ack, &opts->sack[0]);
        first = 1;
    }
    for (unsigned i = first; i < opts->n_sack; i++) {
        if (is_sane(conn, &opts->sack[i]))
            take_block(conn, ack, &opts->sack[i]);
    }
}

/* Only when the whole ACK was taken, its number included: within one the order of blocks says nothing about that of
 * arrival. */
void rn_tcp_sack_raise_fack(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    struct rn_tcp_rack *rack = &conn->flight->rack;

    if (!seg->has_opts || (conn->flags & RN_TCPF_SACK) == 0)
        return;
    for (unsigned i = 0; i < seg->opts.n_sack; i++) {
        const struct rn_tcp_sack_block *block = &seg->opts.sack[i];

        if (is_sane(conn, block) && rn_seq_lt(rack->fack, block->to))
            rack->fack = block->to;
    }
}
