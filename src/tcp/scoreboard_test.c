/* Records and sums against a model that keeps one state per byte, under random transmissions, SACKs and ACKs. */
#include "tcp/flight.h"
#include "tcp_fixture.h"

#include "base/rand.h"

#define MODEL_BYTES 60000u
#define MSS         1000u

enum model_state { UNSENT, FLYING, LOST, SACKED, ACKED };

struct model {
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct rn_tcp *conn;
    struct rn_rand rand;
    uint8_t bytes[MODEL_BYTES];
    rn_seq start;
};

static uint32_t at_of(const struct model *m, rn_seq seq)
{
    return seq.v - m->start.v;
}

static void model_init(struct model *m, uint64_t seed)
{
    static const uint8_t zeros[MODEL_BYTES];

    memset(m, 0, sizeof(*m));
    tcp_fixture_init(&m->f);
    m->sock = fix_connecting(&m->f);
    fix_ignore(&m->f);
    fix_peer(&m->f, "S. 0:0(0) ack 1 win 65535 <mss 1000,sackOK>");
    fix_ignore(&m->f);
    m->conn = rn_tcp_of(m->sock);
    rn_rand_init_u64(&m->rand, seed);
    m->start = m->conn->snd.una;
    assert_int_equal(rn_tcp_snd_copy(m->conn, zeros, MODEL_BYTES), MODEL_BYTES);
}

static void model_fini(struct model *m)
{
    rn_sock_abort(m->sock);
    fix_turn(&m->f);
    fix_ignore(&m->f);
    tcp_fixture_fini(&m->f);
}

/* A record of one to five segments, the last perhaps short, as snd.c makes them. */
static void send_some(struct model *m)
{
    uint32_t from = at_of(m, m->conn->snd.nxt);
    uint32_t len = rn_min_u32((uint32_t)rn_rand_below(&m->rand, 5 * MSS) + 1, MODEL_BYTES - from);
    struct rn_tcp_rec *rec;

    if (len == 0)
        return;
    rec = rn_tcp_rec_append(m->conn, m->conn->snd.nxt, rn_seq_add(m->conn->snd.nxt, len));
    assert_non_null(rec);
    rn_tcp_rate_sent(m->conn, rec);
    rn_tcp_rec_to_flying(m->conn, rec);
    m->conn->snd.nxt = rec->end;
    memset(m->bytes + from, FLYING, len);
}

/* Where the model may be SACKed within [from, to): whole segments of each record, or up to its end. */
static void model_sack(struct model *m, uint32_t from, uint32_t to)
{
    struct rn_tcp_rec *rec = rn_tcp_rec_first(m->conn->flight);

    for (; rec != NULL; rec = rn_tcp_rec_next(m->conn->flight, rec)) {
        uint32_t at = at_of(m, rec->seq);
        uint32_t end = at_of(m, rec->end);

        if (rec->state == RN_TCP_REC_SACKED)
            continue;
        for (; at < end; at += MSS) {
            uint32_t seg_end = rn_min_u32(at + MSS, end);

            if (at >= from && seg_end <= to)
                memset(m->bytes + at, SACKED, seg_end - at);
        }
    }
}

static void sack_some(struct model *m)
{
    uint32_t una = at_of(m, m->conn->snd.una);
    uint32_t nxt = at_of(m, m->conn->snd.nxt);
    struct rn_tcp_seg seg = { .ack = m->conn->snd.una, .has_opts = true };
    struct rn_tcp_ack ack = { .seg = &seg, .rtt_us = -1 };
    uint32_t from;
    uint32_t to;

    if (nxt - una < 3)
        return;
    from = una + 1 + (uint32_t)rn_rand_below(&m->rand, nxt - una - 2);
    to = from + 1 + (uint32_t)rn_rand_below(&m->rand, nxt - from);
    seg.opts.n_sack = 1;
    seg.opts.sack[0].from = rn_seq_add(m->start, from);
    seg.opts.sack[0].to = rn_seq_add(m->start, to);
    ack.now_ns = m->f.t.turn.now_ns;
    model_sack(m, from, to);
    rn_tcp_sack_in(m->conn, &ack);
}

static void lose_some(struct model *m)
{
    struct rn_list *node = rn_list_first(&m->conn->flight->sent);
    struct rn_tcp_rec *rec;

    if (node == NULL)
        return;
    rec = rn_list_entry(node, struct rn_tcp_rec, link);
    memset(m->bytes + at_of(m, rec->seq), LOST, rn_tcp_rec_len(rec));
    rn_tcp_rec_to_lost(m->conn, rec);
}

static void find_some(struct model *m)
{
    struct rn_list *node = rn_list_first(&m->conn->flight->lost);
    struct rn_tcp_rec *rec;

    if (node == NULL)
        return;
    rec = rn_list_entry(node, struct rn_tcp_rec, link);
    memset(m->bytes + at_of(m, rec->seq), FLYING, rn_tcp_rec_len(rec));
    if (rn_rand_below(&m->rand, 2) == 0)
        rn_tcp_rec_found(m->conn, rec);
    else
        rn_tcp_rec_to_flying(m->conn, rec);
}

static void acknowledge_some(struct model *m)
{
    uint32_t una = at_of(m, m->conn->snd.una);
    uint32_t nxt = at_of(m, m->conn->snd.nxt);
    uint32_t ack = una + (uint32_t)rn_rand_below(&m->rand, rn_min_u32(nxt - una, 3 * MSS) + 1);
    struct rn_tcp_rec *rec;

    /* A peer acknowledges what it has SACKed together with what precedes it. */
    while (ack < nxt && m->bytes[ack] == SACKED)
        ack++;
    while ((rec = rn_tcp_rec_first(m->conn->flight)) != NULL && at_of(m, rec->end) <= ack)
        rn_tcp_rec_remove(m->conn, rec);
    if (rec != NULL && at_of(m, rec->seq) < ack)
        rn_tcp_rec_trim(m->conn, rec, rn_seq_add(m->start, ack));
    memset(m->bytes + una, ACKED, ack - una);
    m->conn->snd.una = rn_seq_add(m->start, ack);
}

static void check_record(const struct model *m, const struct rn_tcp_rec *rec)
{
    static const uint8_t states[] = {
        [RN_TCP_REC_FLYING] = FLYING, [RN_TCP_REC_LOST] = LOST, [RN_TCP_REC_SACKED] = SACKED
    };

    for (uint32_t at = at_of(m, rec->seq); at < at_of(m, rec->end); at++)
        assert_int_equal(m->bytes[at], states[rec->state]);
    assert_int_equal(rn_list_is_linked(&rec->link), rec->state != RN_TCP_REC_SACKED);
}

static void check_lost_are_in_order(const struct model *m)
{
    const struct rn_tcp_flight *flight = m->conn->flight;
    const struct rn_list *node;
    rn_seq last = m->conn->snd.una;

    rn_list_for_each (node, &flight->lost) {
        const struct rn_tcp_rec *rec = rn_list_entry(node, const struct rn_tcp_rec, link);

        assert_true(rn_seq_ge(rec->seq, last));
        last = rec->end;
    }
}

static void check(const struct model *m)
{
    const struct rn_tcp_flight *flight = m->conn->flight;
    const struct rn_tcp_rec *rec = rn_tcp_rec_first(flight);
    rn_seq next = m->conn->snd.una;
    uint32_t sums[5] = { 0 };
    bool was_sacked = false;
    uint32_t n = 0;

    for (; rec != NULL; rec = rn_tcp_rec_next(flight, rec)) {
        assert_true(rn_seq_eq(rec->seq, next));
        assert_ptr_equal(rn_tcp_rec_find(flight, rec->seq), rec);
        assert_ptr_equal(rn_tcp_rec_find(flight, rn_seq_sub(rec->end, 1)), rec);
        assert_false(was_sacked && rec->state == RN_TCP_REC_SACKED);
        check_record(m, rec);
        was_sacked = rec->state == RN_TCP_REC_SACKED;
        next = rec->end;
        n++;
    }
    assert_true(rn_seq_eq(next, m->conn->snd.nxt));
    check_lost_are_in_order(m);
    for (uint32_t at = 0; at < MODEL_BYTES; at++)
        sums[m->bytes[at]]++;
    assert_int_equal(flight->pipe, sums[FLYING]);
    assert_int_equal(flight->lost_bytes, sums[LOST]);
    assert_int_equal(flight->sacked_bytes, sums[SACKED]);
    assert_int_equal(flight->n_recs, n);
    assert_int_equal(flight->recs.n_nodes, n);
}

static void test_records_agree_with_a_state_per_byte(void **state)
{
    static void (*const steps[])(struct model *) = {
        send_some, send_some, sack_some, sack_some, lose_some, find_some, acknowledge_some,
    };
    static struct model m;

    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        model_init(&m, seed);
        for (unsigned i = 0; i < 200; i++) {
            steps[rn_rand_below(&m.rand, RN_ARRAY_LEN(steps))](&m);
            check(&m);
        }
        model_fini(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_agree_with_a_state_per_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
