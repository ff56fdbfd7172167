/*
 * What congestion controllers are for, on paths of known rate and delay: that the path is used, that its queue stays
 * short, that two share it, and that losses which mean nothing cost nothing.
 */
#include "stream.h"

#include "tcp/bbr.h"

#include <cmocka.h>

enum { FLOWS = 2 };

/* Two streams over one path, the second begins later. Nothing is read but the count. */
struct share {
    struct sim sim;
    struct rn_sock *listener;
    struct sim_end client;
    struct sim_end server;
};

static void path(struct sim_opts *opts, const char *impair, const char *cc)
{
    const char *word;
    size_t len;

    *opts = (struct sim_opts){ .mtu = 1500, .forth_bytes = UINT64_MAX, .cc = cc };
    assert_int_equal(rn_impair_parse(impair, &opts->impair, &word, &len), 0);
    if (opts->impair.seed == 0)
        opts->impair.seed = 1;
}

static const struct rn_tcp *sender_of(const struct sim_end *end)
{
    return rn_container_of(end->sock, const struct rn_tcp, sock);
}

static const struct rn_bbr *model_of(const struct sim_end *end)
{
    return sender_of(end)->cc.state;
}

static void run_until(struct sim *sim, struct sim_opts *opts, int64_t ms)
{
    opts->limit_ns = ms * RN_NS_PER_MS;
    sim_run(sim, opts);
    rn_test_turn_at(&sim->t, opts->limit_ns);
}

static void stop(struct sim *sim)
{
    sim->client.sock = rn_sock_abort(sim->client.sock);
    sim_fini(sim);
}

static double goodput(const char *impair, const char *cc, int64_t seconds)
{
    struct sim_opts opts;
    struct sim sim;
    double mbits;

    path(&opts, impair, cc);
    sim_init(&sim, &opts);
    run_until(&sim, &opts, seconds * 1000);
    assert_false(sim.server.is_broken);
    mbits = (double)sim.server.read * 8e-6 / (double)seconds;
    print_message("%-40s %-6s %8.2f Mbit/s\n", impair, cc, mbits);
    stop(&sim);
    return mbits;
}

/* --- the path is used ------------------------------------------------------------------------------------------------- */

static void test_every_controller_fills_a_clean_path(void **state)
{
    static const char *const names[] = { "cubic", "reno", "bbr", "cubic-bbr" };

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(names); i++) {
        /* Of 20 Mbit/s headers take 3.5 %; BBR's PROBE_RTT and margin two more. */
        assert_true(goodput("delay=25ms,rate=20mbit,queue=100", names[i], 20) > 18);
        assert_true(goodput("delay=1ms,rate=200mbit,queue=100", names[i], 5) > 170);
    }
}

/* 1 % leaves a window of a dozen segments to the others. */
static void test_random_loss_does_not_stop_a_model(void **state)
{
    static const struct {
        const char *impair;
        int64_t seconds;
        double least_mbits;
        double times_others;
    } rows[] = {
        { "delay=25ms,rate=20mbit,loss=1%", 20, 13, 3 },
        { "delay=100us,rate=3gbit,loss=1%", 2, 2000, 2 }, /* as within one machine */
    };

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(rows); i++) {
        double bbr = goodput(rows[i].impair, "bbr", rows[i].seconds);

        assert_true(bbr > rows[i].least_mbits);
        assert_true(goodput(rows[i].impair, "cubic-bbr", rows[i].seconds) > rows[i].least_mbits);
        assert_true(bbr > rows[i].times_others * goodput(rows[i].impair, "cubic", rows[i].seconds));
        assert_true(bbr > rows[i].times_others * goodput(rows[i].impair, "reno", rows[i].seconds));
    }
}

/* 104 packets are on their way in 25 ms, the queue holds a tenth of what is in flight. */
static void test_bbr_lives_with_a_shallow_queue(void **state)
{
    (void)state;
    assert_true(goodput("delay=25ms,rate=50mbit,queue=125", "bbr", 20) > 35);
}

/* --- the queue stays short -------------------------------------------------------------------------------------------- */

/* Mean and worst of the smoothed round trip of 50 ms, once it runs. */
static void measure_srtt(const char *cc, int64_t *ret_mean_us, int64_t *ret_worst_us)
{
    struct sim_opts opts;
    struct sim sim;
    int64_t worst = 0;
    int64_t sum = 0;

    path(&opts, "delay=25ms,rate=20mbit,queue=2000", cc);
    sim_init(&sim, &opts);
    for (int64_t ms = 3000; ms < 13000; ms += 10) {
        run_until(&sim, &opts, ms);
        worst = rn_max_i64(worst, sender_of(&sim.client)->rtt.srtt_us);
        sum += sender_of(&sim.client)->rtt.srtt_us;
    }
    *ret_mean_us = sum / 1000;
    *ret_worst_us = worst;
    print_message("a deep queue, 50 ms: the round trip of %s is %.1f ms, at worst %.1f ms\n", cc,
                  (double)*ret_mean_us * 1e-3, (double)worst * 1e-3);
    stop(&sim);
}

/* Probing for bandwidth fills a queue of up to one and a quarter of what the path holds, for a few round trips. */
static void test_bbr_keeps_a_deep_queue_short(void **state)
{
    int64_t mean_us;
    int64_t worst_us;

    (void)state;
    measure_srtt("bbr", &mean_us, &worst_us);
    assert_true(mean_us < 65000);
    assert_true(worst_us < 50000 * 9 / 4);
    measure_srtt("reno", &mean_us, &worst_us);
    assert_true(mean_us > 100000);
}

/* --- the model -------------------------------------------------------------------------------------------------------- */

static void test_bbr_finds_rate_and_delay_of_the_path(void **state)
{
    struct sim_opts opts;
    struct sim sim;
    const struct rn_bbr *bbr;

    (void)state;
    path(&opts, "delay=25ms,rate=20mbit,queue=1000", "bbr");
    sim_init(&sim, &opts);

    run_until(&sim, &opts, 2000);

    bbr = model_of(&sim.client);
    assert_true(bbr->is_full_bw_reached);
    assert_true(rn_bbr_is_probe_bw(bbr));
    assert_in_range(rn_bbr_max_bw(bbr) * 8, 18500000, 20500000);
    assert_in_range(bbr->min_rtt_us, 50000, 56000);
    stop(&sim);
}

/* Of a path that loses nothing no model is made; the first loss makes one, and it stays. */
static void test_cubic_hands_over_to_bbr_at_the_first_loss(void **state)
{
    struct sim_opts opts;
    struct sim sim;

    (void)state;
    path(&opts, "delay=100us,rate=3gbit", "cubic-bbr");
    sim_init(&sim, &opts);
    run_until(&sim, &opts, 200);
    assert_int_equal(sender_of(&sim.client)->count.retrans, 0);
    assert_string_equal(rn_tcp_congestion(sim.client.sock), "cubic-bbr");
    stop(&sim);

    path(&opts, "delay=100us,rate=3gbit,loss=1%", "cubic-bbr");
    sim_init(&sim, &opts);
    run_until(&sim, &opts, 200);
    assert_int_not_equal(sender_of(&sim.client)->count.retrans, 0);
    assert_string_equal(rn_tcp_congestion(sim.client.sock), "bbr");
    stop(&sim);
}

/* Steady traffic never shows how long the path is: every 5 s it is emptied for 200 ms to see. */
static void test_bbr_empties_the_path_now_and_then(void **state)
{
    struct sim_opts opts;
    struct sim sim;
    unsigned n_visits = 0;
    bool was_there = false;
    int64_t ms_there = 0;

    (void)state;
    path(&opts, "delay=25ms,rate=20mbit,queue=1000", "bbr");
    sim_init(&sim, &opts);
    for (int64_t ms = 1000; ms < 30000; ms += 5) {
        bool is_there;

        run_until(&sim, &opts, ms);
        is_there = model_of(&sim.client)->state == RN_BBR_PROBE_RTT;
        n_visits += is_there && !was_there;
        ms_there += is_there ? 5 : 0;
        was_there = is_there;
    }

    assert_in_range(n_visits, 2, 7);
    assert_in_range(ms_there / n_visits, 200, 400);
    assert_in_range(model_of(&sim.client)->min_rtt_us, 50000, 54000);
    stop(&sim);
}

/* Runs for two seconds, then writes no more, until all is acknowledged. */
static void run_and_pause(struct sim *sim, struct sim_opts *opts)
{
    path(opts, "delay=25ms,rate=20mbit,queue=1000", "bbr");
    sim_init(sim, opts);
    run_until(sim, opts, 2000);
    rn_sock_on_event(sim->client.sock, NULL, NULL);
    while (sender_of(&sim->client)->snd.queued != 0)
        run_until(sim, opts, opts->limit_ns / RN_NS_PER_MS + 10);
}

/* What the path carried is remembered over a silence in which Reno forgets its window. */
static void test_bbr_goes_on_after_idle_where_it_was(void **state)
{
    struct sim_opts opts;
    struct sim sim;
    uint64_t rate;

    (void)state;
    run_and_pause(&sim, &opts);
    rate = rn_bbr_max_bw(model_of(&sim.client));

    run_until(&sim, &opts, opts.limit_ns / RN_NS_PER_MS + 60000);
    assert_null(sender_of(&sim.client)->flight);
    sim_write(&sim.client);
    run_until(&sim, &opts, opts.limit_ns / RN_NS_PER_MS + 1);

    assert_int_equal(rn_bbr_max_bw(model_of(&sim.client)), rate);
    assert_in_range(rn_tcp_pacing_rate(sender_of(&sim.client)), rate * 89 / 100, rate);
    stop(&sim);
}

/* A slow application shows how fast it is, not how fast the path is: ten seconds are two cycles of probing. */
static void test_bbr_is_not_fooled_by_a_slow_application(void **state)
{
    struct sim_opts opts;
    struct sim sim;
    uint64_t rate;

    (void)state;
    run_and_pause(&sim, &opts);
    rate = rn_bbr_max_bw(model_of(&sim.client));
    for (int i = 0; i < 300; i++) {
        assert_int_equal(rn_tcp_write(sim.client.sock, "slow", 4, 0), 4);
        run_until(&sim, &opts, opts.limit_ns / RN_NS_PER_MS + 30);
    }

    assert_true(rn_bbr_max_bw(model_of(&sim.client)) >= rate / 10 * 9);
    stop(&sim);
}

/* --- sharing ---------------------------------------------------------------------------------------------------------- */

static void on_second_accept(struct rn_sock *listener, unsigned events, void *arg)
{
    struct share *s = arg;

    (void)events;
    if (s->server.sock == NULL && rn_sock_accept(listener, &s->server.sock) == 0)
        rn_sock_on_event(s->server.sock, sim_on_event, &s->server);
}

static void join(struct share *s, const char *cc)
{
    struct rn_endpoint to = { .addr = s->sim.b.v4, .port = 81 };
    struct rn_endpoint any = { .port = 81 };

    s->client = (struct sim_end){ .to_write = UINT64_MAX, .write_bytes = 65536, .salt = 8 };
    s->server = (struct sim_end){ .to_read = UINT64_MAX, .write_bytes = 65536, .salt = 9 };
    assert_int_equal(rn_tcp_new(&s->listener, s->sim.b.stack), 0);
    assert_int_equal(rn_sock_bind(s->listener, &any), 0);
    assert_int_equal(rn_sock_listen(s->listener, 8), 0);
    rn_sock_on_event(s->listener, on_second_accept, s);
    assert_int_equal(rn_tcp_new(&s->client.sock, s->sim.a.stack), 0);
    assert_int_equal(rn_tcp_set_congestion(s->client.sock, cc), 0);
    rn_sock_on_event(s->client.sock, sim_on_event, &s->client);
    assert_int_equal(rn_sock_connect(s->client.sock, &to), RN_E_CONNECT_STARTED);
}

/* What the second flow got of all while both ran for a minute, in percent. */
static double second_share(const char *first, const char *second, const char *impair)
{
    struct share s = { 0 };
    struct sim_opts opts;
    uint64_t before[FLOWS];
    double mine;
    double all;

    path(&opts, impair, first);
    sim_init(&s.sim, &opts);
    run_until(&s.sim, &opts, 5000);
    join(&s, second);
    run_until(&s.sim, &opts, 20000);
    before[0] = s.sim.server.read;
    before[1] = s.server.read;
    run_until(&s.sim, &opts, 80000);

    mine = (double)(s.server.read - before[1]);
    all = mine + (double)(s.sim.server.read - before[0]);
    print_message("%s beside %s: %.1f %% of %.2f Mbit/s\n", second, first, 100 * mine / all,
                  all * 8e-6 / 60);
    s.client.sock = rn_sock_abort(s.client.sock);
    if (s.server.sock != NULL)
        s.server.sock = rn_sock_abort(s.server.sock);
    s.listener = rn_sock_close(s.listener);
    stop(&s.sim);
    return 100 * mine / all;
}

static void test_two_bbr_flows_share_the_path(void **state)
{
    double percent = second_share("bbr", "bbr", "delay=25ms,rate=20mbit,queue=200");

    (void)state;
    assert_true(percent > 30 && percent < 70);
}

static void test_two_cubic_flows_share_the_path(void **state)
{
    double percent = second_share("cubic", "cubic", "delay=25ms,rate=20mbit,queue=100");

    (void)state;
    assert_true(percent > 30 && percent < 70);
}

/* Neither starves the other. */
static void test_bbr_and_cubic_live_beside_each_other(void **state)
{
    double percent = second_share("cubic", "bbr", "delay=25ms,rate=20mbit,queue=100");

    (void)state;
    assert_true(percent > 10 && percent < 90);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_controller_fills_a_clean_path),
        cmocka_unit_test(test_random_loss_does_not_stop_a_model),
        cmocka_unit_test(test_bbr_lives_with_a_shallow_queue),
        cmocka_unit_test(test_bbr_keeps_a_deep_queue_short),
        cmocka_unit_test(test_bbr_finds_rate_and_delay_of_the_path),
        cmocka_unit_test(test_cubic_hands_over_to_bbr_at_the_first_loss),
        cmocka_unit_test(test_bbr_empties_the_path_now_and_then),
        cmocka_unit_test(test_bbr_goes_on_after_idle_where_it_was),
        cmocka_unit_test(test_bbr_is_not_fooled_by_a_slow_application),
        cmocka_unit_test(test_two_bbr_flows_share_the_path),
        cmocka_unit_test(test_two_cubic_flows_share_the_path),
        cmocka_unit_test(test_bbr_and_cubic_live_beside_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
