#include "tcp_fixture.h"

#include "tcp/listen.h"

static void test_a_listener_answers_with_the_options_the_syn_had(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 8);

    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460,sackOK,TS 5 0,wscale 3>");
    fix_we(&f, "S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,TS * 5,wscale 7>");

    f.their_port++;
    f.knows_our_isn = false;
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    fix_we(&f, "S. 0:0(0) ack 1 <mss 1460>");
    rn_sock_close(server);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_accept_gives_the_connection_when_the_handshake_is_done(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 8);
    fix_watch(&f, server);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    fix_we(&f, "S. 0:0(0) ack 1");
    assert_int_equal(rn_sock_accept(server, &sock), RN_E_WOULD_BLOCK);

    fix_peer(&f, ". 1:1(0) ack 1");

    assert_int_equal(f.events & RN_READABLE, RN_READABLE);
    sock = fix_accept(server);
    assert_int_equal(rn_sock_remote(sock).port, f.their_port);
    assert_int_equal(rn_sock_local(sock).port, 8080);
    rn_sock_abort(sock);
    assert_int_equal(rn_sock_accept(server, &sock), RN_E_WOULD_BLOCK);
    rn_sock_close(server);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void echo(struct rn_sock *sock, unsigned events, void *arg)
{
    uint8_t bytes[100];
    int64_t n = rn_tcp_read(sock, bytes, sizeof(bytes));

    (void)events;
    (void)arg;
    if (n > 0)
        assert_int_equal(rn_tcp_write(sock, bytes, (size_t)n, 0), n);
}

static void accept_and_echo(struct rn_sock *server, unsigned events, void *arg)
{
    struct rn_sock **accepted = arg;

    (void)events;
    assert_int_equal(rn_sock_accept(server, accepted), 0);
    rn_sock_on_event(*accepted, echo, NULL);
}

static void test_the_ack_of_a_request_that_came_along_rides_on_its_answer(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock = NULL;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 8);
    rn_sock_on_event(server, accept_and_echo, &sock);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    fix_we(&f, "S. 0:0(0) ack 1");

    fix_peer(&f, "P. 1:101(100) ack 1");

    fix_we(&f, "P. 1:101(100) ack 101");
    rn_sock_abort(sock);
    rn_sock_close(server);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_data_that_came_before_accept_is_kept(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 8);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    fix_we(&f, "S. 0:0(0) ack 1");

    fix_peer(&f, "P. 1:101(100) ack 1");

    fix_we(&f, ". 1:1(0) ack 101");
    sock = fix_accept(server);
    fix_reads(sock, 0, 100);
    rn_sock_abort(sock);
    rn_sock_close(server);
    tcp_fixture_fini(&f);
}

static void test_a_repeated_syn_gets_the_same_answer(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 8);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    fix_we(&f, "S. 0:0(0) ack 1");

    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");

    fix_we(&f, "S. 0:0(0) ack 1");
    rn_sock_close(server);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_rst_ends_a_half_open_connection_and_the_listener_goes_on(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 8);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    fix_we(&f, "S. 0:0(0) ack 1");

    fix_peer(&f, "R 1:1(0)");

    fix_pass(&f, 5000);
    fix_silent(&f);
    f.knows_our_isn = false;
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    fix_we(&f, "S. 0:0(0) ack 1");
    fix_peer(&f, ". 1:1(0) ack 1");
    sock = fix_accept(server);
    rn_sock_abort(sock);
    rn_sock_close(server);
    tcp_fixture_fini(&f);
}

static void test_a_wrong_ack_of_the_handshake_is_reset(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 8);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    fix_we(&f, "S. 0:0(0) ack 1");

    fix_peer(&f, ". 1:1(0) ack 77");

    fix_we(&f, "R 77:77(0)");
    rn_sock_close(server);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_ack_to_a_listener_is_reset_and_rst_is_not_answered(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 8);

    fix_peer(&f, ". 5:5(0) ack 9");
    fix_we(&f, "R 9:9(0)");
    fix_peer(&f, "R 5:5(0)");
    fix_peer(&f, "R. 5:5(0) ack 9");
    fix_peer(&f, "SF 0:0(0)");
    fix_peer(&f, "F 0:0(0)");
    fix_peer(&f, "- 0:0(0)");

    fix_silent(&f);
    rn_sock_close(server);
    tcp_fixture_fini(&f);
}

static void test_a_full_accept_queue_drops_syns_and_last_acks(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 1);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    (void)fix_next(&f);
    fix_peer(&f, ". 1:1(0) ack 1");
    f.their_port++;
    f.knows_our_isn = false;

    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");

    fix_silent(&f);
    assert_int_equal(f.stack->stats.tcp_listen_overflows, 1);
    sock = fix_accept(server);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    fix_we(&f, "S. 0:0(0) ack 1");
    rn_sock_abort(sock);
    rn_sock_close(server);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_closing_a_listener_resets_whom_nobody_accepted(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 8);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    (void)fix_next(&f);
    fix_peer(&f, ". 1:1(0) ack 1");

    rn_sock_close(server);
    fix_turn(&f);

    fix_we(&f, "R. 1:1(0) ack 1");
    fix_silent(&f);
    tcp_fixture_fini(&f);
}

static void test_the_syn_ack_is_repeated_and_the_half_open_forgotten(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    unsigned n = 0;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 8);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");

    fix_pass(&f, 200 * 1000);

    while (!rn_pktq_is_empty(&f.out)) {
        fix_we(&f, "S. 0:0(0) ack 1");
        n++;
    }
    assert_in_range(n, 3, 7);
    rn_sock_close(server);
    fix_turn(&f);
    fix_silent(&f);
    tcp_fixture_fini(&f);
}

static void test_defer_accept_waits_for_data(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 8);
    assert_int_equal(rn_sock_set_opt(server, RN_TCP_DEFER_ACCEPT_NS, 5 * RN_NS_PER_S), 0);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    (void)fix_next(&f);

    fix_peer(&f, ". 1:1(0) ack 1");
    assert_int_equal(rn_sock_accept(server, &sock), RN_E_WOULD_BLOCK);
    fix_peer(&f, "P. 1:11(10) ack 1");

    sock = fix_accept(server);
    fix_reads(sock, 0, 10);
    rn_sock_abort(sock);
    rn_sock_close(server);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

/* Fills the half-open queue with strangers. */
static void flood(struct tcp_fixture *f)
{
    uint16_t port = f->their_port;

    for (unsigned i = 0; i < RN_TCP_HALF_OPEN_MAX; i++) {
        f->their_port = (uint16_t)(1000 + i);
        fix_peer(f, "S 0:0(0) win 65535 <mss 1460>");
        fix_ignore(f);
    }
    f->their_port = port;
    f->knows_our_isn = false;
    f->knows_our_ts = false;
}

static void test_a_cookie_keeps_mss_wscale_and_sack_in_isn_and_timestamp(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock;
    struct rn_tcp_info info;
    size_t n_allocated;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 8);
    flood(&f);
    n_allocated = f.t.alloc.n_live;

    fix_peer(&f, "S 0:0(0) win 65535 <mss 1300,sackOK,TS 40 0,wscale 5>");
    fix_we(&f, "S. 0:0(0) ack 1 <mss 1460,sackOK,TS 0 40,wscale 7>");
    assert_int_equal(f.t.alloc.n_live, n_allocated);
    fix_peer(&f, "P. 1:11(10) ack 1 win 1000 <TS 41 0>");

    sock = fix_accept(server);
    assert_int_equal(f.stack->stats.tcp_cookies_recv, 1);
    fix_reads(sock, 0, 10);
    assert_int_equal(rn_tcp_get_info(sock, &info), 0);
    assert_true(info.has_sack && info.has_timestamps && info.has_wscale);
    assert_int_equal(info.snd_wscale, 5);
    assert_int_equal(info.snd_wnd, 1000 << 5);
    assert_int_equal(info.snd_mss, 1300 - 12);
    rn_sock_abort(sock);
    rn_sock_close(server);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

/* What the SYN+ACK did not agree to must not be done: the ECN bit travels in the timestamp, and only there. */
static void test_a_cookie_answers_ecn_and_maxseg_as_a_half_open_connection_does(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock;
    struct rn_tcp_info info;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 8);
    assert_int_equal(rn_sock_set_opt(server, RN_TCP_MAXSEG, 1000), 0);
    assert_int_equal(rn_sock_set_opt(server, RN_TCP_WINDOW_CLAMP, 20000), 0);
    flood(&f);

    fix_peer(&f, "SEW 0:0(0) win 65535 <mss 1300,TS 40 0>");
    fix_we(&f, "SE. 0:0(0) ack 1 win 20000 <mss 1000,TS 0 40>");
    fix_peer(&f, "P. 1:11(10) ack 1 <TS 41 0>");
    sock = fix_accept(server);
    assert_int_equal(rn_tcp_get_info(sock, &info), 0);
    assert_true(info.has_ecn);
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);

    f.their_port++;
    f.knows_our_isn = false;
    f.knows_our_ts = false;
    fix_peer(&f, "SEW 0:0(0) win 65535 <mss 1300>");
    fix_we(&f, "S. 0:0(0) ack 1 win 20000 <mss 1000>");
    rn_sock_close(server);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

/* RFC 9768 §5.1: the ACK itself says that AccECN was agreed on, so it needs no timestamps. */
static void test_a_cookie_remembers_accurate_ecn_by_the_ack(void **state)
{
    static const struct {
        const char *ack;
        bool is_accurate;
        bool sends_ect;
    } peers[] = {
        { "W. 1:1(0) ack 1", true, true },     { "EA. 1:1(0) ack 1", true, true },
        { "A. 1:1(0) ack 1", true, false }, /* our SYN+ACK came as ECT(0), which it was not */
        { "EAP. 1:11(10) ack 1", true, true }, { ". 1:1(0) ack 1", false, false },
        { "E. 1:1(0) ack 1", false, false },
    };
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock;
    struct rn_tcp_info info;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 8);
    assert_int_equal(rn_sock_set_opt(server, RN_TCP_ECN, RN_TCP_ECN_ACCURATE_GRANT), 0);
    flood(&f);

    for (size_t i = 0; i < RN_ARRAY_LEN(peers); i++) {
        f.their_port++;
        f.knows_our_isn = false;
        fix_peer(&f, "SEWA 0:0(0) win 65535 <mss 1300>");
        fix_we(&f, "SW. 0:0(0) ack 1");
        fix_peer(&f, peers[i].ack);
        sock = fix_accept(server);
        assert_int_equal(rn_tcp_get_info(sock, &info), 0);
        assert_int_equal(info.has_accurate_ecn, peers[i].is_accurate);
        assert_int_equal(info.has_ecn, peers[i].is_accurate);
        assert_int_equal(info.sends_ect, peers[i].sends_ect);
        rn_sock_abort(sock);
        fix_turn(&f);
        fix_ignore(&f);
    }
    rn_sock_close(server);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_a_cookie_waits_for_data_too(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock;
    size_t n_allocated;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 8);
    assert_int_equal(rn_sock_set_opt(server, RN_TCP_DEFER_ACCEPT_NS, 5 * RN_NS_PER_S), 0);
    flood(&f);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    (void)fix_next(&f);
    n_allocated = f.t.alloc.n_live;

    fix_peer(&f, ". 1:1(0) ack 1");
    assert_int_equal(f.t.alloc.n_live, n_allocated);
    assert_int_equal(rn_sock_accept(server, &sock), RN_E_WOULD_BLOCK);
    fix_peer(&f, "P. 1:11(10) ack 1");

    sock = fix_accept(server);
    fix_reads(sock, 0, 10);
    rn_sock_abort(sock);
    rn_sock_close(server);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

/* The peer goes by what the SYN+ACK said, whatever the listener's options became meanwhile. */
static void test_a_connection_keeps_the_promises_of_its_syn_ack(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock;
    struct rn_tcp_info info;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 8);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460,wscale 7>");
    fix_we(&f, "S. 0:0(0) ack 1 win 65535 <mss 1460,wscale 7>");

    assert_int_equal(rn_sock_set_opt(server, RN_TCP_WINDOW_CLAMP, 5000), 0);
    fix_peer(&f, ". 1:1(0) ack 1");
    sock = fix_accept(server);

    assert_int_equal(rn_tcp_get_info(sock, &info), 0);
    assert_int_equal(info.rcv_wscale, 7);
    assert_true(info.rcv_wnd >= 65535);
    rn_sock_abort(sock);
    rn_sock_close(server);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

/* What resent its SYN+ACK starts slowly, and takes no RTT from an ACK that may answer either (RFC 6298 §3, §5.7). */
static void test_a_connection_inherits_the_fate_of_its_syn_ack(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock;
    struct rn_tcp_info info;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 8);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    fix_pass(&f, 50);
    fix_ignore(&f);
    fix_peer(&f, ". 1:1(0) ack 1");
    sock = fix_accept(server);
    assert_int_equal(rn_tcp_get_info(sock, &info), 0);
    assert_in_range(info.srtt_ns, 49 * RN_NS_PER_MS, 51 * RN_NS_PER_MS);
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);

    f.their_port++;
    f.knows_our_isn = false;
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    fix_pass(&f, 4000);
    fix_ignore(&f);
    fix_peer(&f, ". 1:1(0) ack 1");
    sock = fix_accept(server);
    assert_int_equal(rn_tcp_get_info(sock, &info), 0);
    assert_int_equal(info.srtt_ns, 0);
    assert_int_equal(info.cwnd, 1460);
    assert_int_equal(info.total_retrans_pkts, 2);
    rn_sock_abort(sock);
    rn_sock_close(server);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

/* RFC 5961 holds before the handshake is done, too. */
static void test_a_half_open_connection_is_not_moved_by_guesses(void **state)
{
    static const char *const guesses[] = { "R 500:500(0)", "S 77:77(0) win 1",
                                           ". 900000:900000(0) ack 1", "F 1:1(0)" };
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 8);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460,sackOK,TS 10 0>");
    (void)fix_next(&f);

    for (unsigned i = 0; i < RN_ARRAY_LEN(guesses); i++)
        fix_peer(&f, guesses[i]);
    fix_we(&f, ". 1:1(0) ack 1"); /* one challenge for all */
    fix_peer(&f, ". 1:1(0) ack 1 <TS 9 0>");
    assert_int_equal(f.stack->stats.tcp_paws_drops, 1);
    fix_silent(&f);
    assert_int_equal(rn_sock_accept(server, &sock), RN_E_WOULD_BLOCK);

    fix_peer(&f, ". 1:1(0) ack 1 <TS 11 0>");
    rn_sock_abort(fix_accept(server));
    rn_sock_close(server);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_a_forged_or_old_cookie_is_reset(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 8);
    flood(&f);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    fix_we(&f, "S. 0:0(0) ack 1");

    fix_peer(&f, ". 1:1(0) ack 1000");
    fix_we(&f, "R 1000:1000(0)");
    fix_pass(&f, 1); /* within the limit of RSTs */
    f.t.turn.now_ns += 200 * RN_NS_PER_S;
    fix_peer(&f, ". 1:1(0) ack 1");
    fix_turn(&f);

    assert_int_equal(f.stack->stats.tcp_cookies_recv, 0);
    assert_true(f.stack->stats.tcp_cookies_failed >= 1);
    rn_sock_close(server);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

/* What an idle connection holds: itself and its place in the table, no buffer, no timer's memory. */
static void test_an_idle_connection_costs_at_most_512_bytes(void **state)
{
    enum { N_CONNS = 20000 };
    static struct rn_sock *socks[N_CONNS];
    struct tcp_fixture f;
    struct rn_sock *server;
    size_t before;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 16);
    before = f.t.alloc.bytes_live;

    for (unsigned i = 0; i < N_CONNS; i++) {
        f.them = rn_addr_v4(0x0b000000 + i);
        f.knows_our_isn = false;
        fix_peer(&f, "S 0:0(0) win 65535 <mss 1460,sackOK,TS 1 0,wscale 7>");
        (void)fix_next(&f);
        fix_peer(&f, "P. 1:101(100) ack 1 <TS 1 0>");
        socks[i] = fix_accept(server);
        fix_reads(socks[i], 0, 100);
        fix_writes(&f, socks[i], 100);
        fix_ignore(&f);
        fix_peer(&f, ". 101:101(0) ack 101 <TS 1 0>");
    }
    fix_pass(&f, 60000);
    fix_ignore(&f);

    /* The pool holds slabs for all connections together, not for each. */
    assert_true(f.t.alloc.bytes_live - before <= (size_t)N_CONNS * 512 + (1u << 20));
    for (unsigned i = 0; i < N_CONNS; i++)
        rn_sock_abort(socks[i]);
    rn_sock_close(server);
    fix_turn(&f);
    rn_pktq_free_all(&f.out);
    tcp_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_listener_answers_with_the_options_the_syn_had),
        cmocka_unit_test(test_accept_gives_the_connection_when_the_handshake_is_done),
        cmocka_unit_test(test_the_ack_of_a_request_that_came_along_rides_on_its_answer),
        cmocka_unit_test(test_data_that_came_before_accept_is_kept),
        cmocka_unit_test(test_a_repeated_syn_gets_the_same_answer),
        cmocka_unit_test(test_rst_ends_a_half_open_connection_and_the_listener_goes_on),
        cmocka_unit_test(test_a_wrong_ack_of_the_handshake_is_reset),
        cmocka_unit_test(test_ack_to_a_listener_is_reset_and_rst_is_not_answered),
        cmocka_unit_test(test_a_full_accept_queue_drops_syns_and_last_acks),
        cmocka_unit_test(test_closing_a_listener_resets_whom_nobody_accepted),
        cmocka_unit_test(test_the_syn_ack_is_repeated_and_the_half_open_forgotten),
        cmocka_unit_test(test_defer_accept_waits_for_data),
        cmocka_unit_test(test_a_cookie_keeps_mss_wscale_and_sack_in_isn_and_timestamp),
        cmocka_unit_test(test_a_cookie_answers_ecn_and_maxseg_as_a_half_open_connection_does),
        cmocka_unit_test(test_a_cookie_remembers_accurate_ecn_by_the_ack),
        cmocka_unit_test(test_a_cookie_waits_for_data_too),
        cmocka_unit_test(test_a_connection_keeps_the_promises_of_its_syn_ack),
        cmocka_unit_test(test_a_connection_inherits_the_fate_of_its_syn_ack),
        cmocka_unit_test(test_a_half_open_connection_is_not_moved_by_guesses),
        cmocka_unit_test(test_a_forged_or_old_cookie_is_reset),
        cmocka_unit_test(test_an_idle_connection_costs_at_most_512_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
