/* Floods: B13, B15, B17, B25, B26. What they may cost is bytes and answers, counted. */
#include "tcp_fixture.h"

#include "tcp/listen.h"
#include "tcp/reorder.h"

static void syn_from(struct tcp_fixture *f, unsigned i)
{
    f->them = rn_addr_v4(0x0b000000 + i);
    f->their_port = (uint16_t)(1024 + i % 60000);
    f->knows_our_isn = false;
    fix_peer(f, "S 0:0(0) win 65535 <mss 1460,sackOK,TS 1 0,wscale 7>");
}

static void test_B13_a_syn_flood_keeps_memory_bounded(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    size_t at_limit;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 128);
    for (unsigned i = 0; i < 2 * RN_TCP_HALF_OPEN_MAX; i++) {
        syn_from(&f, i);
        rn_pktq_free_all(&f.out);
    }
    at_limit = f.t.alloc.bytes_live;

    for (unsigned i = 0; i < 20000; i++) {
        syn_from(&f, 100000 + i);
        rn_pktq_free_all(&f.out);
    }

    assert_int_equal(f.t.alloc.bytes_live, at_limit);
    assert_true(f.stack->stats.tcp_cookies_sent >= 20000);
    rn_sock_close(server);
    rn_pktq_free_all(&f.out);
    fix_turn(&f);
    rn_pktq_free_all(&f.out);
    tcp_fixture_fini(&f);
}

/* A SYN costs a record and its share of the table, and all of it comes back. */
static void test_B13_a_half_open_connection_costs_at_most_160_bytes(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    size_t before;
    size_t table;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 128);
    syn_from(&f, 0);
    rn_pktq_free_all(&f.out);
    before = f.t.alloc.bytes_live;

    for (unsigned i = 1; i < RN_TCP_HALF_OPEN_MAX; i++) {
        syn_from(&f, i);
        rn_pktq_free_all(&f.out);
    }

    table = (size_t)4 * RN_TCP_HALF_OPEN_MAX * sizeof(void *);
    assert_true(f.t.alloc.bytes_live - before <= RN_TCP_HALF_OPEN_MAX * 160 + table);
    fix_pass(&f, 70000);
    rn_pktq_free_all(&f.out);
    assert_int_equal(f.stack->stats.tcp_attempt_fails, RN_TCP_HALF_OPEN_MAX);
    rn_sock_close(server);
    fix_turn(&f);
    tcp_fixture_fini(&f);
}

static void test_B13_an_honest_client_gets_through_the_flood(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 128);
    for (unsigned i = 0; i < 2 * RN_TCP_HALF_OPEN_MAX; i++) {
        syn_from(&f, i);
        rn_pktq_free_all(&f.out);
    }

    for (unsigned i = 0; i < 20; i++) {
        syn_from(&f, 500000 + i);
        (void)fix_next(&f);
        fix_peer(&f, "P. 1:11(10) ack 1 <TS 2 0>");
        sock = fix_accept(server);
        fix_reads(sock, 0, 10);
        rn_sock_abort(sock);
        fix_turn(&f);
        rn_pktq_free_all(&f.out);
    }
    rn_sock_close(server);
    fix_turn(&f);
    rn_pktq_free_all(&f.out);
    tcp_fixture_fini(&f);
}

/* A stranger's bytes bring less than himself: no data before the handshake, few and small SYN+ACKs. */
static void test_B15_a_syn_is_not_amplified(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    struct seg_text syn = seg_parse("S 0:0(0) win 65535 <mss 1460,sackOK,TS 1 0,wscale 7>");
    unsigned n = 0;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 4);
    syn.len = 1000;

    fix_peer_seg(&f, &syn);
    fix_pass(&f, 300 * 1000);

    while (!rn_pktq_is_empty(&f.out)) {
        assert_true(f.out.first->len <= 60);
        assert_int_equal(fix_next(&f).len, 0);
        n++;
    }
    assert_in_range(n, 1, 6); /* one, and at most five again */
    rn_sock_close(server);
    fix_turn(&f);
    rn_pktq_free_all(&f.out);
    tcp_fixture_fini(&f);
}

static void ooo_byte(struct tcp_fixture *f, uint32_t seq)
{
    struct seg_text s = seg_parse(". 1:2(1) ack 1");

    s.seq = seq;
    fix_peer_seg(f, &s);
    rn_pktq_free_all(&f->out);
}

static void test_B17_single_bytes_out_of_order_stay_within_nodes_and_buffer(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct rn_tcp *conn;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460,sackOK>");
    conn = rn_container_of(sock, struct rn_tcp, sock);

    for (uint32_t i = 0; i < 5000; i++)
        ooo_byte(&f, 3 + 2 * i);

    assert_true(conn->rcv.rx->islands.n_nodes <= RN_TCP_ISLANDS_MAX);
    assert_true(conn->rcv.charged <= 2 * conn->rcv.buf_max + (64u << 10));
    assert_true(f.stack->stats.tcp_ooo_dropped > 0);
    fix_peer(&f, "P. 1:3(2) ack 1"); /* the stream itself goes on */
    fix_reads(sock, 0, 3);
    rn_pktq_free_all(&f.out);
    rn_sock_abort(sock);
    fix_turn(&f);
    rn_pktq_free_all(&f.out);
    tcp_fixture_fini(&f);
}

static void test_B25_ports_run_out_promptly_and_are_shared_between_peers(void **state)
{
    struct tcp_fixture f;
    struct rn_stack_opts opts = { .port_first = 50000, .port_last = 50063 };
    struct rn_sock *socks[65];
    struct rn_endpoint remote;

    (void)state;
    tcp_fixture_init_with(&f, &opts);
    for (unsigned i = 0; i < 64; i++)
        socks[i] = fix_connecting(&f);

    socks[64] = fix_socket(&f);
    remote = (struct rn_endpoint){ .addr = f.them, .port = f.their_port };
    assert_int_equal(rn_sock_connect(socks[64], &remote), RN_E_NO_PORT);
    remote.port++;
    assert_int_equal(rn_sock_connect(socks[64], &remote), RN_E_CONNECT_STARTED);

    for (unsigned i = 0; i < 65; i++)
        rn_sock_abort(socks[i]);
    fix_turn(&f);
    rn_pktq_free_all(&f.out);
    tcp_fixture_fini(&f);
}

/* Tuples an attacker may choose must not share a chain: the table hashes with a secret. */
static void test_B26_chosen_tuples_spread_over_the_table(void **state)
{
    struct tcp_fixture f;
    unsigned used[256] = { 0 };
    unsigned worst = 0;

    (void)state;
    tcp_fixture_init(&f);
    for (unsigned i = 0; i < 25600; i++) {
        struct rn_demux_key key = { .local = f.us,
                                    .remote = rn_addr_v4(0x0b000000 + (i << 8)),
                                    .local_port = 80,
                                    .remote_port = (uint16_t)(i & 7),
                                    .proto = RN_PROTO_TCP };
        unsigned n = ++used[rn_demux_hash(&f.stack->demux, &key) & 255];

        worst = n > worst ? n : worst;
    }
    assert_in_range(worst, 100, 160); /* mean 100 */
    tcp_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_B13_a_syn_flood_keeps_memory_bounded),
        cmocka_unit_test(test_B13_a_half_open_connection_costs_at_most_160_bytes),
        cmocka_unit_test(test_B13_an_honest_client_gets_through_the_flood),
        cmocka_unit_test(test_B15_a_syn_is_not_amplified),
        cmocka_unit_test(test_B17_single_bytes_out_of_order_stay_within_nodes_and_buffer),
        cmocka_unit_test(test_B25_ports_run_out_promptly_and_are_shared_between_peers),
        cmocka_unit_test(test_B26_chosen_tuples_spread_over_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
