#include "dev/qdisc.h"

#include "dev/chan.h"
#include "packets.h"
#include <runnel/err.h>

#define PACKET_BYTES 1000u

struct bench {
    struct rn_test_turn t;
    struct rn_device *below;
    struct rn_device *queue;
};

static void bench_init(struct bench *b, const struct rn_qdisc_opts *opts, uint32_t below_pkts)
{
    *b = (struct bench){ 0 };
    rn_test_turn_init(&b->t);
    assert_int_equal(
        rn_chan_new(&b->below, &b->t.turn, &(struct rn_chan_opts){ .queue_pkts = below_pkts }), 0);
    assert_int_equal(rn_qdisc_new(&b->queue, b->below, opts), 0);
}

static void bench_fini(struct bench *b)
{
    rn_device_free(b->queue);
    rn_test_turn_fini(&b->t);
}

/* A packet of flow @port, number @number, with the given ECN bits. */
static struct rn_pkt *packet(struct bench *b, unsigned port, uint32_t number, uint8_t ecn)
{
    struct rn_pkt *pkt = rn_test_udp4(b->t.pool, number, PACKET_BYTES - 28);
    uint8_t *ip = rn_pkt_own_front(pkt, 28);

    ip[1] = ecn;
    rn_put_be16(ip + 10, 0);
    rn_put_be16(ip + 10, (uint16_t)~rn_checksum(ip, 20, 0));
    rn_put_be16(ip + 20, (uint16_t)port);
    return pkt;
}

static void send_ecn(struct bench *b, unsigned port, unsigned n, uint8_t ecn)
{
    struct rn_pktq q = { 0 };

    for (unsigned i = 0; i < n; i++)
        rn_pktq_push(&q, packet(b, port, i, ecn));
    assert_int_equal(b->queue->ops->write_batch(b->queue, &q), n);
}

static void send(struct bench *b, unsigned port, unsigned n)
{
    send_ecn(b, port, n, 0);
}

static unsigned take(struct bench *b, struct rn_pktq *q, unsigned max)
{
    return rn_chan_drain(b->below, q, max);
}

static unsigned port_of(const struct rn_pkt *pkt)
{
    uint8_t port[2];

    rn_pkt_copy_out(pkt, 20, port, 2);
    return rn_get_be16(port);
}

static void test_fifo_keeps_what_the_device_refuses_and_drops_beyond_its_limit(void **state)
{
    struct rn_qdisc_opts opts = { .limit_pkts = 10 };
    struct rn_qdisc_stats stats;
    struct bench b;
    struct rn_pktq got = { 0 };
    struct rn_pkt *pkt;
    uint32_t next = 0;
    (void)state;
    bench_init(&b, &opts, 2);

    send(&b, 1, 100); /* 2 go down, 64 of a batch wait for it, 10 in the queue */
    rn_qdisc_get_stats(b.queue, &stats);
    assert_int_equal(stats.n_over_limit, b.queue->drops.n[RN_DROP_QUEUE_FULL]);
    assert_int_equal(stats.n_sent + stats.backlog_pkts + stats.n_over_limit, 100);
    while (take(&b, &got, 2) != 0)
        continue;
    while ((pkt = rn_pktq_pop(&got)) != NULL) {
        assert_int_equal(rn_test_udp4_number(pkt), next++);
        rn_pkt_free(pkt);
    }

    assert_int_equal(next, 100 - stats.n_over_limit);
    bench_fini(&b);
}

static void test_token_bucket_spaces_packets_by_the_rate(void **state)
{
    struct rn_qdisc_opts opts = { .rate_bytes_per_s = 1000000, .burst_bytes = 2000 };
    struct bench b;
    struct rn_pktq got = { 0 };
    (void)state;
    bench_init(&b, &opts, 1000);

    send(&b, 1, 50);
    assert_int_equal(take(&b, &got, 1000), 2); /* the burst */
    rn_test_turn_run(&b.t, 20 * RN_NS_PER_MS); /* one millisecond for each */
    assert_in_range(take(&b, &got, 1000), 19, 21);
    rn_test_turn_run(&b.t, 40 * RN_NS_PER_MS);
    (void)take(&b, &got, 1000);

    assert_int_equal(got.n_pkts, 50);
    rn_pktq_free_all(&got);
    bench_fini(&b);
}

static void test_super_packet_larger_than_the_bucket_is_cut_and_passes(void **state)
{
    struct rn_qdisc_opts opts = { .rate_bytes_per_s = 1000000, .burst_bytes = 2000 };
    struct bench b;
    struct rn_pktq q = { 0 };
    (void)state;
    bench_init(&b, &opts, 1000);
    rn_pktq_push(&q, rn_test_tcp4(b.t.pool, 9000, 1000));

    assert_int_equal(b.queue->ops->write_batch(b.queue, &q), 1);
    rn_test_turn_run(&b.t, 20 * RN_NS_PER_MS);

    assert_int_equal(take(&b, &q, 1000), 9);
    rn_pktq_free_all(&q);
    bench_fini(&b);
}

static void test_bucket_smaller_than_a_packet_is_refused(void **state)
{
    struct rn_qdisc_opts opts = { .rate_bytes_per_s = 1, .burst_bytes = 100 };
    struct rn_test_turn t;
    struct rn_device *below;
    struct rn_device *queue;
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(rn_chan_new(&below, &t.turn, &(struct rn_chan_opts){ 0 }), 0);

    assert_int_equal(rn_qdisc_new(&queue, below, &opts), RN_E_BAD_OPTION);

    rn_device_free(below);
    rn_test_turn_fini(&t);
}

/* RFC 8290 §4.2: who sends little is served before who floods. */
static void test_sparse_flow_overtakes_the_flood(void **state)
{
    struct rn_qdisc_opts opts = { .kind = RN_QDISC_FQ_CODEL,
                                  .rate_bytes_per_s = 1000000,
                                  .burst_bytes = 2000 };
    struct bench b;
    struct rn_pktq got = { 0 };
    unsigned at = 0;
    (void)state;
    bench_init(&b, &opts, 1000);
    send(&b, 1, 500);
    (void)take(&b, &got, 1000);
    rn_pktq_free_all(&got);

    send(&b, 2, 1);
    rn_test_turn_run(&b.t, 5 * RN_NS_PER_MS);
    (void)take(&b, &got, 1000);

    for (const struct rn_pkt *pkt = got.first; pkt != NULL && port_of(pkt) != 2; pkt = pkt->next)
        at++;
    assert_in_range(at, 0, 3);
    assert_true(got.n_pkts > at);
    rn_pktq_free_all(&got);
    bench_fini(&b);
}

static void test_two_floods_share_evenly(void **state)
{
    struct rn_qdisc_opts opts = { .kind = RN_QDISC_FQ_CODEL,
                                  .rate_bytes_per_s = 1000000,
                                  .burst_bytes = 2000,
                                  .target_ns = RN_NS_PER_S };
    struct bench b;
    struct rn_pktq got = { 0 };
    unsigned n_first = 0;
    struct rn_pkt *pkt;
    (void)state;
    bench_init(&b, &opts, 1000);

    send(&b, 1, 600);
    send(&b, 2, 200);
    rn_test_turn_run(&b.t, 200 * RN_NS_PER_MS);
    (void)take(&b, &got, 1000);
    while ((pkt = rn_pktq_pop(&got)) != NULL) {
        n_first += port_of(pkt) == 1;
        rn_pkt_free(pkt);
    }

    assert_in_range(n_first, 95, 110); /* of about 202 */
    bench_fini(&b);
}

/* RFC 8289: a queue that stays above the target for an interval is cut until its packets wait no longer. */
static unsigned flood_for_a_second(struct bench *b, uint8_t ecn)
{
    struct rn_pktq got = { 0 };

    for (unsigned ms = 0; ms < 2000; ms++) { /* twice the rate */
        send_ecn(b, 1, 2, ecn);
        rn_test_turn_run(&b->t, RN_NS_PER_MS);
        (void)take(b, &got, 1000);
    }
    ecn = 0;
    for (const struct rn_pkt *pkt = got.first; pkt != NULL; pkt = pkt->next) {
        struct rn_view front = rn_pkt_front(pkt);

        assert_true(rn_ipv4_checksum_ok(front, 20));
        ecn |= (front.ptr[1] & RN_IP_ECN_MASK) == RN_ECN_CE;
    }
    rn_pktq_free_all(&got);
    return ecn;
}

static void test_standing_queue_is_dropped_from_or_marked(void **state)
{
    struct rn_qdisc_opts opts = { .kind = RN_QDISC_FQ_CODEL,
                                  .rate_bytes_per_s = 1000000,
                                  .burst_bytes = 2000 };
    struct rn_qdisc_stats stats;
    struct bench b;
    (void)state;

    bench_init(&b, &opts, 1000);
    assert_int_equal(flood_for_a_second(&b, RN_ECN_NONE), 0);
    rn_qdisc_get_stats(b.queue, &stats);
    assert_true(stats.n_codel > 20);
    assert_int_equal(stats.n_marked, 0);
    bench_fini(&b);

    bench_init(&b, &opts, 1000);
    assert_int_equal(flood_for_a_second(&b, RN_ECN_ECT0), 1);
    rn_qdisc_get_stats(b.queue, &stats);
    assert_true(stats.n_marked > 20);
    assert_int_equal(stats.n_codel, 0);
    bench_fini(&b);
}

static void test_short_queue_is_left_alone(void **state)
{
    struct rn_qdisc_opts opts = { .kind = RN_QDISC_FQ_CODEL,
                                  .rate_bytes_per_s = 1000000,
                                  .burst_bytes = 2000 };
    struct rn_qdisc_stats stats;
    struct bench b;
    struct rn_pktq got = { 0 };
    (void)state;
    bench_init(&b, &opts, 1000);

    for (unsigned ms = 0; ms < 1000; ms++) {
        send(&b, 1, 1);
        rn_test_turn_run(&b.t, RN_NS_PER_MS);
    }
    (void)take(&b, &got, 1000);

    rn_qdisc_get_stats(b.queue, &stats);
    assert_int_equal(stats.n_codel, 0);
    assert_true(got.n_pkts >= 998);
    rn_pktq_free_all(&got);
    bench_fini(&b);
}

static void test_over_the_limit_the_fattest_flow_pays(void **state)
{
    struct rn_qdisc_opts opts = {
        .kind = RN_QDISC_FQ_CODEL, .limit_pkts = 100, .rate_bytes_per_s = 1, .burst_bytes = 2000
    };
    struct rn_qdisc_stats stats;
    struct bench b;
    (void)state;
    bench_init(&b, &opts, 1000);

    send(&b, 2, 10);
    send(&b, 1, 5000);

    rn_qdisc_get_stats(b.queue, &stats);
    assert_true(stats.n_over_limit >= 4900);
    assert_true(stats.backlog_pkts <= 101);
    bench_fini(&b);
}

/* Of an MTU that was raised, a packet larger than the bucket would be dropped for ever. */
static void test_bucket_grows_with_the_mtu(void **state)
{
    struct rn_qdisc_opts opts = { .rate_bytes_per_s = 1000000, .burst_bytes = 2000 };
    struct rn_pktq q = { 0 };
    struct bench b;
    (void)state;
    bench_init(&b, &opts, 0);

    b.below->mtu = 9000;
    rn_device_notify(b.below, RN_DEV_MTU_CHANGED);
    rn_pktq_push(&q, rn_test_udp4(b.t.pool, 1, 2020));
    assert_true(rn_pkt_append_copy(q.first, (uint8_t[3000]){ 0 }, 3000));
    assert_int_equal(b.queue->ops->write_batch(b.queue, &q), 1);
    rn_test_turn_at(&b.t, RN_NS_PER_S);

    assert_int_equal(take(&b, &q, 9), 1);
    rn_pktq_free_all(&q);
    bench_fini(&b);
}

static void test_times_that_no_clock_reaches_are_refused(void **state)
{
    struct rn_qdisc_opts opts = { .kind = RN_QDISC_FQ_CODEL, .interval_ns = INT64_MAX };
    struct rn_device *queue;
    struct bench b;
    (void)state;
    bench_init(&b, &(struct rn_qdisc_opts){ 0 }, 0);

    assert_int_equal(rn_qdisc_new(&queue, b.below, &opts), RN_E_BAD_OPTION);

    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fifo_keeps_what_the_device_refuses_and_drops_beyond_its_limit),
        cmocka_unit_test(test_token_bucket_spaces_packets_by_the_rate),
        cmocka_unit_test(test_super_packet_larger_than_the_bucket_is_cut_and_passes),
        cmocka_unit_test(test_bucket_smaller_than_a_packet_is_refused),
        cmocka_unit_test(test_sparse_flow_overtakes_the_flood),
        cmocka_unit_test(test_two_floods_share_evenly),
        cmocka_unit_test(test_standing_queue_is_dropped_from_or_marked),
        cmocka_unit_test(test_short_queue_is_left_alone),
        cmocka_unit_test(test_over_the_limit_the_fattest_flow_pays),
        cmocka_unit_test(test_bucket_grows_with_the_mtu),
        cmocka_unit_test(test_times_that_no_clock_reaches_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
