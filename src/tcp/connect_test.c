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
    assert_int_equal(rn_sock_connect(sock, &remote), 0); /* the outcome, once */
    assert_int_equal(rn_sock_connect(sock, &remote), RN_E_ALREADY_CONNECTED);
    fix_ignore(&f);
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);

    f.knows_our_isn = false;
    f.knows_our_ts = false;
    sock = fix_connecting(&f);
    (void)fix_next(&f);
    fix_peer(&f, "R. 0:0(0) ack 1");
    assert_int_equal(rn_sock_connect(sock, &remote), RN_E_CONN_REFUSED);
    assert_int_equal(rn_sock_connect(sock, &remote), RN_E_ALREADY_CONNECTED);
    rn_sock_close(sock);
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

/* --- ICMP errors about us ---------------------------------------------------------------------------------------- */

/* An ICMP error of @type and @code that quotes a segment of ours at @seq (relative); @mtu for type 3 code 4. */
static void feed_icmp(struct tcp_fixture *f, uint16_t type_code, uint32_t seq, uint16_t mtu)
{
    uint8_t bytes[56] = { 0 };
    struct rn_ipv4_hdr outer = {
        .src = f->them, .dst = f->us, .total_len = 56, .ttl = 64, .proto = RN_PROTO_ICMP4
    };
    struct rn_ipv4_hdr quoted = { .src = f->us,
                                  .dst = f->them,
                                  .total_len = 60,
                                  .ttl = 63,
                                  .proto = RN_PROTO_TCP,
                                  .dont_fragment = true };
    struct rn_pktq in = { 0 };

    rn_ipv4_emit(&outer, bytes);
    rn_put_be16(bytes + 20, type_code);
    rn_put_be16(bytes + 26, mtu);
    rn_ipv4_emit(&quoted, bytes + 28);
    rn_put_be16(bytes + 48, f->our_port);
    rn_put_be16(bytes + 50, f->their_port);
    rn_put_be32(bytes + 52, f->our_isn + seq);
    rn_put_be16(bytes + 22, (uint16_t)~rn_checksum(bytes + 20, 36, 0));
    rn_pktq_push(&in, rn_pkt_from_bytes(f->t.pool, bytes, sizeof(bytes)));
    rn_turn_begin(&f->t.turn, f->t.turn.now_ns);
    rn_nic_input(f->nic, &in);
    rn_turn_end(&f->t.turn);
    fix_collect(f);
}

static void test_unreachable_ends_an_attempt_with_its_own_error(void **state)
{
    static const struct {
        uint16_t type_code;
        int err;
    } errors[] = {
        { 0x0300, RN_E_NET_UNREACH },
        { 0x0301, RN_E_HOST_UNREACH },
        { 0x0303, RN_E_CONN_REFUSED },
        { 0x030d, RN_E_HOST_UNREACH },
    };

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(errors); i++) {
        struct tcp_fixture f;
        struct rn_sock *sock;

        tcp_fixture_init(&f);
        sock = fix_connecting(&f);
        (void)fix_next(&f);

        feed_icmp(&f, errors[i].type_code, 0, 0);

        assert_int_equal(rn_sock_take_error(sock), errors[i].err);
        rn_sock_close(sock);
        tcp_fixture_fini(&f);
    }
}

static void test_an_error_that_quotes_nothing_in_flight_is_forged(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct rn_tcp_info info;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connecting(&f);
    (void)fix_next(&f);

    feed_icmp(&f, 0x0301, 77, 0);

    assert_int_equal(rn_tcp_get_info(sock, &info), 0);
    assert_int_equal(info.state, RN_TCP_SYN_SENT);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_an_established_connection_outlives_unreachable(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct rn_tcp_info info;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    fix_writes(&f, sock, 100);
    fix_ignore(&f);

    feed_icmp(&f, 0x0301, 1, 0);
    feed_icmp(&f, 0x0303, 1, 0);

    assert_int_equal(rn_tcp_get_info(sock, &info), 0);
    assert_int_equal(info.state, RN_TCP_ESTABLISHED);
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_too_big_makes_segments_smaller_but_not_below_the_floor(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct rn_tcp_info info;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    fix_writes(&f, sock, 1460);
    fix_we(&f, ". 1:1461(1460) ack 1");

    feed_icmp(&f, 0x0304, 5000, 600); /* quotes what we never sent */
    fix_turn(&f);
    fix_silent(&f);
    feed_icmp(&f, 0x0304, 1, 1000);
    fix_turn(&f);
    fix_we(&f, ". 1:961(960) ack 1");
    fix_we(&f, "P. 961:1461(500) ack 1");
    feed_icmp(&f, 0x0304, 1, 40);
    fix_turn(&f);
    fix_ignore(&f);

    assert_int_equal(rn_tcp_get_info(sock, &info), 0);
    assert_int_equal(info.snd_mss, 552 - 40);
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_keepalive_asked_for_before_connecting_is_kept(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connecting(&f);
    assert_int_equal(rn_sock_set_opt(sock, RN_SO_KEEPALIVE, 1), 0);
    assert_int_equal(rn_sock_set_opt(sock, RN_TCP_KEEPIDLE_NS, 10 * RN_NS_PER_S), 0);
    (void)fix_next(&f);
    fix_peer(&f, "S. 0:0(0) ack 1 win 65535 <mss 1460>");
    fix_we(&f, ". 1:1(0) ack 1");
    fix_pass(&f, 9000);
    fix_silent(&f);

    fix_pass(&f, 2000);

    fix_we(&f, ". 0:0(0) ack 1");
    rn_sock_abort(sock);
    fix_turn(&f);
    rn_pktq_free_all(&f.out);
    tcp_fixture_fini(&f);
}

/* A thread that slept while connect() was called outside of a turn: the SYN has the time of before. */
static void test_the_echo_of_a_syn_from_before_a_long_sleep_is_ours(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connecting(&f);
    (void)fix_next(&f);
    rn_test_turn_at(&f.t, f.t.turn.now_ns + 3600 * RN_NS_PER_S);
    fix_collect(&f);
    fix_ignore(&f);

    fix_peer(&f, "S. 0:0(0) ack 1 win 65535 <mss 1460,TS 1 0>");

    assert_true((rn_sock_readiness(sock) & RN_WRITABLE) != 0);
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

/* One claim for all that talk from one port to different remotes; the port is free when the last of them is gone. */
static void test_conversations_of_one_port_share_their_claim(void **state)
{
    struct rn_stack_opts opts = { .port_first = 50000, .port_last = 50000 };
    struct tcp_fixture f;
    struct rn_sock *socks[300];
    struct rn_sock *other;
    struct rn_endpoint name = { .port = 50000 };

    (void)state;
    tcp_fixture_init_with(&f, &opts);
    for (unsigned i = 0; i < RN_ARRAY_LEN(socks); i++) {
        f.them = rn_addr_v4(0x0b000001 + i);
        socks[i] = fix_connecting(&f);
    }
    assert_ptr_equal(socks[0]->claim, socks[255]->claim);
    assert_ptr_not_equal(socks[0]->claim, socks[256]->claim); /* as many as are counted */

    other = fix_socket(&f);
    for (unsigned i = 0; i < RN_ARRAY_LEN(socks); i++) {
        assert_int_equal(rn_sock_bind(other, &name), RN_E_PORT_IN_USE);
        rn_sock_abort(socks[i]);
    }
    assert_int_equal(rn_sock_bind(other, &name), 0);
    rn_sock_close(other);
    fix_turn(&f);
    rn_pktq_free_all(&f.out);
    tcp_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keepalive_asked_for_before_connecting_is_kept),
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
        cmocka_unit_test(test_unreachable_ends_an_attempt_with_its_own_error),
        cmocka_unit_test(test_an_error_that_quotes_nothing_in_flight_is_forged),
        cmocka_unit_test(test_an_established_connection_outlives_unreachable),
        cmocka_unit_test(test_too_big_makes_segments_smaller_but_not_below_the_floor),
        cmocka_unit_test(test_the_echo_of_a_syn_from_before_a_long_sleep_is_ours),
        cmocka_unit_test(test_conversations_of_one_port_share_their_claim),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
