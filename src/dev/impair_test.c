#include "dev/impair.h"

#include "dev/pipe.h"
#include "packets.h"
#include <runnel/err.h>

#define N            2000u
#define PACKET_BYTES 1000u

/* One way through an impaired end of a pipe; what arrives is noted as numbers and times. */
struct link {
    struct rn_test_turn t;
    struct rn_device *far;
    struct rn_device *near; /* the impairment */
    uint32_t got[2 * N];
    int64_t at_ns[2 * N];
    unsigned n_got;
};

static void link_init(struct link *l, const char *text)
{
    struct rn_pipe_opts pipe = { .queue_pkts = 4 * N };
    struct rn_impair_opts opts;
    struct rn_device *ends[2];
    const char *word;
    size_t len;

    memset(l, 0, sizeof(*l));
    rn_test_turn_init(&l->t);
    assert_int_equal(rn_impair_parse(text, &opts, &word, &len), RN_OK);
    assert_int_equal(rn_pipe_new(ends, &l->t.turn, &pipe), RN_OK);
    assert_int_equal(rn_impair_new(&l->near, ends[0], &opts), RN_OK);
    l->far = ends[1];
}

static void link_fini(struct link *l)
{
    rn_device_free(l->near);
    rn_device_free(l->far);
    rn_test_turn_fini(&l->t);
}

static void drain(struct link *l)
{
    struct rn_pktq in = { 0 };
    struct rn_pkt *pkt;

    while (l->far->ops->read_batch(l->far, &in, 64) > 0)
        continue;
    while ((pkt = rn_pktq_pop(&in)) != NULL) {
        assert_true(l->n_got < 2 * N);
        l->at_ns[l->n_got] = l->t.turn.now_ns;
        l->got[l->n_got++] = rn_test_udp4_number(pkt);
        rn_pkt_free(pkt);
    }
}

static void send_all(struct link *l, unsigned n)
{
    struct rn_pktq out = { 0 };
    int64_t next;

    rn_turn_begin(&l->t.turn, l->t.turn.now_ns);
    for (unsigned i = 0; i < n; i++)
        rn_pktq_push(&out, rn_test_udp4(l->t.pool, i, PACKET_BYTES - 28));
    assert_int_equal(l->near->ops->write_batch(l->near, &out), n);
    rn_turn_end(&l->t.turn);
    drain(l);
    while ((next = rn_turn_deadline_ns(&l->t.turn)) != INT64_MAX) {
        rn_test_turn_at(&l->t, next);
        drain(l);
    }
}

static void test_loss_is_near_its_rate_and_repeats_with_its_seed(void **state)
{
    struct link a;
    struct link b;
    (void)state;
    link_init(&a, "loss=10%,seed=5");
    link_init(&b, "loss=10%,seed=5");

    send_all(&a, N);
    send_all(&b, N);

    assert_in_range(a.n_got, N * 87 / 100, N * 93 / 100);
    assert_int_equal(a.n_got, b.n_got);
    assert_memory_equal(a.got, b.got, sizeof(a.got));
    link_fini(&a);
    link_fini(&b);
}

static void test_delay_holds_packets_in_order(void **state)
{
    struct link l;
    (void)state;
    link_init(&l, "delay=20ms,jitter=5ms");

    send_all(&l, 100);

    assert_int_equal(l.n_got, 100);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(l.got[i], i);
        assert_true(l.at_ns[i] >= 15 * RN_NS_PER_MS && l.at_ns[i] <= 26 * RN_NS_PER_MS);
    }
    link_fini(&l);
}

static void test_rate_spaces_packets_by_their_bits(void **state)
{
    struct link l;
    (void)state;
    link_init(&l, "rate=8mbit"); /* 1000 bytes take 1 ms */

    send_all(&l, 50);

    assert_int_equal(l.n_got, 50);
    assert_in_range(l.at_ns[49], 50 * RN_NS_PER_MS, 50 * RN_NS_PER_MS + RN_NS_PER_MS);
    link_fini(&l);
}

static void test_reordered_packets_overtake_the_delayed(void **state)
{
    struct link l;
    unsigned inversions = 0;
    (void)state;
    link_init(&l, "delay=10ms,reorder=5%,seed=3");

    send_all(&l, N);

    assert_int_equal(l.n_got, N);
    for (unsigned i = 1; i < l.n_got; i++)
        inversions += l.got[i] < l.got[i - 1];
    assert_true(inversions > 0);
    link_fini(&l);
}

static void test_duplicates_arrive_twice(void **state)
{
    struct link l;
    struct rn_impair_stats in;
    struct rn_impair_stats out;
    (void)state;
    link_init(&l, "dup=10%,seed=1");

    send_all(&l, N);
    rn_impair_get_stats(l.near, &in, &out);

    assert_int_equal(l.n_got, N + out.duplicated);
    assert_in_range(out.duplicated, N / 20, N / 5);
    assert_int_equal(in.passed, 0);
    link_fini(&l);
}

static void test_queue_limit_drops_and_counts(void **state)
{
    struct link l;
    struct rn_impair_stats in;
    struct rn_impair_stats out;
    (void)state;
    link_init(&l, "rate=1mbit,queue=10");

    send_all(&l, 50);
    rn_impair_get_stats(l.near, &in, &out);

    assert_int_equal(l.n_got, 10);
    assert_int_equal(out.queue_full, 40);
    link_fini(&l);
}

static void test_loss_is_per_wire_packet_of_a_super_packet(void **state)
{
    struct link l;
    struct rn_pktq out = { 0 };
    struct rn_impair_stats in;
    struct rn_impair_stats stats;
    (void)state;
    link_init(&l, "out:loss=50%,seed=2");

    rn_turn_begin(&l.t.turn, 0);
    rn_pktq_push(&out, rn_test_tcp4(l.t.pool, 40000, 100));
    (void)l.near->ops->write_batch(l.near, &out);
    rn_turn_end(&l.t.turn);
    rn_impair_get_stats(l.near, &in, &stats);

    assert_int_equal(stats.passed + stats.lost, 400);
    assert_in_range(stats.lost, 150, 250);
    link_fini(&l);
}

static void test_bad_words_are_named(void **state)
{
    static const char *const bad[] = { "",           "loss",       "loss=1",    "loss=101%",
                                       "delay=5",    "rate=fast",  "in:seed=1", "loss=1%,",
                                       "colour=red", "delay=-1ms", "queue=0" };
    struct rn_impair_opts opts;
    const char *word;
    size_t len;
    (void)state;

    for (size_t i = 0; i < RN_ARRAY_LEN(bad); i++)
        assert_int_equal(rn_impair_parse(bad[i], &opts, &word, &len), RN_E_PARSE);

    assert_int_equal(rn_impair_parse("loss=1%,colour=red", &opts, &word, &len), RN_E_PARSE);
    assert_int_equal(len, strlen("colour=red"));
    assert_memory_equal(word, "colour=red", len);
}

static void test_text_becomes_numbers(void **state)
{
    struct rn_impair_opts o;
    const char *word;
    size_t len;
    (void)state;

    assert_int_equal(
        rn_impair_parse("loss=0.5%,in:delay=1.5ms,out:rate=10mbit,seed=9", &o, &word, &len), RN_OK);

    assert_int_equal(o.in.loss_ppm, 5000);
    assert_int_equal(o.out.loss_ppm, 5000);
    assert_int_equal(o.in.delay_ns, 1500000);
    assert_int_equal(o.out.delay_ns, 0);
    assert_int_equal(o.out.rate_bps, 10000000);
    assert_int_equal(o.in.rate_bps, 0);
    assert_int_equal(o.seed, 9);
}

static void test_corruption_flips_one_bit_and_spares_the_senders_copy(void **state)
{
    struct rn_impair_stats in;
    struct rn_impair_stats out;
    struct rn_pktq q = { 0 };
    uint8_t sent[PACKET_BYTES];
    uint8_t got[PACKET_BYTES];
    struct rn_pkt *kept;
    unsigned n_bits = 0;
    struct link l;
    (void)state;
    link_init(&l, "corrupt=100%,seed=3");
    rn_pktq_push(&q, rn_test_udp4(l.t.pool, 1, PACKET_BYTES - 28));
    kept = rn_pkt_clone(q.first);

    assert_int_equal(l.near->ops->write_batch(l.near, &q), 1);
    assert_int_equal(l.far->ops->read_batch(l.far, &q, 1), 1);

    assert_int_equal(q.first->len, PACKET_BYTES);
    rn_pkt_copy_out(kept, 0, sent, sizeof(sent));
    rn_pkt_copy_out(q.first, 0, got, sizeof(got));
    for (size_t i = 0; i < PACKET_BYTES; i++)
        n_bits += (unsigned)__builtin_popcount(sent[i] ^ got[i]);
    assert_int_equal(n_bits, 1);
    assert_int_equal(rn_checksum(sent, 20, 0), 0xffff);
    rn_impair_get_stats(l.near, &in, &out);
    assert_int_equal(out.corrupted, 1);
    rn_pkt_free(kept);
    rn_pktq_free_all(&q);
    link_fini(&l);
}

static void test_packets_it_loses_are_on_its_own_account(void **state)
{
    struct rn_device_info info;
    struct link l;
    (void)state;
    link_init(&l, "delay=1s,queue=10");

    send_all(&l, 25);

    rn_device_get_info(l.near, &info);
    assert_int_equal(l.n_got, 10);
    assert_int_equal(info.dropped, 15);
    link_fini(&l);
}

static void test_what_is_under_way_arrives_after_the_sender_closed(void **state)
{
    struct rn_pktq q = { 0 };
    struct link l;
    (void)state;
    link_init(&l, "in:delay=1s");
    rn_pktq_push(&q, rn_test_udp4(l.t.pool, 1, 20));
    assert_int_equal(l.far->ops->write_batch(l.far, &q), 1);
    assert_int_equal(l.near->ops->read_batch(l.near, &q, 1), 0);

    rn_device_close(l.far);
    assert_int_equal(l.near->ops->read_batch(l.near, &q, 1), RN_E_WOULD_BLOCK);
    rn_test_turn_at(&l.t, 2 * RN_NS_PER_S);

    assert_int_equal(l.near->ops->read_batch(l.near, &q, 1), 1);
    rn_pktq_free_all(&q);
    assert_int_equal(l.near->ops->read_batch(l.near, &q, 1), RN_E_CANCELLED);
    link_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss_is_near_its_rate_and_repeats_with_its_seed),
        cmocka_unit_test(test_delay_holds_packets_in_order),
        cmocka_unit_test(test_rate_spaces_packets_by_their_bits),
        cmocka_unit_test(test_reordered_packets_overtake_the_delayed),
        cmocka_unit_test(test_duplicates_arrive_twice),
        cmocka_unit_test(test_queue_limit_drops_and_counts),
        cmocka_unit_test(test_loss_is_per_wire_packet_of_a_super_packet),
        cmocka_unit_test(test_bad_words_are_named),
        cmocka_unit_test(test_text_becomes_numbers),
        cmocka_unit_test(test_corruption_flips_one_bit_and_spares_the_senders_copy),
        cmocka_unit_test(test_packets_it_loses_are_on_its_own_account),
        cmocka_unit_test(test_what_is_under_way_arrives_after_the_sender_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
