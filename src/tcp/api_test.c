#include "tcp_fixture.h"

#include "tcp/life.h"

static void test_preflight_answers_as_a_write_would(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct rn_endpoint to = { .port = 1 };

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_socket(&f);
    assert_int_equal(rn_sock_preflight(sock, NULL), RN_E_NOT_CONNECTED);
    assert_int_equal(rn_sock_preflight(sock, &to), RN_E_ALREADY_CONNECTED);
    rn_sock_close(sock);

    sock = fix_connecting(&f);
    (void)fix_next(&f);
    fix_watch(&f, sock);
    assert_int_equal(rn_sock_preflight(sock, NULL), RN_E_WOULD_BLOCK);
    fix_peer(&f, "S. 0:0(0) ack 1 win 65535 <mss 1460>");
    (void)fix_next(&f);
    assert_true((f.events & RN_WRITABLE) != 0);
    assert_int_equal(rn_sock_preflight(sock, NULL), 0);
    fix_silent(&f);

    assert_int_equal(rn_sock_set_opt(sock, RN_SO_SNDBUF, 5000), 0);
    assert_true(rn_tcp_write(sock, (uint8_t[65536]){ 0 }, 65536, 0) > 0);
    assert_int_equal(rn_sock_preflight(sock, NULL), RN_E_WOULD_BLOCK);
    assert_int_equal(rn_sock_shutdown(sock, RN_SHUT_WRITE), 0);
    assert_int_equal(rn_sock_preflight(sock, NULL), RN_E_CLOSED_FOR_SEND);
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_a_fresh_socket_says_it_is_not_connected(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    char byte;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_socket(&f);

    assert_int_equal(rn_tcp_read(sock, &byte, 1), RN_E_NOT_CONNECTED);
    assert_int_equal(rn_tcp_write(sock, "x", 1, 0), RN_E_NOT_CONNECTED);
    assert_int_equal(rn_sock_shutdown(sock, RN_SHUT_BOTH), RN_E_NOT_CONNECTED);
    assert_int_equal(rn_sock_accept(sock, &sock), RN_E_BAD_STATE);
    assert_int_equal(rn_sock_readiness(sock), 0);
    rn_sock_close(sock);
    tcp_fixture_fini(&f);
}

static void test_names_are_taken_once_and_only_if_they_are_ours(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct rn_sock *other;
    struct rn_endpoint name = { .addr = rn_addr_v4(0x01020304), .port = 99 };

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_socket(&f);
    other = fix_socket(&f);

    assert_int_equal(rn_sock_bind(sock, &name), RN_E_BAD_LOCAL_ADDR);
    name.addr = f.us;
    assert_int_equal(rn_sock_bind(sock, &name), 0);
    assert_int_equal(rn_sock_bind(sock, &name), RN_E_ALREADY_BOUND);
    assert_int_equal(rn_sock_bind(other, &name), RN_E_PORT_IN_USE);
    name.port = 0;
    assert_int_equal(rn_sock_bind(other, &name), 0);
    assert_in_range(rn_sock_local(other).port, 32768, 60999);
    rn_sock_close(sock);
    rn_sock_close(other);
    tcp_fixture_fini(&f);
}

static void test_two_listeners_share_a_port_only_by_reuseport(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *socks[3];
    struct rn_endpoint name = { .port = 99 };

    (void)state;
    tcp_fixture_init(&f);
    for (unsigned i = 0; i < 3; i++)
        socks[i] = fix_socket(&f);
    assert_int_equal(rn_sock_set_opt(socks[0], RN_SO_REUSEPORT, 1), 0);
    assert_int_equal(rn_sock_set_opt(socks[1], RN_SO_REUSEPORT, 1), 0);

    assert_int_equal(rn_sock_bind(socks[0], &name), 0);
    assert_int_equal(rn_sock_listen(socks[0], 1), 0);
    assert_int_equal(rn_sock_bind(socks[1], &name), 0);
    assert_int_equal(rn_sock_listen(socks[1], 1), 0);
    assert_int_equal(rn_sock_bind(socks[2], &name), RN_E_PORT_IN_USE);

    for (unsigned i = 0; i < 3; i++)
        rn_sock_close(socks[i]);
    tcp_fixture_fini(&f);
}

static void test_listening_without_a_name_takes_a_port(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_socket(&f);

    assert_int_equal(rn_sock_listen(sock, 1), 0);
    assert_int_equal(rn_sock_listen(sock, 5), 0); /* again: only the backlog changes */

    assert_in_range(rn_sock_local(sock).port, 32768, 60999);
    rn_sock_close(sock);
    tcp_fixture_fini(&f);
}

static void test_shutdown_of_reading_ends_waiting_and_still_gives_what_comes(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    char byte;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    fix_peer(&f, "P. 1:11(10) ack 1");
    fix_ignore(&f);

    assert_int_equal(rn_sock_shutdown(sock, RN_SHUT_READ), 0);

    fix_reads(sock, 0, 10);
    assert_int_equal(rn_tcp_read(sock, &byte, 1), 0);
    fix_peer(&f, "P. 11:21(10) ack 1");
    fix_we(&f, ". 1:1(0) ack 21");
    fix_reads(sock, 10, 10);
    assert_int_equal(rn_tcp_read(sock, &byte, 1), 0);
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_after_shutdown_of_writing_nothing_can_be_written(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    assert_int_equal(rn_sock_shutdown(sock, RN_SHUT_WRITE), 0);
    assert_int_equal(rn_sock_shutdown(sock, RN_SHUT_WRITE), 0);

    assert_int_equal(rn_tcp_write(sock, "x", 1, 0), RN_E_CLOSED_FOR_SEND);
    fix_turn(&f);
    fix_we(&f, "F. 1:1(0) ack 1");
    fix_silent(&f);
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_a_short_write_is_followed_by_writable(void **state)
{
    static const char bytes[100000];
    struct tcp_fixture f;
    struct rn_sock *sock;
    int64_t n;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    assert_int_equal(rn_sock_set_opt(sock, RN_SO_SNDBUF, 20000), 0);
    fix_watch(&f, sock);
    n = rn_tcp_write(sock, bytes, sizeof(bytes), 0);
    assert_in_range(n, 1, 20000);
    assert_int_equal(rn_tcp_write(sock, bytes, 1, 0), RN_E_WOULD_BLOCK);
    fix_turn(&f);
    f.events = 0;

    while (!rn_pktq_is_empty(&f.out)) {
        struct seg_text got = fix_next(&f);
        struct seg_text ack = seg_parse(". 1:1(0) ack 1");

        ack.ack = got.seq + got.len;
        fix_peer_seg(&f, &ack);
    }

    assert_int_equal(f.events & RN_WRITABLE, RN_WRITABLE);
    assert_int_equal(rn_tcp_send_room(sock), 20000);
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void on_release(void *arg)
{
    ++*(unsigned *)arg;
}

static void test_lent_memory_comes_back_as_an_event_when_acknowledged(void **state)
{
    static const uint8_t bytes[3000];
    struct tcp_fixture f;
    struct rn_sock *sock;
    unsigned n_released = 0;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    assert_int_equal(
        rn_tcp_write_ref(sock, (struct rn_slice){ bytes, sizeof(bytes) }, on_release, &n_released),
        sizeof(bytes));
    fix_turn(&f);
    fix_ignore(&f);
    assert_int_equal(n_released, 0);
    fix_peer(&f, ". 1:1(0) ack 3001");

    assert_int_equal(n_released, 1);
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_lent_memory_comes_back_when_the_connection_is_gone(void **state)
{
    static const uint8_t bytes[3000];
    struct tcp_fixture f;
    struct rn_sock *sock;
    unsigned n_released = 0;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    assert_int_equal(
        rn_tcp_write_ref(sock, (struct rn_slice){ bytes, sizeof(bytes) }, on_release, &n_released),
        sizeof(bytes));

    rn_sock_abort(sock);
    fix_turn(&f);
    rn_pktq_free_all(&f.out);
    fix_turn(&f);

    assert_int_equal(n_released, 1);
    tcp_fixture_fini(&f);
}

static void test_drained_is_told_when_asked_for(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    assert_int_equal(rn_sock_set_opt(sock, RN_SO_WANT_DRAINED, 1), 0);
    fix_watch(&f, sock);
    fix_writes(&f, sock, 100);
    fix_ignore(&f);
    assert_int_equal(f.events & RN_DRAINED, 0);

    fix_peer(&f, ". 1:1(0) ack 101");

    assert_int_equal(f.events & RN_DRAINED, RN_DRAINED);
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_readable_waits_for_the_low_water_mark(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    assert_int_equal(rn_sock_set_opt(sock, RN_SO_RCVLOWAT, 100), 0);
    fix_watch(&f, sock);
    fix_turn(&f);
    f.events = 0;

    fix_peer(&f, "P. 1:51(50) ack 1");
    assert_int_equal(f.events & RN_READABLE, 0);
    fix_peer(&f, "P. 51:101(50) ack 1");

    assert_int_equal(f.events & RN_READABLE, RN_READABLE);
    fix_ignore(&f);
    fix_reads(sock, 0, 100);
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_linger_bounds_what_is_left_to_do_after_close(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct seg_text last = { 0 };

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    assert_int_equal(rn_sock_set_opt(sock, RN_SO_LINGER_NS, 3 * RN_NS_PER_S), 0);
    fix_writes(&f, sock, 100);

    rn_sock_close(sock);
    fix_pass(&f, 2900);
    fix_ignore(&f);
    fix_pass(&f, 200);

    while (!rn_pktq_is_empty(&f.out))
        last = fix_next(&f);
    assert_int_equal(last.flags & RN_TCP_RST, RN_TCP_RST);
    fix_pass(&f, 10000);
    fix_silent(&f);
    tcp_fixture_fini(&f);
}

static void test_new_connections_take_the_congestion_controller_of_their_stack(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *before;
    struct rn_sock *after;

    (void)state;
    tcp_fixture_init(&f);
    assert_int_equal(rn_tcp_new(&before, f.stack), RN_OK);
    assert_int_equal(rn_tcp_set_default_congestion(f.stack, "none such"), RN_E_NOT_FOUND);
    assert_int_equal(rn_tcp_set_default_congestion(f.stack, "bbr"), RN_OK);
    assert_int_equal(rn_tcp_new(&after, f.stack), RN_OK);
    assert_string_equal(rn_tcp_congestion(before), "cubic");
    assert_string_equal(rn_tcp_congestion(after), "bbr");
    rn_sock_close(before);
    rn_sock_close(after);

    assert_int_equal(rn_tcp_set_default_congestion(f.stack, NULL), RN_OK);
    assert_int_equal(rn_tcp_new(&after, f.stack), RN_OK);
    assert_string_equal(rn_tcp_congestion(after), "cubic");
    rn_sock_close(after);
    tcp_fixture_fini(&f);
}

static void test_a_name_in_time_wait_is_taken_again_by_timestamps(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct rn_endpoint local = { .port = 5000 };
    struct rn_endpoint remote;
    uint32_t old_isn;

    (void)state;
    tcp_fixture_init(&f);
    local.addr = f.us;
    remote = (struct rn_endpoint){ .addr = f.them, .port = f.their_port };
    sock = fix_socket(&f);
    assert_int_equal(rn_sock_set_opt(sock, RN_SO_REUSEADDR, 1), 0);
    assert_int_equal(rn_sock_bind(sock, &local), 0);
    assert_int_equal(rn_sock_connect(sock, &remote), RN_E_CONNECT_STARTED);
    fix_turn(&f);
    fix_we(&f, "S 0:0(0)");
    fix_peer(&f, "S. 0:0(0) ack 1 win 65535 <mss 1460,TS 1 0>");
    fix_we(&f, ". 1:1(0) ack 1");
    rn_sock_close(sock);
    fix_turn(&f);
    fix_we(&f, "F. 1:1(0) ack 1");
    fix_peer(&f, "F. 1:1(0) ack 2 <TS 2 0>");
    fix_ignore(&f);
    old_isn = f.our_isn;

    sock = fix_socket(&f);
    assert_int_equal(rn_sock_set_opt(sock, RN_SO_REUSEADDR, 1), 0);
    assert_int_equal(rn_sock_bind(sock, &local), 0);
    assert_int_equal(rn_sock_connect(sock, &remote), RN_E_PORT_IN_USE);
    rn_sock_close(sock);
    fix_pass(&f, 1500);
    sock = fix_socket(&f);
    assert_int_equal(rn_sock_set_opt(sock, RN_SO_REUSEADDR, 1), 0);
    assert_int_equal(rn_sock_bind(sock, &local), 0);
    assert_int_equal(rn_sock_connect(sock, &remote), RN_E_CONNECT_STARTED);
    fix_turn(&f);
    f.knows_our_isn = false;
    (void)fix_next(&f);

    assert_int_equal(f.our_isn - old_isn, 2 + 65537);
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_every_option_reads_back_what_was_set_and_refuses_nonsense(void **state)
{
    static const struct {
        enum rn_sock_opt opt;
        int64_t good;
        int64_t bad;
    } opts[] = {
        { RN_SO_KEEPALIVE, 1, 2 },
        { RN_SO_WANT_DRAINED, 1, -1 },
        { RN_SO_LINGER_NS, 5, -2 },
        { RN_SO_SNDBUF, 50000, -1 },
        { RN_SO_RCVBUF, 50000, -1 },
        { RN_SO_RCVLOWAT, 7, 0 },
        { RN_TCP_NODELAY, 1, 3 },
        { RN_TCP_CORK, 1, 3 },
        { RN_TCP_QUICKACK, 1, 3 },
        { RN_TCP_MAXSEG, 1000, 87 },
        { RN_TCP_KEEPIDLE_NS, 5 * RN_NS_PER_S, 0 },
        { RN_TCP_KEEPINTVL_NS, 6 * RN_NS_PER_S, 0 },
        { RN_TCP_KEEPCNT, 3, 128 },
        { RN_TCP_USER_TIMEOUT_NS, RN_NS_PER_S, -1 },
        { RN_TCP_LINGER2_NS, RN_NS_PER_S, -1 },
        { RN_TCP_SYNCNT, 3, 0 },
        { RN_TCP_DEFER_ACCEPT_NS, RN_NS_PER_S, -1 },
        { RN_TCP_WINDOW_CLAMP, 30000, -1 },
        { RN_TCP_NOTSENT_LOWAT, 1000, -1 },
        { RN_TCP_MAX_PACING_RATE, 1000000, -2 },
        { RN_TCP_TIMEWAIT_NS, RN_NS_PER_S, -1 },
        { RN_TCP_ECN, 1, 6 },
        { RN_TCP_ECN, 0, -1 },
        { RN_TCP_ECN, 4, 6 },
        { RN_TCP_ECN, 5, 6 },
        { RN_TCP_ECN, 3, 6 },
        { RN_TCP_ECN, 2, 6 },
        { RN_TCP_TIMESTAMPS, 0, 2 },
        { RN_TCP_SACK, 0, 2 },
        { RN_TCP_WSCALE, 0, 2 },
        { RN_TCP_FASTOPEN, 5, -1 },
        { RN_TCP_FASTOPEN_CONNECT, 1, 2 },
        { RN_TCP_FASTOPEN_NO_COOKIE, 1, 2 },
        { RN_TCP_RCVBUF_MOST, 100000, 0 },
    };
    struct tcp_fixture f;
    struct rn_sock *sock;
    int64_t value;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_socket(&f);

    for (size_t i = 0; i < RN_ARRAY_LEN(opts); i++) {
        assert_int_equal(rn_sock_set_opt(sock, opts[i].opt, opts[i].bad), RN_E_BAD_OPTION);
        assert_int_equal(rn_sock_set_opt(sock, opts[i].opt, opts[i].good), 0);
        assert_int_equal(rn_sock_get_opt(sock, opts[i].opt, &value), 0);
        assert_int_equal(value, opts[i].good);
    }
    assert_int_equal(rn_sock_set_opt(sock, RN_UDP_NO_CHECKSUM, 1), RN_E_NO_PROTO_OPTION);
    rn_sock_close(sock);
    tcp_fixture_fini(&f);
}

static void test_inq_and_outq_count_what_waits(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    int64_t value;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    fix_peer(&f, "P. 1:11(10) ack 1");
    fix_writes(&f, sock, 33);
    fix_ignore(&f);

    assert_int_equal(rn_sock_get_opt(sock, RN_SO_INQ, &value), 0);
    assert_int_equal(value, 10);
    assert_int_equal(rn_sock_get_opt(sock, RN_SO_OUTQ, &value), 0);
    assert_int_equal(value, 33);
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_the_window_clamp_bounds_what_is_announced(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 1);
    assert_int_equal(rn_sock_set_opt(server, RN_TCP_WINDOW_CLAMP, 5000), 0);

    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");

    fix_we(&f, "S. 0:0(0) ack 1 win 5000");
    rn_sock_close(server);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_info_tells_what_happened(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct rn_tcp_info info;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460,sackOK,wscale 2>");
    fix_writes(&f, sock, 1000);
    fix_ignore(&f);
    fix_pass(&f, 20);
    fix_peer(&f, "P. 1:101(100) ack 1001 win 1000");

    assert_int_equal(rn_tcp_get_info(sock, &info), 0);

    assert_int_equal(info.state, RN_TCP_ESTABLISHED);
    assert_true(info.has_sack && info.has_wscale && !info.has_timestamps);
    assert_int_equal(info.bytes_acked, 1000);
    assert_int_equal(info.bytes_received, 100);
    assert_int_equal(info.data_segs_in, 1);
    assert_int_equal(info.snd_wnd, 4000);
    assert_int_equal(info.snd_mss, 1460);
    assert_in_range(info.min_rtt_ns, 1, 20 * RN_NS_PER_MS);
    fix_ignore(&f);
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

/* The tables of all states: legal events move, the others are a broken invariant that ends the connection. */
static void test_an_event_that_cannot_happen_ends_only_its_connection(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    fix_watch(&f, sock);

    rn_tcp_move(rn_container_of(sock, struct rn_tcp, sock), RN_TCP_EV_SYN_ACKED);
    fix_turn(&f);

    assert_int_equal(f.stack->stats.tcp_invariant_broken, 1);
    assert_int_equal(f.events & RN_HANGUP, RN_HANGUP);
    f.stack->stats.tcp_invariant_broken = 0; /* it was us */
    rn_sock_close(sock);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_fresh_socket_says_it_is_not_connected),
        cmocka_unit_test(test_names_are_taken_once_and_only_if_they_are_ours),
        cmocka_unit_test(test_two_listeners_share_a_port_only_by_reuseport),
        cmocka_unit_test(test_listening_without_a_name_takes_a_port),
        cmocka_unit_test(test_shutdown_of_reading_ends_waiting_and_still_gives_what_comes),
        cmocka_unit_test(test_after_shutdown_of_writing_nothing_can_be_written),
        cmocka_unit_test(test_a_short_write_is_followed_by_writable),
        cmocka_unit_test(test_lent_memory_comes_back_as_an_event_when_acknowledged),
        cmocka_unit_test(test_lent_memory_comes_back_when_the_connection_is_gone),
        cmocka_unit_test(test_drained_is_told_when_asked_for),
        cmocka_unit_test(test_readable_waits_for_the_low_water_mark),
        cmocka_unit_test(test_linger_bounds_what_is_left_to_do_after_close),
        cmocka_unit_test(test_new_connections_take_the_congestion_controller_of_their_stack),
        cmocka_unit_test(test_a_name_in_time_wait_is_taken_again_by_timestamps),
        cmocka_unit_test(test_every_option_reads_back_what_was_set_and_refuses_nonsense),
        cmocka_unit_test(test_inq_and_outq_count_what_waits),
        cmocka_unit_test(test_the_window_clamp_bounds_what_is_announced),
        cmocka_unit_test(test_info_tells_what_happened),
        cmocka_unit_test(test_an_event_that_cannot_happen_ends_only_its_connection),
        cmocka_unit_test(test_preflight_answers_as_a_write_would),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
