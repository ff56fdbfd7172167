/* Accurate ECN (RFC 9768) end to end: what a queue marks, one end counts and the other is told, mark for mark. */
#include "stream.h"

#include <runnel/wrap.h>

#include <cmocka.h>

static struct rn_device *queue;

/* A queue on the client's side that marks when it stands longer than 1 ms. What is longer than @burst_bytes is cut before. */
static struct rn_device *put(struct rn_device *below, uint32_t burst_bytes)
{
    struct rn_qdisc_opts opts = { .kind = RN_QDISC_FQ_CODEL,
                                  .rate_bytes_per_s = 2500000,
                                  .burst_bytes = burst_bytes,
                                  .target_ns = RN_NS_PER_MS,
                                  .interval_ns = 10 * RN_NS_PER_MS };

    assert_int_equal(rn_qdisc_new(&queue, below, &opts), 0);
    return queue;
}

static struct rn_device *put_queue(struct rn_device *below)
{
    return put(below, 2000);
}

static struct rn_device *put_queue_of_bursts(struct rn_device *below)
{
    return put(below, 6000);
}

static struct rn_tcp_info info_of(const struct sim_end *end)
{
    struct rn_tcp_info info;

    assert_int_equal(rn_tcp_get_info(end->sock, &info), 0);
    return info;
}

/* Sends, and says what each end knows. @ret_marked: what the queue knows. */
static void exchange(const struct sim_opts *opts, struct rn_tcp_info *ret_client,
                     struct rn_tcp_info *ret_server, uint64_t *ret_marked)
{
    struct rn_qdisc_stats stats;
    struct sim sim;

    sim_init(&sim, opts);
    sim_run(&sim, opts);
    sim_assert_whole(&sim);
    rn_test_turn_settle(&sim.t, RN_NS_PER_S); /* the last ACKs are still on their way */
    rn_qdisc_get_stats(queue, &stats);
    print_message("%-6s %.2f s, %u marks\n", opts->cc, (double)sim.done_ns / 1e9,
                  (unsigned)stats.n_marked);
    *ret_client = info_of(&sim.client);
    *ret_server = info_of(&sim.server);
    *ret_marked = stats.n_marked;
    sim_fini(&sim);
}

static struct sim_opts slow_path(const char *cc, uint64_t back_bytes)
{
    struct sim_opts opts = { .mtu = 1500,
                             .has_offload = true,
                             .forth_bytes = 8 << 20,
                             .back_bytes = back_bytes,
                             .cc = cc,
                             .ecn = RN_TCP_ECN_ACCURATE_ASK,
                             .wrap = put_queue };
    const char *word;
    size_t len;

    assert_int_equal(rn_impair_parse("delay=10ms,seed=1", &opts.impair, &word, &len), 0);
    return opts;
}

static void test_every_mark_of_a_queue_is_counted_at_both_ends(void **state)
{
    static const char *const names[] = { "cubic", "reno", "bbr" };

    (void)state;
    for (size_t i = 0; i < 2 * RN_ARRAY_LEN(names); i++) {
        struct sim_opts opts = slow_path(names[i / 2], i % 2 == 0 ? 0 : 1 << 20);
        struct rn_tcp_info client;
        struct rn_tcp_info server;
        uint64_t n_marked;

        exchange(&opts, &client, &server, &n_marked);

        assert_true(client.has_accurate_ecn && server.has_accurate_ecn);
        assert_true(client.sends_ect && server.sends_ect);
        assert_in_range(n_marked, 5, 3000);
        assert_int_equal(server.received_ce_pkts, n_marked);
        assert_int_equal(client.delivered_ce_pkts, n_marked);
        assert_int_equal(client.delivered_ce_bytes, server.received_ce_bytes);
        assert_int_equal(client.delivered_ect0_bytes, server.received_ect0_bytes);
        assert_int_equal(server.received_ce_bytes + server.received_ect0_bytes, 8 << 20);
        assert_int_equal(client.total_retrans_pkts, 0);
        assert_int_equal(server.delivered_ce_pkts, 0);
        assert_int_equal(client.received_ect0_bytes, opts.back_bytes);
    }
}

/* RFC 3168's answer, once per round trip: about as many marks as its echo has, and the path in use. */
static void test_marks_are_answered_as_the_echo_is(void **state)
{
    struct sim_opts opts = slow_path("cubic", 0);
    struct rn_tcp_info client;
    struct rn_tcp_info server;
    uint64_t n_accurate;
    uint64_t n_classic;

    (void)state;
    exchange(&opts, &client, &server, &n_accurate);
    opts.ecn = RN_TCP_ECN_ASK;
    exchange(&opts, &client, &server, &n_classic);

    assert_false(client.has_accurate_ecn);
    assert_true(client.has_ecn);
    assert_in_range(n_accurate, n_classic / 2, n_classic * 2);
}

/* A super-packet is marked as one; each of its segments says so. */
static void test_a_marked_burst_is_cut_whole(void **state)
{
    struct sim_opts opts = slow_path("cubic", 0);
    struct rn_tcp_info client;
    struct rn_tcp_info server;
    uint64_t n_marked;

    (void)state;
    opts.wrap = put_queue_of_bursts;
    exchange(&opts, &client, &server, &n_marked);

    assert_in_range(n_marked, 5, 3000);
    assert_in_range(server.received_ce_pkts, n_marked, 4 * n_marked);
    assert_int_equal(client.delivered_ce_pkts, server.received_ce_pkts);
    assert_int_equal(client.delivered_ce_bytes, server.received_ce_bytes);
    assert_int_equal(client.total_retrans_pkts, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_mark_of_a_queue_is_counted_at_both_ends),
        cmocka_unit_test(test_a_marked_burst_is_cut_whole),
        cmocka_unit_test(test_marks_are_answered_as_the_echo_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
