/* What leaves, when, and in which pieces. */
#include "tcp/flight.h"
#include "tcp_fixture.h"

#define MSS 1460

static void write_now(struct tcp_fixture *f, struct rn_sock *sock, size_t len, unsigned flags)
{
    static const uint8_t bytes[1 << 20];

    assert_int_equal(rn_tcp_write(sock, bytes, len, flags), len);
    fix_turn(f);
}

static void test_ten_segments_leave_before_the_first_ack(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);

    write_now(&f, sock, 20 * MSS, 0);

    assert_int_equal(f.out.n_pkts, 10);
    fix_we(&f, ". 1:1461(1460) ack 1");
    fix_we(&f, ". 1461:2921(1460) ack 1");
    fix_ignore(&f);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_slow_start_sends_two_segments_for_each_acknowledged(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);
    write_now(&f, sock, 40 * MSS, 0);
    fix_ignore(&f);

    fix_peer(&f, ". 1:1(0) ack 2921");

    assert_int_equal(f.out.n_pkts, 4);
    fix_we(&f, ". 14601:16061(1460) ack 1");
    fix_ignore(&f);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_nagle_holds_a_small_segment_while_another_is_out(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);
    write_now(&f, sock, 10, 0);
    fix_we(&f, "P. 1:11(10) ack 1");

    write_now(&f, sock, 10, 0);
    fix_silent(&f);
    fix_peer(&f, ". 1:1(0) ack 11");

    fix_we(&f, "P. 11:21(10) ack 1");
    fix_silent(&f);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_nagle_lets_full_segments_and_one_tail_go(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);

    write_now(&f, sock, MSS + 10, 0);
    write_now(&f, sock, MSS + 10, 0);

    fix_we(&f, ". 1:1461(1460) ack 1");
    fix_we(&f, "P. 1461:1471(10) ack 1");
    fix_we(&f, ". 1471:2931(1460) ack 1");
    fix_silent(&f);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_nodelay_sends_small_segments_at_once(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);
    assert_int_equal(rn_sock_set_opt(sock, RN_TCP_NODELAY, 1), 0);

    write_now(&f, sock, 10, 0);
    write_now(&f, sock, 10, 0);

    fix_we(&f, "P. 1:11(10) ack 1");
    fix_we(&f, "P. 11:21(10) ack 1");
    fix_silent(&f);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_cork_holds_a_partial_segment_for_200_ms(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);
    assert_int_equal(rn_sock_set_opt(sock, RN_TCP_CORK, 1), 0);

    write_now(&f, sock, MSS + 10, 0);
    fix_we(&f, ". 1:1461(1460) ack 1");
    fix_peer(&f, ". 1:1(0) ack 1461");
    fix_pass(&f, 190);
    fix_silent(&f);
    fix_pass(&f, 20);

    fix_we(&f, "P. 1461:1471(10) ack 1");
    fix_silent(&f);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_more_waits_for_the_write_that_says_no_more(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);

    write_now(&f, sock, 10, RN_WRITE_MORE);
    fix_silent(&f);
    write_now(&f, sock, 10, 0);

    fix_we(&f, "P. 1:21(20) ack 1");
    fix_silent(&f);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_fin_rides_on_the_last_data(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);
    assert_int_equal(rn_tcp_write(sock, "hello", 5, 0), 5);

    assert_int_equal(rn_sock_shutdown(sock, RN_SHUT_WRITE), 0);
    fix_turn(&f);

    fix_we(&f, "FP. 1:6(5) ack 1");
    fix_silent(&f);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_window_of_the_peer_is_never_overrun(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);
    fix_peer(&f, ". 1:1(0) ack 1 win 3000");

    write_now(&f, sock, 10 * MSS, 0);

    fix_we(&f, ". 1:1461(1460) ack 1");
    fix_we(&f, ". 1461:2921(1460) ack 1");
    fix_silent(&f);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_closed_window_is_probed_with_growing_pauses(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);
    fix_peer(&f, ". 1:1(0) ack 1 win 0");

    write_now(&f, sock, 100, 0);
    fix_silent(&f);
    fix_pass(&f, 210);
    fix_we(&f, ". 0:0(0) ack 1");
    fix_peer(&f, ". 1:1(0) ack 1 win 0");
    fix_pass(&f, 390);
    fix_silent(&f);
    fix_pass(&f, 20);
    fix_we(&f, ". 0:0(0) ack 1");
    fix_peer(&f, ". 1:1(0) ack 1 win 5000");

    fix_we(&f, "P. 1:101(100) ack 1");
    fix_silent(&f);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_silly_window_is_used_only_after_the_override_timer(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);
    fix_peer(&f, ". 1:1(0) ack 1 win 100");

    write_now(&f, sock, 5 * MSS, 0);
    fix_silent(&f);
    fix_pass(&f, 210);

    fix_we(&f, ". 1:101(100) ack 1");
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_written_data_is_told_writable_and_drained(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    static const uint8_t bytes[1 << 20];
    int64_t took;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);
    assert_int_equal(rn_sock_set_opt(sock, RN_SO_SNDBUF, 10000), 0);
    assert_int_equal(rn_sock_set_opt(sock, RN_SO_WANT_DRAINED, 1), 0);
    took = rn_tcp_write(sock, bytes, sizeof(bytes), 0);
    assert_true(took >= 10000 && took <= 20000);
    assert_int_equal(rn_tcp_write(sock, bytes, 1, 0), RN_E_WOULD_BLOCK);
    fix_turn(&f);
    fix_watch(&f, sock);
    fix_turn(&f);
    f.events = 0;

    while (!rn_pktq_is_empty(&f.out)) {
        struct seg_text last = { 0 };
        struct seg_text ack = seg_parse(". 1:1(0) ack 1");

        while (!rn_pktq_is_empty(&f.out))
            last = fix_next(&f);
        ack.ack = last.seq + last.len;
        fix_peer_seg(&f, &ack);
    }

    assert_int_equal(f.events & RN_WRITABLE, RN_WRITABLE);
    assert_int_equal(f.events & RN_DRAINED, RN_DRAINED);
    assert_int_equal(rn_tcp_of(sock)->snd.queued, 0);
    assert_null(rn_tcp_of(sock)->flight);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_window_falls_back_after_long_silence(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct rn_tcp *conn;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);
    conn = rn_tcp_of(sock);
    write_now(&f, sock, 10 * MSS, 0);
    fix_peer(&f, ". 1:1(0) ack 14601");
    write_now(&f, sock, 20 * MSS, 0);
    fix_ignore(&f);
    fix_peer(&f, ". 1:1(0) ack 43801");
    assert_true(conn->cc.cwnd >= 30 * MSS);

    fix_pass(&f, 2000);
    write_now(&f, sock, 40 * MSS, 0);

    assert_int_equal(f.out.n_pkts, 10);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_keepalive_probes_then_gives_up(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);
    fix_watch(&f, sock);
    assert_int_equal(rn_sock_set_opt(sock, RN_TCP_KEEPIDLE_NS, 10 * RN_NS_PER_S), 0);
    assert_int_equal(rn_sock_set_opt(sock, RN_TCP_KEEPINTVL_NS, 2 * RN_NS_PER_S), 0);
    assert_int_equal(rn_sock_set_opt(sock, RN_TCP_KEEPCNT, 2), 0);
    assert_int_equal(rn_sock_set_opt(sock, RN_SO_KEEPALIVE, 1), 0);

    fix_pass(&f, 10100);
    fix_we(&f, ". 0:0(0) ack 1");
    fix_peer(&f, ". 1:1(0) ack 1");
    fix_pass(&f, 9800);
    fix_silent(&f);
    fix_pass(&f, 300);
    fix_we(&f, ". 0:0(0) ack 1");
    fix_pass(&f, 2000);
    fix_we(&f, ". 0:0(0) ack 1");
    fix_pass(&f, 2100);

    fix_we(&f, "R. 1:1(0) ack 1");
    assert_int_equal(f.events & RN_ERROR, RN_ERROR);
    assert_int_equal(rn_sock_take_error(sock), RN_E_TIMED_OUT);
    rn_sock_close(sock);
    tcp_fixture_fini(&f);
}

static void test_pacing_rate_is_kept(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);
    assert_int_equal(rn_sock_set_opt(sock, RN_TCP_MAX_PACING_RATE, 146000), 0); /* 100 segments/s */

    write_now(&f, sock, 10 * MSS, 0);
    assert_int_equal(f.out.n_pkts, 2);
    fix_pass(&f, 19);
    assert_int_equal(f.out.n_pkts, 2);
    fix_pass(&f, 2);

    assert_int_equal(f.out.n_pkts, 4);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_local_send_buffer_is_shared_by_all_who_send(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct rn_tcp *conn;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);
    conn = rn_container_of(sock, struct rn_tcp, sock);
    conn->cc.cwnd = 1u << 20;
    conn->rtt.min_us = 100;
    conn->rtt.srtt_us = 100 * conn->rtt.min_us; /* it stands in a queue of its own making */
    write_now(&f, sock, MSS, 0);
    assert_int_equal(rn_tcp_stack_of(conn)->n_flights, 1);

    rn_tcp_snd_tune(conn);
    assert_int_equal(conn->snd.buf_max, 512 * 1024);
    rn_tcp_stack_of(conn)->n_flights = 64;
    rn_tcp_snd_tune(conn);
    assert_int_equal(conn->snd.buf_max, 128 * 1024);
    rn_tcp_stack_of(conn)->n_flights = 1000;
    rn_tcp_snd_tune(conn);
    assert_int_equal(conn->snd.buf_max, 64 * 1024);
    conn->snd.mss =
        65483; /* else the peer would have one such segment at a time, and delay its ACK */
    rn_tcp_snd_tune(conn);
    assert_int_equal(conn->snd.buf_max, 3 * 65483);

    rn_tcp_stack_of(conn)->n_flights = 1;
    rn_tcp_snd_tune(conn);
    assert_int_equal(conn->snd.buf_max, 512 * 1024);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_send_buffer_of_a_short_path_is_given_back_when_others_come(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct rn_tcp *conn;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);
    conn = rn_container_of(sock, struct rn_tcp, sock);
    conn->cc.cwnd = 2u << 20;
    conn->rtt.min_us = conn->rtt.srtt_us = 100;
    write_now(&f, sock, MSS, 0);

    rn_tcp_snd_tune(conn);
    assert_int_equal(conn->snd.buf_max, 512 * 1024); /* such a window was never sent */
    conn->flight->max_out = 1u << 20;
    rn_tcp_snd_tune(conn);
    assert_int_equal(conn->snd.buf_max, 4u << 20);

    /* Two who fill it alike, as far as each can tell: neither shall keep the other waiting. */
    rn_tcp_stack_of(conn)->n_flights = 2;
    rn_tcp_snd_tune(conn);
    assert_int_equal(conn->snd.buf_max, 512 * 1024);
    conn->rtt.min_us = conn->rtt.srtt_us = 300; /* over a longer one that would cost throughput */
    rn_tcp_snd_tune(conn);
    assert_int_equal(conn->snd.buf_max, 4u << 20);
    rn_tcp_stack_of(conn)->n_flights = 1;
    conn->rtt.min_us = 100;

    conn->rtt.srtt_us = 100 * conn->rtt.min_us;
    conn->snd.queued = 3u << 20;
    rn_tcp_snd_tune(conn);
    assert_int_equal(conn->snd.buf_max, 3u << 20);
    conn->snd.queued = MSS;
    rn_tcp_snd_tune(conn);
    assert_int_equal(conn->snd.buf_max, 512 * 1024);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

/* The window told with an old sequence number, by the segment that fills a hole of ours, still counts. */
static void test_an_ack_that_advances_tells_its_window(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);
    fix_writes(&f, sock, 4000);
    rn_pktq_free_all(&f.out);
    fix_peer(&f, ". 11:21(10) ack 1 win 5000");

    fix_peer(&f, ". 1:11(10) ack 2921 win 2080"); /* the edge stays at 5001 */
    rn_pktq_free_all(&f.out);
    fix_writes(&f, sock, 8000);

    while (!rn_pktq_is_empty(&f.out)) {
        struct seg_text got = fix_next(&f);

        assert_true(got.seq + got.len <= 5001);
    }
    rn_sock_abort(sock);
    fix_turn(&f);
    rn_pktq_free_all(&f.out);
    tcp_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_ack_that_advances_tells_its_window),
        cmocka_unit_test(test_ten_segments_leave_before_the_first_ack),
        cmocka_unit_test(test_slow_start_sends_two_segments_for_each_acknowledged),
        cmocka_unit_test(test_nagle_holds_a_small_segment_while_another_is_out),
        cmocka_unit_test(test_nagle_lets_full_segments_and_one_tail_go),
        cmocka_unit_test(test_nodelay_sends_small_segments_at_once),
        cmocka_unit_test(test_cork_holds_a_partial_segment_for_200_ms),
        cmocka_unit_test(test_more_waits_for_the_write_that_says_no_more),
        cmocka_unit_test(test_fin_rides_on_the_last_data),
        cmocka_unit_test(test_window_of_the_peer_is_never_overrun),
        cmocka_unit_test(test_closed_window_is_probed_with_growing_pauses),
        cmocka_unit_test(test_silly_window_is_used_only_after_the_override_timer),
        cmocka_unit_test(test_written_data_is_told_writable_and_drained),
        cmocka_unit_test(test_window_falls_back_after_long_silence),
        cmocka_unit_test(test_keepalive_probes_then_gives_up),
        cmocka_unit_test(test_pacing_rate_is_kept),
        cmocka_unit_test(test_local_send_buffer_is_shared_by_all_who_send),
        cmocka_unit_test(test_send_buffer_of_a_short_path_is_given_back_when_others_come),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
