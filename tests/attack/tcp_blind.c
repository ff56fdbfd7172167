/* Off-path forgers and peers that lie about numbers: B07, B08, B09, B11, B12, B18, B19, B22, B23. */
#include "tcp_fixture.h"

static enum rn_tcp_state state_of(struct rn_sock *sock)
{
    struct rn_tcp_info info;

    assert_int_equal(rn_tcp_get_info(sock, &info), 0);
    return info.state;
}

static void test_B07_blind_rst_resets_only_at_the_exact_number(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    for (uint32_t guess = 2; guess < 0x80000000u; guess = guess * 2 + 1) {
        struct seg_text s = seg_parse("R 0:0(0)");

        s.seq = guess;
        fix_peer_seg(&f, &s);
        assert_int_equal(state_of(sock), RN_TCP_ESTABLISHED);
    }
    fix_ignore(&f);
    fix_peer(&f, "R 1:1(0)");

    assert_int_equal(state_of(sock), RN_TCP_CLOSED);
    rn_sock_close(sock);
    tcp_fixture_fini(&f);
}

static void test_B07_blind_syn_never_resets(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    for (uint32_t guess = 0; guess < 0xf0000000u; guess += 0x04000001u) {
        struct seg_text s = seg_parse("S 0:0(0) win 65535");

        s.seq = guess;
        fix_peer_seg(&f, &s);
        assert_int_equal(state_of(sock), RN_TCP_ESTABLISHED);
    }

    fix_we(&f, ". 1:1(0) ack 1");
    fix_silent(&f);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_B08_data_with_an_implausible_ack_is_not_taken(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    char byte;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    for (uint64_t ack = 2; ack < 0xfffe0000u; ack += 0x01000001u) {
        struct seg_text s = seg_parse("P. 1:2(1) ack 1");

        s.ack = (uint32_t)ack;
        fix_peer_seg(&f, &s);
    }

    assert_int_equal(rn_tcp_read(sock, &byte, 1), RN_E_WOULD_BLOCK);
    fix_we(&f, ". 1:1(0) ack 1"); /* one challenge, the rest limited */
    fix_silent(&f);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_B09_challenges_of_one_connection_do_not_show_in_another(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *victim;
    struct rn_sock *spy;
    uint32_t isn[2];

    (void)state;
    tcp_fixture_init(&f);
    victim = fix_accepted(&f, "<mss 1460>");
    isn[0] = f.our_isn;
    f.their_port++;
    f.knows_our_isn = false;
    spy = fix_accepted(&f, "<mss 1460>");
    isn[1] = f.our_isn;

    f.their_port--;
    f.our_isn = isn[0];
    for (unsigned i = 0; i < 1000; i++)
        fix_peer(&f, "R 5:5(0)");
    fix_ignore(&f);
    f.their_port++;
    f.our_isn = isn[1];
    fix_peer(&f, "R 5:5(0)");

    fix_we(&f, ". 1:1(0) ack 1");
    rn_sock_abort(victim);
    rn_sock_abort(spy);
    rn_pktq_free_all(&f.out);
    tcp_fixture_fini(&f);
}

/* A spy sends in the name of the victim's peer: where there is a connection no RST is sent, so a limit that all share would
 * tell him of it. */
static void test_B09_resets_of_strangers_do_not_show_in_those_of_others(void **state)
{
    struct tcp_fixture f;

    (void)state;
    tcp_fixture_init(&f);
    for (unsigned i = 0; i < 1000; i++) {
        fix_peer(&f, ". 5:5(0) ack 9");
        rn_pktq_free_all(&f.out);
    }
    f.them = rn_addr_v4(0xc0a80003);

    for (unsigned i = 0; i < 100; i++) {
        fix_peer(&f, ". 5:5(0) ack 9");
        assert_int_equal(fix_next(&f).flags, RN_TCP_RST);
    }
    tcp_fixture_fini(&f);
}

/* 64 connections: neighbours must not tell each other's number, whose clock part is 4 us. */
static void test_B11_isns_of_neighbouring_tuples_are_unrelated(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *socks[64];
    uint32_t isns[64];

    (void)state;
    tcp_fixture_init(&f);
    for (unsigned i = 0; i < 64; i++) {
        f.their_port++;
        f.knows_our_isn = false;
        socks[i] = fix_connecting(&f);
        (void)fix_next(&f);
        isns[i] = f.our_isn;
        for (unsigned j = 0; j < i; j++)
            assert_true(isns[i] - isns[j] > 1000 && isns[j] - isns[i] > 1000);
    }
    for (unsigned i = 0; i < 64; i++)
        rn_sock_abort(socks[i]);
    tcp_fixture_fini(&f);
}

static void test_B11_the_isn_of_one_tuple_follows_the_clock(void **state)
{
    struct tcp_fixture f;
    uint32_t first = 0;

    (void)state;
    tcp_fixture_init(&f);
    for (unsigned i = 0; i < 2; i++) {
        struct rn_sock *server = fix_listen(&f, 1);

        f.knows_our_isn = false;
        fix_peer(&f, "S 0:0(0) win 65535");
        (void)fix_next(&f);
        if (i == 0)
            first = f.our_isn;
        else
            assert_int_equal(f.our_isn - first, 1000000 / 4);
        rn_sock_close(server);
        fix_pass(&f, 1000);
        fix_ignore(&f);
    }
    tcp_fixture_fini(&f);
}

static uint32_t isn_for(struct tcp_fixture *f, uint16_t their_port)
{
    f->their_port = their_port;
    f->knows_our_isn = false;
    fix_peer(f, "S 900000:900000(0) win 65535");
    (void)fix_next(f);
    return f->our_isn;
}

/* CVE-2026-64024: the number that a reused TIME-WAIT wants was kept aside, and the next stranger got it. */
static void test_B11_the_isn_of_a_reused_time_wait_goes_to_nobody_else(void **state)
{
    uint32_t isns[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct tcp_fixture f;
        struct rn_sock *server;
        struct rn_sock *sock;
        uint32_t first;

        tcp_fixture_init(&f);
        sock = fix_accepted(&f, "<mss 1460>");
        first = f.our_isn;
        rn_sock_close(sock);
        fix_turn(&f);
        fix_peer(&f, "F. 1:1(0) ack 2");
        fix_ignore(&f);
        server = fix_listen(&f, 8);
        if (i == 1)
            assert_in_range(isn_for(&f, f.their_port) - first, 65536, 70000);
        isns[i] = isn_for(&f, 50000);
        rn_sock_close(server);
        fix_turn(&f);
        fix_ignore(&f);
        tcp_fixture_fini(&f);
    }

    assert_int_equal(isns[0], isns[1]);
}

/* RFC 6056 §3.3.3: where one destination stands in its sequence of ports says nothing of another's. */
static void test_B12_ports_towards_different_peers_are_unrelated(void **state)
{
    enum { N = 64 };
    struct tcp_fixture f;
    struct rn_sock *socks[N];
    uint16_t ports[N];
    unsigned n_near = 0;

    (void)state;
    tcp_fixture_init(&f);
    for (unsigned i = 0; i < N; i++) {
        f.them = rn_addr_v4(0x0b000001 + i);
        f.knows_our_isn = false;
        socks[i] = fix_connecting(&f);
        (void)fix_next(&f);
        ports[i] = f.our_port;
        n_near += i > 0 && (uint16_t)(ports[i] - ports[i - 1] + 8) <= 16;
    }

    assert_true(n_near <= 2);
    for (unsigned i = 0; i < N; i++)
        rn_sock_abort(socks[i]);
    tcp_fixture_fini(&f);
}

/* RFC 6864 §4.1: an identification that counts would tell how much we send to others. */
static void test_B12_what_is_never_cut_has_no_identification(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    assert_int_equal(rn_sock_set_opt(sock, RN_TCP_NODELAY, 1), 0);
    for (unsigned i = 0; i < 5; i++)
        fix_writes(&f, sock, 100);

    for (const struct rn_pkt *pkt = f.out.first; pkt != NULL; pkt = pkt->next) {
        uint8_t header[20];

        rn_pkt_copy_out(pkt, 0, header, sizeof(header));
        assert_int_equal(rn_get_be16(header + 4), 0);
        assert_int_equal(header[6] & 0x40, 0x40);
    }
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_B12_timestamps_of_connections_have_unrelated_offsets(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *socks[32];
    uint32_t ts[32];

    (void)state;
    tcp_fixture_init(&f);
    for (unsigned i = 0; i < 32; i++) {
        f.their_port++;
        f.knows_our_isn = false;
        f.knows_our_ts = false;
        socks[i] = fix_connecting(&f);
        (void)fix_next(&f);
        ts[i] = f.our_ts;
        for (unsigned j = 0; j < i; j++)
            assert_true(ts[i] - ts[j] > 1000 && ts[j] - ts[i] > 1000);
    }
    for (unsigned i = 0; i < 32; i++)
        rn_sock_abort(socks[i]);
    tcp_fixture_fini(&f);
}

static void test_B18_acks_of_data_never_sent_open_no_window(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct rn_tcp_info before;
    struct rn_tcp_info after;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    fix_writes(&f, sock, 1460);
    fix_ignore(&f);
    assert_int_equal(rn_tcp_get_info(sock, &before), 0);

    for (uint32_t ack = 1462; ack < 1000000; ack += 10000) {
        struct seg_text s = seg_parse(". 1:1(0) ack 1");

        s.ack = ack;
        fix_peer_seg(&f, &s);
    }

    assert_int_equal(rn_tcp_get_info(sock, &after), 0);
    assert_int_equal(after.cwnd, before.cwnd);
    assert_int_equal(after.bytes_acked, before.bytes_acked);
    rn_sock_abort(sock);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

/* Two sides that disagree answer each answer: our half of it must run dry. */
static void test_B19_an_ack_storm_runs_dry(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    unsigned n = 0;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    for (unsigned ms = 0; ms < 10000; ms += 10) {
        fix_peer(&f, ". 3000000:3000000(0) ack 1");
        fix_pass(&f, 10);
        while (!rn_pktq_is_empty(&f.out)) {
            (void)fix_next(&f);
            n++;
        }
    }

    assert_in_range(n, 1, 30); /* at most three a second */
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_B22_a_fin_out_of_order_moves_nothing(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    fix_peer(&f, "F. 101:101(0) ack 1");
    assert_int_equal(state_of(sock), RN_TCP_ESTABLISHED);
    fix_peer(&f, "F. 4000000:4000000(0) ack 1");
    assert_int_equal(state_of(sock), RN_TCP_ESTABLISHED);
    fix_peer(&f, "P. 1:101(100) ack 1");
    assert_int_equal(state_of(sock), RN_TCP_CLOSE_WAIT);
    fix_peer(&f, "P. 102:202(100) ack 1"); /* data after FIN reaches nobody */

    fix_reads(sock, 0, 100);
    rn_sock_abort(sock);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_B23_a_syn_for_a_connection_being_freed_finds_no_corpse(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 4);
    for (unsigned i = 0; i < 50; i++) {
        f.knows_our_isn = false;
        fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
        (void)fix_next(&f);
        if (i % 2 == 0) {
            fix_peer(&f, "R 1:1(0)");
            continue;
        }
        fix_peer(&f, ". 1:1(0) ack 1");
        sock = fix_accept(server);
        rn_sock_abort(sock);
        fix_turn(&f);
        fix_we(&f, "R. 1:1(0) ack 1");
    }
    rn_sock_close(server);
    tcp_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_B07_blind_rst_resets_only_at_the_exact_number),
        cmocka_unit_test(test_B07_blind_syn_never_resets),
        cmocka_unit_test(test_B08_data_with_an_implausible_ack_is_not_taken),
        cmocka_unit_test(test_B09_resets_of_strangers_do_not_show_in_those_of_others),
        cmocka_unit_test(test_B09_challenges_of_one_connection_do_not_show_in_another),
        cmocka_unit_test(test_B11_isns_of_neighbouring_tuples_are_unrelated),
        cmocka_unit_test(test_B11_the_isn_of_one_tuple_follows_the_clock),
        cmocka_unit_test(test_B11_the_isn_of_a_reused_time_wait_goes_to_nobody_else),
        cmocka_unit_test(test_B12_ports_towards_different_peers_are_unrelated),
        cmocka_unit_test(test_B12_what_is_never_cut_has_no_identification),
        cmocka_unit_test(test_B12_timestamps_of_connections_have_unrelated_offsets),
        cmocka_unit_test(test_B18_acks_of_data_never_sent_open_no_window),
        cmocka_unit_test(test_B19_an_ack_storm_runs_dry),
        cmocka_unit_test(test_B22_a_fin_out_of_order_moves_nothing),
        cmocka_unit_test(test_B23_a_syn_for_a_connection_being_freed_finds_no_corpse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
