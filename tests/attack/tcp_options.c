/* Malformed and lying headers and options: B01, B02, B06, B20, B21, B24. */
#include "tcp_fixture.h"

/* A segment of raw bytes, @opts as they are after the fixed header, its checksum made right. */
static void feed_raw(struct tcp_fixture *f, const uint8_t *opts, size_t n, uint8_t data_off)
{
    uint8_t bytes[100] = { 0 };
    struct rn_tcp_hdr tcp = { .src_port = f->their_port,
                              .dst_port = f->our_port,
                              .seq = rn_seq_of(f->their_isn),
                              .flags = RN_TCP_SYN,
                              .window = 65535,
                              .hdr_len = 20 };
    struct rn_ipv4_hdr ip = { .src = f->them,
                              .dst = f->us,
                              .total_len = (uint16_t)(40 + n),
                              .ttl = 64,
                              .proto = RN_PROTO_TCP };
    struct rn_pktq in = { 0 };

    rn_ipv4_emit(&ip, bytes);
    rn_tcp_emit(&tcp, bytes + 20);
    memcpy(bytes + 40, opts, n);
    bytes[32] = (uint8_t)(data_off << 4);
    rn_put_be16(
        bytes + 20 + RN_TCP_CHECKSUM_AT,
        (uint16_t)~rn_checksum(bytes + 20, 20 + n,
                               rn_checksum_pseudo(ip.src, ip.dst, ip.proto, (uint32_t)(20 + n))));
    rn_pktq_push(&in, rn_pkt_from_bytes(f->t.pool, bytes, 40 + n));
    rn_turn_begin(&f->t.turn, f->t.turn.now_ns);
    rn_nic_input(f->nic, &in);
    rn_turn_end(&f->t.turn);
    fix_collect(f);
}

static void test_B01_malformed_headers_and_options_open_nothing(void **state)
{
    static const uint8_t bad[][8] = {
        { 4, 2, 2, 0 },       /* MSS of length 0 */
        { 4, 2, 2, 1 },       /* of length 1 */
        { 4, 2, 2, 3, 5 },    /* of length 3 */
        { 4, 2, 2, 40, 5 },   /* past the header */
        { 4, 2, 3, 2, 0 },    /* window scale without a value */
        { 4, 2, 8, 4, 0, 0 }, /* timestamps of length 4 */
        { 4, 2, 99, 0 },      /* unknown, of length 0 */
        { 4, 2, 99, 200 },    /* unknown, past the header */
        { 4, 2, 1, 1, 1, 2 }, /* kind without a length */
    };
    struct tcp_fixture f;
    struct rn_sock *server;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 4);

    for (size_t i = 0; i < RN_ARRAY_LEN(bad); i++)
        feed_raw(&f, bad[i] + 2, 4, 6);
    for (uint8_t off = 0; off < 5; off++)
        feed_raw(&f, bad[0], 0, off);
    for (uint8_t off = 6; off < 16; off++)
        feed_raw(&f, bad[0], 0, off);

    fix_silent(&f);
    assert_int_equal(f.stack->stats.tcp_in_errs, RN_ARRAY_LEN(bad) + 15);
    feed_raw(&f, (const uint8_t[]){ 99, 4, 7, 7 }, 4, 6); /* unknown but well formed */
    fix_we(&f, "S. 0:0(0) ack 1");
    rn_sock_close(server);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_B02_a_tiny_mss_does_not_make_tiny_segments(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 0>");
    fix_writes(&f, sock, 1000);

    while (!rn_pktq_is_empty(&f.out)) {
        struct seg_text got = fix_next(&f);

        assert_true(got.len >= 48 || got.seq + got.len == 1001);
    }
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

/* A host that wants no small segments at all says so. */
static void test_B02_the_floor_of_the_mss_can_be_raised(void **state)
{
    struct rn_stack_opts opts = { .tcp_mss_floor = 536 };
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init_with(&f, &opts);
    sock = fix_accepted(&f, "<mss 48>");

    fix_writes(&f, sock, 1072);

    assert_int_equal(fix_next(&f).len, 536);
    assert_int_equal(fix_next(&f).len, 536);
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_B06_urgent_pointers_change_no_length(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    uint32_t at = 1;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    for (unsigned urg = 0; urg <= 65535; urg += 4369) {
        struct seg_text s = seg_parse("PU. 1:11(10) ack 1 urg 0");

        s.seq = at;
        s.urg = (uint16_t)urg;
        at += 10;
        fix_peer_seg(&f, &s);
    }
    fix_reads(sock, 0, at - 1);

    fix_ignore(&f);
    fix_peer(&f, "FU. 161:161(0) ack 1 urg 65535");
    fix_we(&f, ". 1:1(0) ack 162");
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_B20_a_window_scale_beyond_14_is_14(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock;
    struct rn_tcp_info info;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 4);
    feed_raw(&f, (const uint8_t[]){ 3, 3, 255, 0 }, 4, 6);
    (void)fix_next(&f);
    fix_peer(&f, ". 1:1(0) ack 1 win 65535");
    sock = fix_accept(server);

    assert_int_equal(rn_tcp_get_info(sock, &info), 0);

    assert_int_equal(info.snd_wscale, 14);
    assert_int_equal(info.snd_wnd, 65535u << 14);
    rn_sock_abort(sock);
    rn_sock_close(server);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_B20_a_shrinking_window_is_borne(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    fix_writes(&f, sock, 10000);
    fix_ignore(&f);

    fix_peer(&f, ". 1:1(0) ack 1 win 100");
    fix_peer(&f, ". 1:1(0) ack 1461 win 0");
    fix_pass(&f, 5000);
    fix_ignore(&f);
    fix_peer(&f, ". 1:1(0) ack 10001 win 65535");

    fix_turn(&f);
    fix_writes(&f, sock, 10);
    fix_ignore(&f);
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

/* RFC 7323 §2.2: both sides or none; and a SYN's own window is never scaled, nor is one of zero a reason to be silent. */
static void test_B20_a_window_of_zero_in_the_syn_and_a_scale_of_one_side_are_borne(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock;
    struct rn_tcp_info info;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 4);
    fix_peer(&f, "S 0:0(0) win 0 <mss 1460>");
    fix_we(&f, "S. 0:0(0) ack 1 win 65535 <mss 1460>");
    fix_peer(&f, ". 1:1(0) ack 1 win 0");
    sock = fix_accept(server);
    fix_writes(&f, sock, 100);
    fix_silent(&f);

    fix_peer(&f, ". 1:1(0) ack 1 win 50");
    fix_pass(&f, 2000);

    assert_int_equal(fix_next(&f).len, 50);
    assert_int_equal(rn_tcp_get_info(sock, &info), 0);
    assert_int_equal(info.snd_wnd, 50);
    assert_false(info.has_wscale);
    rn_pktq_free_all(&f.out);
    rn_sock_abort(sock);
    rn_sock_close(server);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_B21_lying_echoes_do_not_bend_the_rtt(void **state)
{
    static const uint32_t lies[] = { 0x80000000u, 0x7fffffffu, 1000000, 0xf0000000u };
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct rn_tcp_info info;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460,TS 1 0>");

    for (uint32_t i = 0; i < RN_ARRAY_LEN(lies); i++) {
        struct seg_text s = seg_parse(". 1:1(0) ack 1 <TS 1 0>");

        fix_writes(&f, sock, 10);
        fix_ignore(&f);
        s.ack = 11 + i * 10;
        s.opts.ts_ecr = lies[i];
        fix_peer_seg(&f, &s);
    }

    assert_int_equal(rn_tcp_get_info(sock, &info), 0);
    assert_in_range(info.srtt_ns, 0, 60 * RN_NS_PER_S);
    assert_in_range(info.rto_ns, 200 * RN_NS_PER_MS, 120 * RN_NS_PER_S);
    rn_sock_abort(sock);
    fix_turn(&f);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

/* The peer's numbers go through zero, and through the sign, in the middle of data, of holes and of the FIN. */
static void test_B24_sequence_numbers_wrap_anywhere(void **state)
{
    static const uint32_t isns[] = { 0,           1,           0x7ffffffeu, 0x7fffffffu,
                                     0xffffffffu, 0xfffffffeu, 0xfffffc00u, 0x7ffffc00u };

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(isns); i++) {
        struct tcp_fixture f;
        struct rn_sock *sock;

        tcp_fixture_init(&f);
        f.their_isn = isns[i];
        sock = fix_accepted(&f, "<mss 1460,sackOK>");
        fix_peer(&f, ". 1001:2001(1000) ack 1");
        fix_we(&f, ". 1:1(0) ack 1 <sack 1001:2001>");
        fix_peer(&f, "F. 2001:3001(1000) ack 1");
        fix_we(&f, ". 1:1(0) ack 1 <sack 1001:3001>");
        fix_peer(&f, ". 1:1001(1000) ack 1");
        fix_ignore(&f);
        fix_reads(sock, 0, 3000);
        rn_sock_close(sock);
        fix_turn(&f);
        fix_we(&f, "F. 1:1(0) ack 3002");
        fix_peer(&f, ". 3002:3002(0) ack 2");
        tcp_fixture_fini(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_B01_malformed_headers_and_options_open_nothing),
        cmocka_unit_test(test_B02_a_tiny_mss_does_not_make_tiny_segments),
        cmocka_unit_test(test_B02_the_floor_of_the_mss_can_be_raised),
        cmocka_unit_test(test_B06_urgent_pointers_change_no_length),
        cmocka_unit_test(test_B20_a_window_scale_beyond_14_is_14),
        cmocka_unit_test(test_B20_a_shrinking_window_is_borne),
        cmocka_unit_test(test_B20_a_window_of_zero_in_the_syn_and_a_scale_of_one_side_are_borne),
        cmocka_unit_test(test_B21_lying_echoes_do_not_bend_the_rtt),
        cmocka_unit_test(test_B24_sequence_numbers_wrap_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
