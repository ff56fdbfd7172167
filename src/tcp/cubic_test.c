/*
 * CUBIC's integer arithmetic against the formulas of RFC 9438 in floating point; and how the controller's window goes, with
 * one ACK a round trip of 100 ms, told by hand.
 */
#include "tcp/cubic.h"

#include "tcp/cc.h"
#include "tcp_fixture.h"

static void test_cube_root_is_the_floor(void **state)
{
    (void)state;
    for (uint64_t v = 0; v < 100000; v++) {
        uint64_t root = rn_cubic_root(v);

        assert_true(root * root * root <= v);
        assert_true((root + 1) * (root + 1) * (root + 1) > v);
    }
    assert_int_equal(rn_cubic_root(UINT64_MAX), 2642245);
    assert_int_equal(rn_cubic_root(2642245ull * 2642245 * 2642245 - 1), 2642244);
}

/* C t^3 in bytes. */
static double growth(double t_ms)
{
    return 0.4 * (t_ms / 1000) * (t_ms / 1000) * (t_ms / 1000) * 1460;
}

static double distance(double a, double b)
{
    return a < b ? b - a : a - b;
}

static void test_k_is_that_of_equation_2(void **state)
{
    static const uint32_t windows[] = { 14600, 100000, 1000000, 50000000, 1u << 30 };

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(windows); i++) {
        uint32_t cwnd = windows[i] / 10 * 7;
        uint32_t k_ms = rn_cubic_k_ms(windows[i], cwnd, 1460);

        assert_true(growth(k_ms) <= windows[i] - cwnd);
        assert_true(growth(k_ms + 1.01) > windows[i] - cwnd);
    }
    assert_int_equal(rn_cubic_k_ms(1000, 2000, 1460), 0);
}

static void test_window_follows_the_cubic_function(void **state)
{
    static const uint32_t maxima[] = { 20000, 200000, 5000000, 100000000 };

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(maxima); i++) {
        uint32_t cwnd = maxima[i] / 10 * 7;
        uint32_t k_ms = rn_cubic_k_ms(maxima[i], cwnd, 1460);

        for (int64_t t_ms = 0; t_ms < 60000; t_ms += 97) {
            double want = growth((double)(t_ms - k_ms)) + maxima[i];
            double got = rn_cubic_window(maxima[i], k_ms, t_ms, 1460);

            if (want > UINT32_MAX)
                continue;
            assert_true(distance(got, want) <= 2 + want * 1e-6);
        }
    }
}

static void test_window_starts_where_the_reduction_ended(void **state)
{
    uint32_t k_ms = rn_cubic_k_ms(1000000, 700000, 1460);
    uint32_t start = rn_cubic_window(1000000, k_ms, 0, 1460);

    (void)state;
    assert_true(start >= 700000 && start < 701000);
    assert_int_equal(rn_cubic_window(1000000, k_ms, k_ms, 1460), 1000000);
}

static void test_window_saturates(void **state)
{
    (void)state;
    assert_int_equal(rn_cubic_window(1000, 100000, 0, 65000), 0);
    assert_int_equal(rn_cubic_window(UINT32_MAX, 0, INT64_MAX / 2, 65000), UINT32_MAX);
}

/* --- the controller --------------------------------------------------------------------------------------------------- */

enum { SEG = 1460, ROUND_MS = 100 };

/* A connection with something in flight and a window of 100 segments, none of which were lost yet. */
static struct rn_tcp *at_a_hundred(struct tcp_fixture *f)
{
    struct rn_sock *sock;
    struct rn_tcp *conn;

    tcp_fixture_init(f);
    sock = fix_connected(f);
    fix_writes(f, sock, SEG);
    fix_ignore(f);
    conn = rn_container_of(sock, struct rn_tcp, sock);
    conn->rtt.srtt_us = ROUND_MS * 1000;
    conn->cc.cwnd = 100 * SEG;
    assert_ptr_equal(conn->cc.ops, &rn_tcp_cubic);
    return conn;
}

static void reduce(struct rn_tcp *conn)
{
    conn->cc.ssthresh = rn_tcp_cubic.ssthresh(conn, RN_TCP_CC_LOST);
    conn->cc.cwnd = conn->cc.ssthresh;
}

/* All of the window is acknowledged, in tenths of it. */
static void pass_round(struct rn_tcp *conn, int64_t *now_ns)
{
    for (int i = 0; i < 10; i++) {
        struct rn_tcp_ack ack = { .credit = conn->cc.cwnd / 10 };

        *now_ns += ROUND_MS / 10 * RN_NS_PER_MS;
        ack.now_ns = *now_ns;
        rn_tcp_cubic.on_ack(conn, &ack);
    }
}

/* Of a clock of its own, which no timer of the connection knows. */
static void pass_rounds(struct rn_tcp *conn, int64_t *now_ns, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        pass_round(conn, now_ns);
}

static void end(struct tcp_fixture *f, struct rn_tcp *conn)
{
    rn_sock_abort(&conn->sock);
    fix_turn(f);
    fix_ignore(f);
    tcp_fixture_fini(f);
}

/* W(t) in segments at @rounds from the reduction. */
static double cubic_after(double w_max, double k_s, unsigned rounds)
{
    double t = rounds * ROUND_MS / 1000.0;

    return w_max + 0.4 * (t - k_s) * (t - k_s) * (t - k_s);
}

/* RFC 8511, in segments of a window of 100. */
static void test_a_mark_in_congestion_avoidance_costs_less_than_a_loss(void **state)
{
    static const struct {
        const struct rn_tcp_cc_ops *ops;
        uint32_t lost;
        uint32_t marked;
    } rows[] = { { &rn_tcp_cubic, 70, 85 }, { &rn_tcp_reno, 50, 80 } };
    struct tcp_fixture f;
    struct rn_tcp *conn = at_a_hundred(&f);

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(rows); i++) {
        rn_tcp_cc_set(conn, rows[i].ops);
        conn->cc.ssthresh = 50 * SEG;
        assert_int_equal(rows[i].ops->ssthresh(conn, RN_TCP_CC_LOST), rows[i].lost * SEG);
        assert_int_equal(rows[i].ops->ssthresh(conn, RN_TCP_CC_MARKED), rows[i].marked * SEG);
        conn->cc.ssthresh = UINT32_MAX; /* slow start */
        assert_int_equal(rows[i].ops->ssthresh(conn, RN_TCP_CC_MARKED), rows[i].lost * SEG);
    }
    end(&f, conn);
}

/* Until then it is CUBIC, marks or not. */
static void test_only_a_loss_hands_over_to_bbr(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn = at_a_hundred(&f);

    (void)state;
    rn_tcp_cc_set(conn, &rn_tcp_cubic_bbr);
    conn->cc.ssthresh = 50 * SEG;
    assert_int_equal(conn->cc.ops->ssthresh(conn, RN_TCP_CC_MARKED), 85 * SEG);
    assert_ptr_equal(conn->cc.ops, &rn_tcp_cubic_bbr);
    /* A model has no threshold: it stays. */
    assert_int_equal(conn->cc.ops->ssthresh(conn, RN_TCP_CC_LOST), 50 * SEG);
    assert_ptr_equal(conn->cc.ops, &rn_tcp_bbr);
    end(&f, conn);
}

static void test_window_returns_to_the_peak_as_the_formula_says(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn = at_a_hundred(&f);
    int64_t now_ns = RN_NS_PER_S;
    double k_s = 4.217; /* cbrt(30 / 0.4) */

    (void)state;
    reduce(conn);
    assert_int_equal(conn->cc.cwnd, 70 * SEG);
    for (unsigned rounds = 10; rounds <= 60; rounds += 10) {
        pass_rounds(conn, &now_ns, 10);
        assert_true(distance((double)conn->cc.cwnd / SEG, cubic_after(100, k_s, rounds)) < 3);
    }
    end(&f, conn);
}

/* RFC 9438 §4.8: the peak before a timeout is no aim. */
static void test_after_a_timeout_the_window_found_is_the_peak(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn = at_a_hundred(&f);
    int64_t now_ns = RN_NS_PER_S;

    (void)state;
    reduce(conn);
    rn_tcp_cubic.on_timeout(conn);

    pass_rounds(conn, &now_ns, 20);

    /* 70 + 0.4 * 2^3; the Reno-friendly window grows by 9/17 a round and is ahead. */
    assert_in_range(conn->cc.cwnd / SEG, 73, 82);
    end(&f, conn);
}

/* RFC 9438 §5.8: a minute in which the application sent little is no minute of growth. */
static void test_time_without_need_of_the_window_does_not_count(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn = at_a_hundred(&f);
    int64_t now_ns = RN_NS_PER_S;
    uint32_t before;

    (void)state;
    reduce(conn);
    pass_rounds(conn, &now_ns, 40);
    before = conn->cc.cwnd;
    now_ns += 60 * RN_NS_PER_S;

    pass_rounds(conn, &now_ns, 1);

    assert_true(conn->cc.cwnd < before + 2 * SEG);
    end(&f, conn);
}

static void test_undo_brings_the_peak_back(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn = at_a_hundred(&f);
    int64_t now_ns = RN_NS_PER_S;

    (void)state;
    reduce(conn);
    pass_rounds(conn, &now_ns, 10);
    reduce(conn);
    rn_tcp_cubic.on_timeout(conn);
    rn_tcp_cubic.undo(conn);
    conn->cc.cwnd = 80 * SEG;

    pass_rounds(conn, &now_ns, 37); /* cbrt(20 / 0.4) s */

    assert_in_range(conn->cc.cwnd / SEG, 97, 103);
    end(&f, conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cube_root_is_the_floor),
        cmocka_unit_test(test_k_is_that_of_equation_2),
        cmocka_unit_test(test_window_follows_the_cubic_function),
        cmocka_unit_test(test_window_starts_where_the_reduction_ended),
        cmocka_unit_test(test_window_saturates),
        cmocka_unit_test(test_a_mark_in_congestion_avoidance_costs_less_than_a_loss),
        cmocka_unit_test(test_only_a_loss_hands_over_to_bbr),
        cmocka_unit_test(test_window_returns_to_the_peak_as_the_formula_says),
        cmocka_unit_test(test_after_a_timeout_the_window_found_is_the_peak),
        cmocka_unit_test(test_time_without_need_of_the_window_does_not_count),
        cmocka_unit_test(test_undo_brings_the_peak_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
