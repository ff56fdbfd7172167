#include "tcp_fixture.h"

static enum rn_tcp_state state_of(struct rn_sock *sock)
{
    struct rn_tcp_info info;

    assert_int_equal(rn_tcp_get_info(sock, &info), 0);
    return info.state;
}

/* --- closing ---------------------------------------------------------------------------------------------------- */

static void test_we_close_first_and_end_in_time_wait(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    assert_int_equal(rn_sock_shutdown(sock, RN_SHUT_WRITE), 0);
    fix_turn(&f);
    fix_we(&f, "F. 1:1(0) ack 1");
    assert_int_equal(state_of(sock), RN_TCP_FIN_WAIT_1);
    fix_peer(&f, ". 1:1(0) ack 2");
    assert_int_equal(state_of(sock), RN_TCP_FIN_WAIT_2);
    fix_peer(&f, "P. 1:101(100) ack 2"); /* half-close: the other direction goes on */
    fix_we(&f, ". 2:2(0) ack 101");
    fix_reads(sock, 0, 100);
    fix_peer(&f, "F. 101:101(0) ack 2");
    fix_we(&f, ". 2:2(0) ack 102");

    assert_int_equal(f.stack->stats.tcp_tw_made, 1);
    rn_sock_close(sock);
    fix_turn(&f);
    fix_silent(&f);
    tcp_fixture_fini(&f);
}

static void test_the_peer_closes_first(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    fix_peer(&f, "F. 1:1(0) ack 1");
    fix_we(&f, ". 1:1(0) ack 2");
    assert_int_equal(state_of(sock), RN_TCP_CLOSE_WAIT);
    fix_writes(&f, sock, 10);
    fix_we(&f, "P. 1:11(10) ack 2");
    fix_peer(&f, ". 2:2(0) ack 11");
    rn_sock_close(sock);
    fix_turn(&f);
    fix_we(&f, "F. 11:11(0) ack 2");
    fix_peer(&f, ". 2:2(0) ack 12");

    fix_turn(&f);
    assert_int_equal(f.stack->stats.tcp_tw_made, 0);
    fix_peer(&f, ". 2:2(0) ack 12");
    fix_we(&f, "R 12:12(0)");
    tcp_fixture_fini(&f);
}

static void test_both_close_at_once(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    assert_int_equal(rn_sock_shutdown(sock, RN_SHUT_WRITE), 0);
    fix_turn(&f);
    fix_we(&f, "F. 1:1(0) ack 1");

    fix_peer(&f, "F. 1:1(0) ack 1");
    fix_we(&f, ". 2:2(0) ack 2");
    assert_int_equal(state_of(sock), RN_TCP_CLOSING);
    fix_peer(&f, ". 2:2(0) ack 2");

    assert_int_equal(f.stack->stats.tcp_tw_made, 1);
    rn_sock_close(sock);
    tcp_fixture_fini(&f);
}

static void test_fin_with_the_ack_of_our_fin_is_two_events(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    rn_sock_close(sock);
    fix_turn(&f);
    fix_we(&f, "F. 1:1(0) ack 1");

    fix_peer(&f, "F. 1:1(0) ack 2");

    fix_we(&f, ". 2:2(0) ack 2");
    fix_turn(&f);
    assert_int_equal(f.stack->stats.tcp_tw_made, 1);
    tcp_fixture_fini(&f);
}

static void test_close_with_unread_data_sends_rst(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    fix_peer(&f, "P. 1:11(10) ack 1");
    fix_ignore(&f);

    rn_sock_close(sock);
    fix_turn(&f);

    fix_we(&f, "R. 1:1(0) ack 11");
    fix_silent(&f);
    tcp_fixture_fini(&f);
}

static void test_data_after_close_is_answered_by_rst(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    rn_sock_close(sock);
    fix_turn(&f);
    fix_we(&f, "F. 1:1(0) ack 1");

    fix_peer(&f, "P. 1:11(10) ack 2");

    fix_we(&f, "R 2:2(0)");
    assert_int_equal(f.stack->stats.tcp_aborts_on_data, 1);
    tcp_fixture_fini(&f);
}

static void test_linger_zero_closes_by_rst(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    assert_int_equal(rn_sock_set_opt(sock, RN_SO_LINGER_NS, 0), 0);

    rn_sock_close(sock);
    fix_turn(&f);

    fix_we(&f, "R. 1:1(0) ack 1");
    tcp_fixture_fini(&f);
}

static void test_an_orphan_in_fin_wait_2_ends_by_itself(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    rn_sock_close(sock);
    fix_turn(&f);
    fix_we(&f, "F. 1:1(0) ack 1");
    fix_peer(&f, ". 1:1(0) ack 2");

    fix_pass(&f, 61 * 1000);

    fix_silent(&f);
    fix_peer(&f, "F. 1:1(0) ack 2");
    fix_we(&f, "R 2:2(0)");
    tcp_fixture_fini(&f);
}

static void test_data_written_before_close_arrives_before_the_fin(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    static const char bytes[3000];

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    assert_int_equal(rn_tcp_write(sock, bytes, sizeof(bytes), 0), sizeof(bytes));
    rn_sock_close(sock);
    fix_turn(&f);

    fix_we(&f, ". 1:1461(1460) ack 1");
    fix_we(&f, ". 1461:2921(1460) ack 1");
    fix_we(&f, "FP. 2921:3001(80) ack 1");
    fix_peer(&f, "F. 1:1(0) ack 3002");
    fix_we(&f, ". 3002:3002(0) ack 2");
    tcp_fixture_fini(&f);
}

/* --- RFC 5961 --------------------------------------------------------------------------------------------------- */

static void test_rst_at_the_exact_number_resets(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    char byte;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    fix_watch(&f, sock);
    fix_peer(&f, "P. 1:11(10) ack 1");
    fix_ignore(&f);

    fix_peer(&f, "R 11:11(0)");

    fix_silent(&f);
    assert_int_equal(f.events & (RN_ERROR | RN_HANGUP), RN_ERROR | RN_HANGUP);
    fix_reads(sock, 0, 10); /* what came before is not lost */
    assert_int_equal(rn_tcp_read(sock, &byte, 1), RN_E_CONN_RESET);
    assert_int_equal(rn_tcp_read(sock, &byte, 1), 0);
    assert_int_equal(rn_tcp_write(sock, "x", 1, 0), RN_E_CLOSED_FOR_SEND);
    rn_sock_close(sock);
    tcp_fixture_fini(&f);
}

static void test_rst_in_the_window_is_challenged_and_outside_ignored(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    fix_peer(&f, "R 5:5(0)");
    fix_we(&f, ". 1:1(0) ack 1");
    fix_peer(&f, "R 4000000:4000000(0)");
    fix_silent(&f);

    assert_int_equal(state_of(sock), RN_TCP_ESTABLISHED);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_a_syn_in_an_established_connection_is_challenged(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    fix_peer(&f, "S 1:1(0) win 65535 <mss 1460>");
    fix_we(&f, ". 1:1(0) ack 1");
    fix_pass(&f, 600);
    fix_peer(&f, "S 3000000000:3000000000(0) win 65535 <mss 1460>");
    fix_we(&f, ". 1:1(0) ack 1");

    assert_int_equal(state_of(sock), RN_TCP_ESTABLISHED);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_acks_of_what_was_never_sent_or_long_ago_are_challenged(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    char byte;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    fix_peer(&f, "P. 1:11(10) ack 5000");
    fix_we(&f, ". 1:1(0) ack 1");
    fix_pass(&f, 600);
    fix_peer(&f, "P. 1:11(10) ack 4294000000");
    fix_we(&f, ". 1:1(0) ack 1");

    assert_int_equal(rn_tcp_read(sock, &byte, 1), RN_E_WOULD_BLOCK);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_challenges_are_limited_per_connection(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    for (unsigned i = 0; i < 100; i++)
        fix_peer(&f, "R 5:5(0)");
    fix_we(&f, ". 1:1(0) ack 1");
    fix_silent(&f);
    fix_pass(&f, 500);
    fix_peer(&f, "R 5:5(0)");
    fix_we(&f, ". 1:1(0) ack 1");

    assert_int_equal(f.stack->stats.tcp_challenge_limited, 99);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

/* --- RFC 7323 --------------------------------------------------------------------------------------------------- */

static void test_paws_drops_what_is_older_than_what_we_saw(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    char byte;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460,TS 1000 0>");
    f.knows_our_ts = true;
    fix_peer(&f, "P. 1:11(10) ack 1 <TS 1000 0>");
    fix_we(&f, ". 1:1(0) ack 11 <TS * 1000>");

    fix_peer(&f, "P. 11:21(10) ack 1 <TS 999 0>");

    fix_we(&f, ". 1:1(0) ack 11 <TS * 1000>");
    assert_int_equal(f.stack->stats.tcp_paws_drops, 1);
    fix_reads(sock, 0, 10);
    assert_int_equal(rn_tcp_read(sock, &byte, 1), RN_E_WOULD_BLOCK);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_after_24_days_any_timestamp_is_taken(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460,TS 1000 0>");
    fix_peer(&f, "P. 1:11(10) ack 1 <TS 1000 0>");
    fix_ignore(&f);

    fix_pass(&f, 25LL * 24 * 3600 * 1000);
    fix_peer(&f, "P. 11:21(10) ack 1 <TS 999 0>");

    fix_we(&f, ". 1:1(0) ack 21 <TS * 999>");
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_a_segment_without_its_timestamp_is_still_taken(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460,TS 1000 0>");

    fix_peer(&f, "P. 1:11(10) ack 1");

    fix_we(&f, ". 1:1(0) ack 11");
    fix_reads(sock, 0, 10);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_the_echoed_timestamp_is_of_the_oldest_unacknowledged_segment(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460,sackOK,TS 1000 0>");
    fix_peer(&f, ". 1:1001(1000) ack 1 <TS 1001 0>");
    fix_we(&f, ". 1:1(0) ack 1001 <TS * 1001>");

    fix_peer(&f, ". 2001:3001(1000) ack 1 <TS 1005 0>");
    fix_we(&f, ". 1:1(0) ack 1001 <TS * 1001,sack 2001:3001>");
    fix_peer(&f, ". 1001:2001(1000) ack 1 <TS 1003 0>");
    fix_we(&f, ". 1:1(0) ack 3001 <TS * 1003>");

    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

/* --- ECN, URG, ICMP ----------------------------------------------------------------------------------------------- */

static void test_urgent_data_stays_in_line(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    fix_peer(&f, "PU. 1:11(10) ack 1 urg 5");

    fix_reads(sock, 0, 10);
    fix_ignore(&f);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_congestion_is_echoed_until_the_peer_says_it_knows(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 1);
    fix_peer(&f, "SEW 0:0(0) win 65535 <mss 1460>");
    fix_we(&f, "SE. 0:0(0) ack 1");
    fix_peer(&f, ". 1:1(0) ack 1");
    sock = fix_accept(server);

    f.tos = 3; /* CE */
    fix_peer(&f, "P. 1:11(10) ack 1");
    fix_we(&f, "E. 1:1(0) ack 11");
    f.tos = 2;
    fix_peer(&f, "P. 11:21(10) ack 1");
    fix_we(&f, "E. 1:1(0) ack 21");
    fix_peer(&f, "PW. 21:31(10) ack 1");
    fix_we(&f, ". 1:1(0) ack 31");

    rn_sock_abort(sock);
    rn_sock_close(server);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_a_mark_without_negotiation_means_nothing(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    f.tos = 3;
    fix_peer(&f, "P. 1:11(10) ack 1");

    fix_we(&f, ". 1:1(0) ack 11");
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_keepalive_probes_are_answered(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    fix_peer(&f, ". 0:0(0) ack 1");
    fix_we(&f, ". 1:1(0) ack 1");
    fix_pass(&f, 1000);
    fix_peer(&f, ". 0:1(1) ack 1");
    fix_we(&f, ". 1:1(0) ack 1");

    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_header_prediction_takes_the_bulk_both_ways(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    for (uint32_t i = 0; i < 10; i++) {
        struct seg_text s = seg_parse(". 1:1(0) ack 1");

        s.seq = 1 + i * 1460;
        s.len = 1460;
        fix_peer_seg(&f, &s);
    }

    assert_int_equal(f.stack->stats.tcp_hp_hits, 10);
    fix_reads(sock, 0, 14600);
    fix_ignore(&f);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static unsigned n_probes;

static void on_probe(const struct rn_tcp_probe *probe, void *arg)
{
    struct rn_sock *sock = *(struct rn_sock **)arg;
    char byte;

    n_probes++;
    assert_int_equal(probe->len_bytes, 10);
    assert_int_equal(probe->info.state, RN_TCP_ESTABLISHED);
    assert_int_equal(rn_tcp_read(sock, &byte, 1), RN_E_BAD_STATE);
}

static void test_the_probe_sees_each_segment_and_may_not_act(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    n_probes = 0;
    rn_tcp_set_probe(f.stack, on_probe, &sock);

    fix_peer(&f, "P. 1:11(10) ack 1");

    assert_int_equal(n_probes, 1);
    rn_tcp_set_probe(f.stack, NULL, NULL);
    fix_ignore(&f);
    fix_reads(sock, 0, 10);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_we_close_first_and_end_in_time_wait),
        cmocka_unit_test(test_the_peer_closes_first),
        cmocka_unit_test(test_both_close_at_once),
        cmocka_unit_test(test_fin_with_the_ack_of_our_fin_is_two_events),
        cmocka_unit_test(test_close_with_unread_data_sends_rst),
        cmocka_unit_test(test_data_after_close_is_answered_by_rst),
        cmocka_unit_test(test_linger_zero_closes_by_rst),
        cmocka_unit_test(test_an_orphan_in_fin_wait_2_ends_by_itself),
        cmocka_unit_test(test_data_written_before_close_arrives_before_the_fin),
        cmocka_unit_test(test_rst_at_the_exact_number_resets),
        cmocka_unit_test(test_rst_in_the_window_is_challenged_and_outside_ignored),
        cmocka_unit_test(test_a_syn_in_an_established_connection_is_challenged),
        cmocka_unit_test(test_acks_of_what_was_never_sent_or_long_ago_are_challenged),
        cmocka_unit_test(test_challenges_are_limited_per_connection),
        cmocka_unit_test(test_paws_drops_what_is_older_than_what_we_saw),
        cmocka_unit_test(test_after_24_days_any_timestamp_is_taken),
        cmocka_unit_test(test_a_segment_without_its_timestamp_is_still_taken),
        cmocka_unit_test(test_the_echoed_timestamp_is_of_the_oldest_unacknowledged_segment),
        cmocka_unit_test(test_urgent_data_stays_in_line),
        cmocka_unit_test(test_congestion_is_echoed_until_the_peer_says_it_knows),
        cmocka_unit_test(test_a_mark_without_negotiation_means_nothing),
        cmocka_unit_test(test_keepalive_probes_are_answered),
        cmocka_unit_test(test_header_prediction_takes_the_bulk_both_ways),
        cmocka_unit_test(test_the_probe_sees_each_segment_and_may_not_act),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
