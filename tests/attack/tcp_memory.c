/* Memory that peers make us hold: B03, B04, B05, B16. It is bounded, it comes back, and who behaves does not notice. */
#include "tcp_fixture.h"

#include "tcp/flight.h"
#include "tcp/reorder.h"

enum { RECS_MAX = 4096 };

static struct rn_tcp *conn_of(struct rn_sock *sock)
{
    return rn_container_of(sock, struct rn_tcp, sock);
}

static void next_peer(struct tcp_fixture *f)
{
    f->their_port++;
    f->knows_our_isn = false;
    f->knows_our_ts = false;
}

/* --- SACK (B03, B04, B05) ------------------------------------------------------------------------------------------- */

static void sack(struct tcp_fixture *f, uint32_t from, uint32_t to)
{
    struct seg_text s = seg_parse(". 1:1(0) ack 1 win 65535 <sack 1:2>");

    s.opts.sack[0].from = rn_seq_of(from);
    s.opts.sack[0].to = rn_seq_of(to);
    fix_peer_seg(f, &s);
    rn_pktq_free_all(&f->out);
}

static void finish(struct tcp_fixture *f, struct rn_sock *sock)
{
    rn_sock_abort(sock);
    fix_turn(f);
    rn_pktq_free_all(&f->out);
    tcp_fixture_fini(f);
}

/* Each byte of what flies is named by a block of its own: records stay what was sent, cut at segments, never at bytes. */
static void test_B03_sack_blocks_cut_no_finer_than_segments(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    uint32_t most = 0;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 48,sackOK>"); /* the least there is: the most segments */
    fix_writes(&f, sock, 65536);
    rn_pktq_free_all(&f.out);

    for (uint32_t at = 1; at < 480; at++) {
        sack(&f, at * 2, at * 2 + 1);
        most = rn_max_u32(most, conn_of(sock)->flight->n_recs);
    }

    assert_true(most <= 65536 / 48 + 1);
    assert_int_equal(conn_of(sock)->flight->sacked_segs, 0); /* no block held a whole segment */
    finish(&f, sock);
}

/* Every other one of the smallest segments: what is kept of them is bounded, and is memory of sockets like the rest. */
static void test_B03_holes_in_what_we_sent_are_bounded_and_charged(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    size_t before;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 48,sackOK,wscale 14>");
    conn_of(sock)->cc.cwnd = 1u << 28;
    assert_int_equal(rn_sock_set_opt(sock, RN_SO_SNDBUF, 4 << 20), 0);
    fix_peer(&f, ". 1:1(0) ack 1 win 65535");
    for (unsigned i = 0; i < 30; i++)
        fix_writes(&f, sock, 48000); /* whole segments */
    for (unsigned i = 0; i < 20; i++)
        fix_turn(&f);
    rn_pktq_free_all(&f.out);
    before = f.stack->sock_bytes;

    for (uint32_t i = 0; i < 10000; i++)
        sack(&f, 1 + 96 * i + 48, 1 + 96 * i + 96);

    assert_true(conn_of(sock)->flight->n_recs <= RECS_MAX + 1);
    assert_true(conn_of(sock)->flight->n_recs > RECS_MAX / 2);
    assert_true(f.stack->sock_bytes - before >= (RECS_MAX / 2) * sizeof(struct rn_tcp_rec));
    assert_int_equal(f.stack->stats.tcp_invariant_broken, 0);
    rn_sock_abort(sock);
    fix_turn(&f);
    rn_pktq_free_all(&f.out);
    assert_int_equal(f.stack->sock_bytes, 0);
    tcp_fixture_fini(&f);
}

/* CVE-2019-11477: a counter of segments that wraps. Ours are of 32 bits and count down to where they began. */
static void test_B03_counters_of_segments_hold_a_whole_window_of_the_smallest(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    uint32_t n_segs;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 48,sackOK,wscale 14>");
    conn_of(sock)->cc.cwnd = 1u << 28; /* as after a long time without loss */
    assert_int_equal(rn_sock_set_opt(sock, RN_SO_SNDBUF, 4 << 20), 0);
    fix_peer(&f, ". 1:1(0) ack 1 win 65535");
    for (unsigned i = 0; i < 63; i++)
        fix_writes(&f, sock, 65536);
    for (unsigned i = 0; i < 40; i++)
        fix_turn(&f);
    rn_pktq_free_all(&f.out);
    n_segs = (conn_of(sock)->snd.nxt.v - conn_of(sock)->snd.una.v) / 48;
    assert_true(n_segs > 65536);

    sack(&f, 49, 1 + n_segs * 48);

    assert_true(conn_of(sock)->flight->sacked_segs > 65535);
    assert_int_equal(f.stack->stats.tcp_invariant_broken, 0);
    finish(&f, sock);
}

/* Blocks that lie, each alone and all at once, and the ACK beside them still counts. */
static void test_B04_blocks_that_lie_are_ignored_and_their_ack_is_not(void **state)
{
    static const uint32_t lies[][2] = {
        { 1, 0 },
        { 1000, 1000 },
        { 0x80000000u, 5 },
        { 5, 0x80000001u },
        { 0xffffff00u, 1 },
        { 0, 0xffffffff },
        { 2921, 90000 },
        { 90000, 91000 },
        { 2921, 2920 },
        { 0x7fffffff, 0x80000010u },
        { 0xfffffff0u, 4381 },
    };
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct rn_tcp_flight *flight;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460,sackOK>");
    fix_writes(&f, sock, 5840);
    rn_pktq_free_all(&f.out);
    flight = conn_of(sock)->flight;

    for (unsigned i = 0; i < RN_ARRAY_LEN(lies); i++) {
        sack(&f, lies[i][0], lies[i][1]);
        assert_int_equal(flight->sacked_segs, 0);
        assert_int_equal(rn_tcp_pipe(conn_of(sock)), 5840);
    }
    fix_peer(&f, ". 1:1(0) ack 1461 <sack 9000:8000 4000000000:20>");
    assert_int_equal(conn_of(sock)->snd.una.v - conn_of(sock)->iss.v, 1461);

    fix_peer(&f, ". 1:1(0) ack 1461 <sack 2921:4381 2921:4381 2921:4381 3000:4381>");
    assert_int_equal(flight->sacked_segs, 1); /* four times the same is once */
    finish(&f, sock);
}

/* DSACKs for what was never sent twice must not undo a reduction, nor count a segment twice. */
static void test_B04_a_lying_dsack_undoes_nothing(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    uint32_t reduced;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460,sackOK>");
    fix_writes(&f, sock, 14600);
    rn_pktq_free_all(&f.out);
    fix_peer(&f, ". 1:1(0) ack 1 <sack 4381:14601>");
    fix_pass(&f, 100);
    rn_pktq_free_all(&f.out);
    reduced = conn_of(sock)->cc.ssthresh;
    assert_true(reduced != UINT32_MAX);

    for (unsigned i = 0; i < 5; i++)
        fix_peer(&f, ". 1:1(0) ack 1 <sack 4381:5841 4381:14601>");

    assert_int_equal(conn_of(sock)->cc.ssthresh, reduced);
    assert_int_equal(f.stack->stats.tcp_undos, 0);
    finish(&f, sock);
}

/* A peer's ACKs, SACKs and samples by the ten thousand: what the connection holds is what it held. */
static void test_B05_acks_and_samples_grow_nothing(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    size_t before;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 536,sackOK,TS 1 0>");
    fix_writes(&f, sock, 53600);
    rn_pktq_free_all(&f.out);
    fix_peer(&f, ". 1:1(0) ack 1 <TS 2 0,sack 1073:1609>");
    rn_pktq_free_all(&f.out);
    before = f.t.alloc.bytes_live;

    for (unsigned i = 0; i < 20000; i++) {
        struct seg_text s = seg_parse(". 1:1(0) ack 1 win 65535 <TS 2 0,sack 1073:1609>");

        s.opts.ts_val = 2 + i;
        s.opts.ts_ecr = i % 7;
        s.win = (uint16_t)(60000 + i % 5000);
        fix_peer_seg(&f, &s);
        rn_pktq_free_all(&f.out);
    }

    assert_true(f.t.alloc.bytes_live <= before + 4096);
    finish(&f, sock);
}

/* --- peers that take nothing (B16) ------------------------------------------------------------------------------------ */

enum { SOCK_MAX_BYTES = 1 << 20, HOSTILE_MAX = 400, HOSTILE_BYTES = 8192 };

static const struct rn_stack_opts small_memory = { .sock_max_bytes = SOCK_MAX_BYTES };

/* A connection whose peer has closed its window and whose application has written. */
static struct rn_sock *sockstress(struct tcp_fixture *f)
{
    static const uint8_t bytes[HOSTILE_BYTES];
    struct rn_sock *sock;

    next_peer(f);
    sock = fix_accepted(f, "<mss 1460>");
    fix_peer(f, ". 1:1(0) ack 1 win 0");
    (void)!rn_tcp_write(sock, bytes, sizeof(bytes), 0);
    fix_turn(f);
    rn_pktq_free_all(&f->out);
    return sock;
}

static unsigned fill_memory(struct tcp_fixture *f, struct rn_sock **socks)
{
    unsigned n = 0;

    while (rn_stack_pressure(f->stack) != RN_PRESSURE_FULL) {
        assert_true(n < HOSTILE_MAX);
        socks[n++] = sockstress(f);
    }
    return n;
}

static void pass_unheard(struct tcp_fixture *f, unsigned s)
{
    for (unsigned i = 0; i < s; i++) {
        fix_pass(f, 1000);
        rn_pktq_free_all(&f->out);
    }
}

static void test_B16_zero_windows_give_their_memory_back_and_others_go_on(void **state)
{
    static struct rn_sock *hostile[HOSTILE_MAX];
    struct tcp_fixture f;
    struct rn_sock *honest;
    struct rn_sock *fresh;
    unsigned n;

    (void)state;
    tcp_fixture_init_with(&f, &small_memory);
    honest = fix_accepted(&f, "<mss 1460>");
    fix_peer(&f, ". 1:1001(1000) ack 1"); /* not read yet: it makes progress, only slowly */
    rn_pktq_free_all(&f.out);
    n = fill_memory(&f, hostile);
    assert_int_equal(rn_tcp_write(hostile[0], "x", 1, 0), RN_E_WOULD_BLOCK);

    pass_unheard(&f, 30);

    assert_int_equal(rn_stack_pressure(f.stack), RN_PRESSURE_NONE);
    assert_true(f.stack->stats.tcp_aborts_on_memory > 0);
    assert_true(f.stack->stats.tcp_aborts_on_memory < n); /* no more than was needed */
    fix_reads(honest, 0, 1000);
    next_peer(&f);
    fresh = fix_accepted(&f, "<mss 1460>");
    fix_peer(&f, "P. 1:1461(1460) ack 1");
    fix_reads(fresh, 0, 1460);
    rn_pktq_free_all(&f.out);
    fix_writes(&f, fresh, 1460);
    assert_int_equal(fix_next(&f).len, 1460);

    for (unsigned i = 0; i < n; i++)
        rn_sock_abort(hostile[i]);
    rn_sock_abort(fresh);
    finish(&f, honest);
}

/* Nobody would ever see that they wait: each answer of the peer would keep them for ever. */
static void test_B16_an_orphan_does_not_wait_for_a_window_for_ever(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = sockstress(&f);
    rn_sock_close(sock);

    for (unsigned i = 0; i < 300; i++) {
        fix_pass(&f, 1000);
        if (!rn_pktq_is_empty(&f.out))
            fix_peer(&f, ". 1:1(0) ack 1 win 0");
        rn_pktq_free_all(&f.out);
    }

    assert_int_equal(f.stack->sock_bytes, 0);
    assert_int_equal(f.stack->stats.tcp_aborts_on_timeout, 1);
    tcp_fixture_fini(&f);
}

/* Those who still have somebody waiting see probes for as long as the peer answers, a minute apart at most. */
static void test_B16_probes_of_a_closed_window_come_at_least_every_minute(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    unsigned n = 0;

    (void)state;
    tcp_fixture_init(&f);
    sock = sockstress(&f);
    pass_unheard(&f, 300);

    for (unsigned i = 0; i < 600; i++) {
        fix_pass(&f, 1000);
        n += !rn_pktq_is_empty(&f.out);
        if (!rn_pktq_is_empty(&f.out))
            fix_peer(&f, ". 1:1(0) ack 1 win 0");
        rn_pktq_free_all(&f.out);
    }

    assert_in_range(n, 9, 11);
    finish(&f, sock);
}

/* Holes on purpose: data that cannot be read is the first to go, and its sender has it still. */
static void test_B16_holes_give_their_memory_back_and_nobody_is_reset(void **state)
{
    enum { N = 64 };
    static uint8_t bytes[65536];
    struct rn_sock *socks[N];
    struct tcp_fixture f;

    (void)state;
    tcp_fixture_init_with(&f, &small_memory);
    for (unsigned i = 0; i < N; i++) {
        next_peer(&f);
        socks[i] = fix_accepted(&f, "<mss 1460,sackOK>");
        for (uint32_t at = 1461; at < 60000; at += 1460) {
            struct seg_text s = seg_parse(". 1:1461(1460) ack 1");

            s.seq = at;
            fix_peer_seg(&f, &s);
        }
        rn_pktq_free_all(&f.out);
        assert_true(f.stack->sock_bytes <= SOCK_MAX_BYTES + (64u << 10));
    }

    assert_true(f.stack->stats.tcp_ooo_dropped > 0);
    assert_int_equal(f.stack->stats.tcp_aborts_on_memory, 0);
    fix_peer(&f, ". 1:1461(1460) ack 1");
    assert_true(rn_tcp_read(socks[N - 1], bytes, sizeof(bytes)) >= 1460);
    for (unsigned i = 1; i < N; i++)
        rn_sock_abort(socks[i]);
    finish(&f, socks[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_B03_sack_blocks_cut_no_finer_than_segments),
        cmocka_unit_test(test_B03_holes_in_what_we_sent_are_bounded_and_charged),
        cmocka_unit_test(test_B03_counters_of_segments_hold_a_whole_window_of_the_smallest),
        cmocka_unit_test(test_B04_blocks_that_lie_are_ignored_and_their_ack_is_not),
        cmocka_unit_test(test_B04_a_lying_dsack_undoes_nothing),
        cmocka_unit_test(test_B05_acks_and_samples_grow_nothing),
        cmocka_unit_test(test_B16_zero_windows_give_their_memory_back_and_others_go_on),
        cmocka_unit_test(test_B16_an_orphan_does_not_wait_for_a_window_for_ever),
        cmocka_unit_test(test_B16_probes_of_a_closed_window_come_at_least_every_minute),
        cmocka_unit_test(test_B16_holes_give_their_memory_back_and_nobody_is_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
