/* Timeouts: when they come, what they repeat, when they were wrong, when they are the end. */
#include "tcp/flight.h"
#include "tcp_fixture.h"

#define MSS 1000

static struct rn_tcp *begin(struct tcp_fixture *f, const char *opts, size_t n_segs)
{
    static const uint8_t bytes[100 * MSS];
    struct rn_sock *sock;
    char text[128];

    tcp_fixture_init(f);
    sock = fix_connecting(f);
    (void)fix_next(f);
    fix_pass(f, 100);
    snprintf(text, sizeof(text), "S. 0:0(0) ack 1 win 65535 %s", opts);
    fix_peer(f, text);
    if (n_segs != 0)
        assert_int_equal(rn_tcp_write(sock, bytes, n_segs * MSS, 0), n_segs * MSS);
    fix_turn(f);
    fix_ignore(f);
    return rn_tcp_of(sock);
}

static void end(struct tcp_fixture *f, struct rn_tcp *conn)
{
    rn_sock_abort(&conn->sock);
    tcp_fixture_fini(f);
}

#define SACK "<mss 1000,sackOK>"
#define BARE "<mss 1000>"

static void test_timeout_repeats_the_head_and_doubles(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, BARE, 3); /* SRTT 100 ms, RTO 300 ms */

    fix_pass(&f, 299);
    fix_silent(&f);
    fix_pass(&f, 2);
    fix_we(&f, ". 1:1001(1000) ack 1");
    fix_silent(&f);
    fix_pass(&f, 597);
    fix_silent(&f);
    fix_pass(&f, 4);
    fix_we(&f, ". 1:1001(1000) ack 1");
    fix_silent(&f);
    assert_int_equal(conn->cc.ca_state, RN_TCP_CA_LOSS);
    assert_int_equal(conn->cc.cwnd, MSS);
    end(&f, conn);
}

static void test_after_a_timeout_slow_start_repeats_the_rest(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, BARE, 10);
    fix_pass(&f, 310);
    fix_we(&f, ". 1:1001(1000) ack 1");
    fix_peer(&f, ". 1:1(0) ack 1001");
    /* F-RTO has no new data to send, so recovery is the usual one. */
    fix_we(&f, ". 1001:2001(1000) ack 1");
    fix_we(&f, ". 2001:3001(1000) ack 1");
    fix_silent(&f);

    fix_peer(&f, ". 1:1(0) ack 10001");

    fix_silent(&f);
    assert_int_equal(conn->cc.ca_state, RN_TCP_CA_OPEN);
    end(&f, conn);
}

static void test_spurious_timeout_is_found_by_two_new_segments(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, BARE, 20);
    fix_pass(&f, 310);
    fix_we(&f, ". 1:1001(1000) ack 1");

    fix_peer(&f, ". 1:1(0) ack 1001");
    fix_we(&f, ". 10001:11001(1000) ack 1");
    fix_we(&f, ". 11001:12001(1000) ack 1");
    fix_silent(&f);
    fix_peer(&f, ". 1:1(0) ack 2001");

    assert_int_equal(conn->cc.ca_state, RN_TCP_CA_OPEN);
    assert_int_equal(f.stack->stats.tcp_spurious_rtos, 1);
    assert_true(conn->cc.cwnd >= 10 * MSS);
    end(&f, conn);
}

static void test_true_timeout_is_confirmed_by_a_duplicate(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, BARE, 20);
    fix_pass(&f, 310);
    fix_ignore(&f);
    fix_peer(&f, ". 1:1(0) ack 1001");
    fix_ignore(&f);

    fix_peer(&f, ". 1:1(0) ack 1001");

    fix_we(&f, ". 1001:2001(1000) ack 1");
    assert_int_equal(conn->cc.ca_state, RN_TCP_CA_LOSS);
    assert_int_equal(f.stack->stats.tcp_spurious_rtos, 0);
    end(&f, conn);
}

static void test_originals_that_arrive_late_undo_the_timeout(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, SACK, 10);
    fix_pass(&f, 210);
    fix_we(&f, "P. 9001:10001(1000) ack 1"); /* the probe */
    fix_pass(&f, 310);
    fix_we(&f, ". 1:1001(1000) ack 1");

    fix_peer(&f, ". 1:1(0) ack 3001");

    assert_int_equal(conn->cc.ca_state, RN_TCP_CA_OPEN);
    assert_int_equal(f.stack->stats.tcp_spurious_rtos, 1);
    fix_silent(&f);
    end(&f, conn);
}

static void test_sacks_are_forgotten_when_the_peer_reneged(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, SACK, 3);
    fix_peer(&f, ". 1:1(0) ack 1 <sack 1001:3001>");
    fix_peer(&f, ". 1:1(0) ack 1001"); /* and no word of the rest */
    fix_pass(&f, 400);

    fix_ignore(&f);
    assert_int_equal(conn->flight->sacked_bytes, 0);
    fix_peer(&f, ". 1:1(0) ack 2001");
    fix_we(&f, "P. 2001:3001(1000) ack 1");
    end(&f, conn);
}

static void test_connection_ends_after_fifteen_timeouts(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;
    unsigned n = 0;

    (void)state;
    conn = begin(&f, BARE, 1);
    fix_watch(&f, &conn->sock);

    while ((f.events & RN_ERROR) == 0 && n < 100) {
        fix_pass(&f, 60000);
        n++;
    }

    assert_int_equal(f.stack->stats.tcp_timeouts, 15);
    assert_int_equal(rn_sock_take_error(&conn->sock), RN_E_TIMED_OUT);
    fix_ignore(&f);
    rn_sock_close(&conn->sock);
    tcp_fixture_fini(&f);
}

static void test_user_timeout_ends_it_sooner(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, BARE, 0);
    fix_watch(&f, &conn->sock);
    assert_int_equal(rn_sock_set_opt(&conn->sock, RN_TCP_USER_TIMEOUT_NS, 2 * RN_NS_PER_S), 0);
    fix_writes(&f, &conn->sock, 100);

    fix_pass(&f, 1990);
    assert_int_equal(f.events & RN_ERROR, 0);
    fix_pass(&f, 20);

    assert_int_equal(f.events & RN_ERROR, RN_ERROR);
    assert_int_equal(rn_sock_take_error(&conn->sock), RN_E_TIMED_OUT);
    fix_ignore(&f);
    rn_sock_close(&conn->sock);
    tcp_fixture_fini(&f);
}

static void test_syn_is_repeated_with_growing_pauses_and_given_up(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connecting(&f);
    fix_watch(&f, sock);
    assert_int_equal(rn_sock_set_opt(sock, RN_TCP_SYNCNT, 2), 0);
    fix_we(&f, "S 0:0(0)");

    fix_pass(&f, 1001);
    fix_we(&f, "S 0:0(0)");
    fix_pass(&f, 2001);
    fix_we(&f, "S 0:0(0)");
    fix_pass(&f, 4001);

    fix_silent(&f);
    assert_int_equal(f.events & RN_ERROR, RN_ERROR);
    assert_int_equal(rn_sock_take_error(sock), RN_E_TIMED_OUT);
    rn_sock_close(sock);
    tcp_fixture_fini(&f);
}

static void test_fin_is_repeated_until_acknowledged(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, BARE, 0);
    assert_int_equal(rn_sock_shutdown(&conn->sock, RN_SHUT_WRITE), 0);
    fix_turn(&f);
    fix_we(&f, "F. 1:1(0) ack 1");

    fix_pass(&f, 310);
    fix_we(&f, "F. 1:1(0) ack 1");
    fix_peer(&f, ". 1:1(0) ack 2");
    fix_pass(&f, 2000);

    fix_silent(&f);
    assert_int_equal(conn->state, RN_TCP_FIN_WAIT_2);
    end(&f, conn);
}

static void test_full_segments_that_vanish_are_made_smaller(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp *conn;

    (void)state;
    conn = begin(&f, "<mss 1460>", 10);

    fix_pass(&f, 310 + 610);
    fix_we(&f, ". 1:1461(1460) ack 1");
    fix_we(&f, ". 1:1461(1460) ack 1");
    fix_silent(&f);
    fix_pass(&f, 1210);

    fix_we(&f, ". 1:1241(1240) ack 1");
    fix_peer(&f, ". 1:1(0) ack 1241");
    assert_int_equal(conn->snd.mss, 1240);
    end(&f, conn);
}

static void test_a_segment_below_mss_that_vanishes_is_cut_too(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);
    fix_writes(&f, sock, 1400);
    fix_we(&f, "P. 1:1401(1400) ack 1");

    fix_pass(&f, 20000);

    while (!rn_pktq_is_empty(&f.out) && f.out.first->len > 1280)
        (void)fix_next(&f);
    fix_we(&f, ". 1:1241(1240) ack 1");
    rn_pktq_free_all(&f.out);
    rn_sock_abort(sock);
    fix_turn(&f);
    rn_pktq_free_all(&f.out);
    tcp_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timeout_repeats_the_head_and_doubles),
        cmocka_unit_test(test_after_a_timeout_slow_start_repeats_the_rest),
        cmocka_unit_test(test_spurious_timeout_is_found_by_two_new_segments),
        cmocka_unit_test(test_true_timeout_is_confirmed_by_a_duplicate),
        cmocka_unit_test(test_originals_that_arrive_late_undo_the_timeout),
        cmocka_unit_test(test_sacks_are_forgotten_when_the_peer_reneged),
        cmocka_unit_test(test_connection_ends_after_fifteen_timeouts),
        cmocka_unit_test(test_user_timeout_ends_it_sooner),
        cmocka_unit_test(test_syn_is_repeated_with_growing_pauses_and_given_up),
        cmocka_unit_test(test_fin_is_repeated_until_acknowledged),
        cmocka_unit_test(test_full_segments_that_vanish_are_made_smaller),
        cmocka_unit_test(test_a_segment_below_mss_that_vanishes_is_cut_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
