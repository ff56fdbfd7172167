#include "tcp_fixture.h"

static void test_syn_offers_every_option_and_the_handshake_ends_in_an_ack(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connecting(&f);
    fix_watch(&f, sock);
    fix_we(&f, "S 0:0(0) win 65535 <mss 1460,sackOK,TS * 0,wscale 7>");

    fix_peer(&f, "S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,TS 700 0,wscale 7>");

    fix_we(&f, ". 1:1(0) ack 1 <TS * 700>");
    fix_silent(&f);
    assert_int_equal(f.events & (RN_WRITABLE | RN_ERROR), RN_WRITABLE);
    assert_int_equal(rn_sock_remote(sock).port, f.their_port);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_what_the_peer_does_not_answer_is_not_used(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connecting(&f);
    fix_we(&f, "S 0:0(0)");

    fix_peer(&f, "S. 0:0(0) ack 1 win 65535 <mss 1460>");

    fix_we(&f, ". 1:1(0) ack 1 win 65535 <>");
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_rst_with_the_ack_of_our_syn_is_refusal(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connecting(&f);
    fix_watch(&f, sock);
    fix_we(&f, "S 0:0(0)");

    fix_peer(&f, "R. 0:0(0) ack 1");

    fix_silent(&f);
    assert_int_equal(f.events & RN_ERROR, RN_ERROR);
    assert_int_equal(rn_sock_take_error(sock), RN_E_CONN_REFUSED);
    rn_sock_close(sock);
    tcp_fixture_fini(&f);
}

static void test_rst_without_or_with_a_wrong_ack_is_ignored_in_syn_sent(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connecting(&f);
    fix_we(&f, "S 0:0(0)");

    fix_peer(&f, "R 0:0(0)");
    fix_peer(&f, "R. 0:0(0) ack 7");

    fix_silent(&f);
    fix_peer(&f, "S. 0:0(0) ack 1 win 65535 <mss 1460>");
    fix_we(&f, ". 1:1(0) ack 1");
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_a_wrong_ack_in_syn_sent_is_answered_by_rst(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connecting(&f);
    fix_we(&f, "S 0:0(0)");

    fix_peer(&f, ". 500:500(0) ack 300");

    fix_we(&f, "R 300:300(0)");
    fix_silent(&f);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_simultaneous_open_ends_established_on_both_sides(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connecting(&f);
    fix_watch(&f, sock);
    fix_we(&f, "S 0:0(0)");

    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    fix_we(&f, "S. 0:0(0) ack 1");
    fix_peer(&f, "S. 0:0(0) ack 1 win 65535 <mss 1460>");

    assert_int_equal(f.events & RN_WRITABLE, RN_WRITABLE);
    fix_ignore(&f);
    fix_peer(&f, "P. 1:11(10) ack 1");
    fix_reads(sock, 0, 10);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_the_syn_is_repeated_and_given_up_as_timed_out(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    unsigned n = 0;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connecting(&f);
    fix_watch(&f, sock);

    fix_pass(&f, 200 * 1000);

    while (!rn_pktq_is_empty(&f.out)) {
        assert_int_equal(fix_next(&f).flags & RN_TCP_SYN, RN_TCP_SYN);
        n++;
    }
    assert_int_equal(n, 7); /* one and six more */
    assert_int_equal(rn_sock_take_error(sock), RN_E_TIMED_OUT);
    rn_sock_close(sock);
    tcp_fixture_fini(&f);
}

static void test_closing_in_syn_sent_leaves_nothing_behind(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connecting(&f);
    fix_we(&f, "S 0:0(0)");

    rn_sock_close(sock);

    fix_turn(&f);
    fix_silent(&f);
    fix_peer(&f, "S. 0:0(0) ack 1 win 65535");
    fix_we(&f, "R 1:1(0)");
    tcp_fixture_fini(&f);
}

static void test_a_second_connect_says_what_is_going_on(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct rn_endpoint remote;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connecting(&f);
    remote = (struct rn_endpoint){ .addr = f.them, .port = f.their_port };

    assert_int_equal(rn_sock_connect(sock, &remote), RN_E_ALREADY_CONNECTING);

    fix_next(&f);
    fix_peer(&f, "S. 0:0(0) ack 1 win 65535");
    assert_int_equal(rn_sock_connect(sock, &remote), RN_E_ALREADY_CONNECTED);
    fix_ignore(&f);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_two_connections_have_their_own_isn_and_timestamp_offset(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *a;
    struct rn_sock *b;
    struct seg_text first;
    struct seg_text second;

    (void)state;
    tcp_fixture_init(&f);
    a = fix_connecting(&f);
    first = fix_next(&f);
    f.their_port++;
    b = fix_connecting(&f);
    second = fix_next(&f); /* relative to the first: both would be 0 if they were shared */

    assert_int_not_equal(second.seq, first.seq);
    assert_int_not_equal(second.opts.ts_val, first.opts.ts_val);
    rn_sock_abort(a);
    rn_sock_abort(b);
    tcp_fixture_fini(&f);
}

static void test_a_socket_connected_to_itself_talks_to_itself(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct rn_endpoint self;
    char byte = 0;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_socket(&f);
    self = (struct rn_endpoint){ .addr = f.us, .port = 777 };
    assert_int_equal(rn_sock_bind(sock, &self), 0);

    assert_int_equal(rn_sock_connect(sock, &self), RN_E_CONNECT_STARTED);
    fix_turn(&f);

    assert_int_equal(rn_tcp_write(sock, "x", 1, 0), 1);
    fix_turn(&f);
    assert_int_equal(rn_tcp_read(sock, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syn_offers_every_option_and_the_handshake_ends_in_an_ack),
        cmocka_unit_test(test_what_the_peer_does_not_answer_is_not_used),
        cmocka_unit_test(test_rst_with_the_ack_of_our_syn_is_refusal),
        cmocka_unit_test(test_rst_without_or_with_a_wrong_ack_is_ignored_in_syn_sent),
        cmocka_unit_test(test_a_wrong_ack_in_syn_sent_is_answered_by_rst),
        cmocka_unit_test(test_simultaneous_open_ends_established_on_both_sides),
        cmocka_unit_test(test_the_syn_is_repeated_and_given_up_as_timed_out),
        cmocka_unit_test(test_closing_in_syn_sent_leaves_nothing_behind),
        cmocka_unit_test(test_a_second_connect_says_what_is_going_on),
        cmocka_unit_test(test_two_connections_have_their_own_isn_and_timestamp_offset),
        cmocka_unit_test(test_a_socket_connected_to_itself_talks_to_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
