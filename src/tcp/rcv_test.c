#include "tcp/reorder.h"
#include "tcp_fixture.h"

static struct rn_tcp *conn_of(struct rn_sock *sock)
{
    return rn_container_of(sock, struct rn_tcp, sock);
}

static void test_data_in_order_is_acknowledged_and_read(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    fix_watch(&f, sock);

    fix_peer(&f, "P. 1:1001(1000) ack 1");

    fix_we(&f, ". 1:1(0) ack 1001");
    assert_int_equal(f.events & RN_READABLE, RN_READABLE);
    fix_reads(sock, 0, 1000);
    assert_int_equal(rn_tcp_read(sock, &f.events, 1), RN_E_WOULD_BLOCK);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_a_hole_is_reported_at_once_and_filled_later(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460,sackOK>");

    fix_peer(&f, ". 1001:2001(1000) ack 1");
    fix_we(&f, ". 1:1(0) ack 1 <sack 1001:2001>");
    fix_peer(&f, ". 3001:4001(1000) ack 1");
    fix_we(&f, ". 1:1(0) ack 1 <sack 3001:4001 1001:2001>");
    fix_peer(&f, ". 2001:3001(1000) ack 1");
    fix_we(&f, ". 1:1(0) ack 1 <sack 1001:4001>");
    fix_peer(&f, ". 1:1001(1000) ack 1");
    fix_we(&f, ". 1:1(0) ack 4001 <>");

    fix_silent(&f);
    fix_reads(sock, 0, 4000);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_without_sack_a_hole_gives_plain_duplicate_acks(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    for (uint32_t i = 1; i <= 3; i++) {
        struct seg_text s = seg_parse(". 1:1(0) ack 1");

        s.seq = 1 + i * 1000;
        s.len = 1000;
        fix_peer_seg(&f, &s);
        fix_we(&f, ". 1:1(0) ack 1 <>");
    }
    fix_silent(&f);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_overlapping_pieces_in_any_order_make_one_stream(void **state)
{
    static const uint16_t pieces[][2] = { { 501, 700 },  { 301, 100 }, { 351, 400 },  { 901, 400 },
                                          { 1401, 100 }, { 251, 90 },  { 201, 1100 }, { 1, 1500 } };
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460,sackOK>");

    for (size_t i = 0; i < RN_ARRAY_LEN(pieces); i++) {
        struct seg_text s = seg_parse(". 1:1(0) ack 1");

        s.seq = pieces[i][0];
        s.len = pieces[i][1];
        fix_peer_seg(&f, &s);
    }
    fix_reads(sock, 0, 1500);
    fix_ignore(&f);
    assert_true(rn_tcp_reorder_is_empty(conn_of(sock)));
    assert_int_equal(conn_of(sock)->rcv.charged, 0);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

/* The same as a stream cut at random, sent in random order with repetition. */
static void test_random_overlaps_make_the_stream_and_leave_no_charge(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct rn_rand rand;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460,sackOK>");
    rn_rand_init_u64(&rand, 42);

    for (unsigned round = 0; round < 4; round++) {
        uint32_t base = round * 20000;

        for (unsigned i = 0; i < 300; i++) {
            struct seg_text s = seg_parse(". 1:1(0) ack 1");

            s.seq = base + 1 + (uint32_t)rn_rand_below(&rand, 19000);
            s.len = 1 + (uint32_t)rn_rand_below(&rand, 1000);
            fix_peer_seg(&f, &s);
            fix_ignore(&f);
        }
        for (uint32_t at = 0; at < 20000; at += 1000) {
            struct seg_text s = seg_parse(". 1:1(0) ack 1");

            s.seq = base + 1 + at;
            s.len = 1000;
            fix_peer_seg(&f, &s);
            fix_ignore(&f);
        }
        fix_reads(sock, base, 20000);
    }
    assert_int_equal(conn_of(sock)->rcv.charged, 0);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_data_that_came_twice_is_acknowledged_with_dsack(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460,sackOK>");
    fix_peer(&f, "P. 1:1001(1000) ack 1");
    fix_we(&f, ". 1:1(0) ack 1001 <>");

    fix_peer(&f, "P. 1:1001(1000) ack 1");
    fix_we(&f, ". 1:1(0) ack 1001 <sack 1:1001>");
    fix_peer(&f, ". 2001:3001(1000) ack 1");
    fix_we(&f, ". 1:1(0) ack 1001 <sack 2001:3001>");
    fix_peer(&f, ". 2501:3501(1000) ack 1");
    fix_we(&f, ". 1:1(0) ack 1001 <sack 2501:3001 2001:3501>");
    fix_peer(&f, "P. 501:1501(1000) ack 1");
    fix_we(&f, ". 1:1(0) ack 1501 <sack 501:1001 2001:3501>");

    fix_reads(sock, 0, 1500);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_fin_is_held_until_hole_is_filled(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    char byte;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    fix_watch(&f, sock);

    fix_peer(&f, "F. 1001:2001(1000) ack 1");
    fix_we(&f, ". 1:1(0) ack 1");
    assert_int_equal(f.events & RN_PEER_SHUT, 0);
    fix_peer(&f, ". 1:1001(1000) ack 1");

    fix_ignore(&f);
    assert_int_equal(f.events & RN_PEER_SHUT, RN_PEER_SHUT);
    fix_reads(sock, 0, 2000);
    assert_int_equal(rn_tcp_read(sock, &byte, 1), 0);
    assert_int_equal(conn_of(sock)->state, RN_TCP_CLOSE_WAIT);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_a_lone_fin_that_came_early_is_taken_in_its_turn(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    fix_peer(&f, "F. 1001:1001(0) ack 1");
    fix_ignore(&f);
    fix_peer(&f, "P. 1:1001(1000) ack 1");

    fix_we(&f, ". 1:1(0) ack 1002");
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_the_window_closes_with_unread_data_and_reopens_when_it_is_read(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock;
    struct seg_text got;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 1);
    assert_int_equal(rn_sock_set_opt(server, RN_SO_RCVBUF, 10000), 0);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    fix_we(&f, "S. 0:0(0) ack 1 win 10000");
    fix_peer(&f, ". 1:1(0) ack 1");
    sock = fix_accept(server);

    for (uint32_t at = 0; at < 10000; at += 1000) {
        struct seg_text s = seg_parse(". 1:1(0) ack 1");

        s.seq = 1 + at;
        s.len = 1000;
        fix_peer_seg(&f, &s);
    }
    do
        got = fix_next(&f);
    while (!rn_pktq_is_empty(&f.out));
    assert_int_equal(got.ack, 10001);
    assert_int_equal(got.win, 0);
    fix_peer(&f, ". 10001:10002(1) ack 1");
    fix_we(&f, ". 1:1(0) ack 10001 win 0");
    fix_reads(sock, 0, 10000);
    fix_turn(&f);

    fix_we(&f, ". 1:1(0) ack 10001 win 10000");
    rn_sock_abort(sock);
    rn_sock_close(server);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_the_right_edge_of_the_window_never_moves_left(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    uint32_t edge = 0;
    uint32_t at = 0;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460,sackOK,TS 1 0,wscale 7>");
    for (unsigned i = 0; i < 120; i++) {
        struct seg_text s = seg_parse(". 1:1(0) ack 1 <TS 2 0>");

        if (i == 60)
            assert_int_equal(rn_sock_set_opt(sock, RN_SO_RCVBUF, 20000), 0);
        s.seq = 1 + at;
        s.len = 1000 + i;
        at += s.len;
        fix_peer_seg(&f, &s);
        if (i % 7 == 0)
            rn_tcp_consume(sock, 3000 + i);
        while (!rn_pktq_is_empty(&f.out)) {
            struct seg_text got = fix_next(&f);
            uint32_t now = got.ack + ((uint32_t)got.win << 7);

            assert_true(now >= edge);
            edge = now;
        }
    }
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

/* Segments as large as most of what is left of the window: a sender that avoids silly windows would wait for its probe. */
static void test_a_window_of_less_than_a_segment_is_reopened_when_all_is_read(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 1);
    assert_int_equal(rn_sock_set_opt(server, RN_SO_RCVBUF, 300000), 0);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 65468,wscale 7>");
    fix_ignore(&f);
    fix_peer(&f, ". 1:1(0) ack 1");
    sock = fix_accept(server);
    for (uint32_t at = 0; at < 4 * 65000; at += 65000) {
        struct seg_text s = seg_parse("P. 1:1(0) ack 1");

        s.seq = 1 + at;
        s.len = 65000;
        fix_peer_seg(&f, &s);
    }
    fix_pass(&f, 100);
    fix_ignore(&f);

    fix_reads(sock, 0, 260000);
    fix_turn(&f);

    assert_true((uint32_t)fix_next(&f).win << 7 >= 260000);
    rn_sock_abort(sock);
    rn_sock_close(server);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_a_small_opening_of_the_window_is_not_announced(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *server;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    server = fix_listen(&f, 1);
    assert_int_equal(rn_sock_set_opt(server, RN_SO_RCVBUF, 6000), 0);
    fix_peer(&f, "S 0:0(0) win 65535 <mss 1460>");
    fix_ignore(&f);
    fix_peer(&f, ". 1:1(0) ack 1");
    sock = fix_accept(server);
    fix_peer(&f, ". 1:1461(1460) ack 1");
    fix_peer(&f, ". 1461:2921(1460) ack 1");
    fix_peer(&f, ". 2921:4381(1460) ack 1");
    fix_peer(&f, ". 4381:5841(1460) ack 1");
    fix_peer(&f, ". 5841:6001(160) ack 1");
    fix_ignore(&f);

    rn_tcp_consume(sock, 100);
    fix_turn(&f);
    fix_silent(&f);
    rn_tcp_consume(sock, 3000);
    fix_turn(&f);

    fix_we(&f, ". 1:1(0) ack 6001 win 3100");
    rn_sock_abort(sock);
    rn_sock_close(server);
    fix_ignore(&f);
    tcp_fixture_fini(&f);
}

static void test_acks_are_delayed_once_the_peer_has_got_going(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    uint32_t at = 1;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    for (unsigned i = 0; i < 20; i++) {
        struct seg_text s = seg_parse(". 1:1(0) ack 1");

        s.seq = at;
        s.len = 1460;
        at += s.len;
        fix_peer_seg(&f, &s);
    }
    fix_ignore(&f);
    rn_tcp_consume(sock, 1 << 20);
    fix_turn(&f);
    fix_ignore(&f);

    fix_peer(&f, ". 29201:30661(1460) ack 1");
    fix_silent(&f);
    fix_peer(&f, ". 30661:32121(1460) ack 1");
    fix_we(&f, ". 1:1(0) ack 32121");
    fix_peer(&f, "P. 32121:32131(10) ack 1");
    fix_silent(&f);
    fix_pass(&f, 200);
    fix_we(&f, ". 1:1(0) ack 32131");

    fix_silent(&f);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_an_ack_rides_on_the_answer(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    assert_int_equal(rn_sock_set_opt(sock, RN_TCP_NODELAY, 1), 0);
    fix_peer(&f, "P. 1:11(10) ack 1");
    fix_ignore(&f);
    fix_writes(&f, sock, 10);
    fix_ignore(&f);
    fix_peer(&f, "P. 11:21(10) ack 11");
    fix_ignore(&f);

    fix_writes(&f, sock, 10);

    fix_we(&f, "P. 11:21(10) ack 21");
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_single_bytes_do_not_pin_a_slab_each(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");

    for (uint32_t i = 0; i < 4000; i++) {
        struct seg_text s = seg_parse(". 1:1(0) ack 1");

        s.seq = 1 + i;
        s.len = 1;
        fix_peer_seg(&f, &s);
        fix_ignore(&f);
    }
    assert_in_range(conn_of(sock)->rcv.charged, 4000, 20000);
    fix_reads(sock, 0, 4000);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_lent_views_show_what_read_would_copy(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    struct rn_slice views[4];
    uint32_t at = 0;
    int n;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    fix_peer(&f, ". 1:1461(1460) ack 1");
    fix_peer(&f, ". 1461:2921(1460) ack 1");
    fix_ignore(&f);

    n = rn_tcp_peek_views(sock, views, 4);

    assert_in_range(n, 1, 4);
    for (int i = 0; i < n; i++) {
        for (size_t j = 0; j < views[i].len; j++)
            assert_int_equal(views[i].ptr[j], fix_pattern(at++));
    }
    assert_int_equal(at, 2920);
    rn_tcp_consume(sock, 1000);
    fix_reads(sock, 1000, 1920);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

/* Full rounds of 10 ms, each taken at once. */
static void receive_for_long(struct tcp_fixture *f, struct rn_sock *sock)
{
    uint32_t at = 1;

    for (unsigned round = 0; round < 40; round++) {
        for (unsigned i = 0; i < 150; i++) {
            struct seg_text s = seg_parse(". 1:1(0) ack 1");

            s.seq = at;
            s.len = 1460;
            at += s.len;
            fix_peer_seg(f, &s);
        }
        rn_tcp_consume(sock, 150 * 1460);
        fix_ignore(f);
        fix_pass(f, 10);
    }
    fix_ignore(f);
}

static int64_t buffer_of(struct rn_sock *sock)
{
    int64_t bytes;

    assert_int_equal(rn_sock_get_opt(sock, RN_SO_RCVBUF, &bytes), 0);
    return bytes;
}

static void test_the_buffer_grows_with_what_the_application_takes(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    int64_t before;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460,wscale 7>");
    before = buffer_of(sock);

    receive_for_long(&f, sock);

    assert_true(buffer_of(sock) > before);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

/* Rounds as long as these are a queue's, since the path takes no time. */
static void test_among_a_thousand_the_buffer_does_not_grow_with_the_queue(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    int64_t before;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460,wscale 7>");
    before = buffer_of(sock);
    rn_tcp_stack_of(conn_of(sock))->n_receivers += 1000;

    receive_for_long(&f, sock);

    assert_int_equal(buffer_of(sock), before);
    rn_tcp_stack_of(conn_of(sock))->n_receivers -= 1000;
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_among_a_thousand_the_buffer_grows_with_a_long_path(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    int64_t before;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460,wscale 7>");
    before = buffer_of(sock);
    rn_tcp_stack_of(conn_of(sock))->n_receivers += 1000;
    conn_of(sock)->rtt.min_us = 10000;

    receive_for_long(&f, sock);

    assert_true(buffer_of(sock) > before);
    rn_tcp_stack_of(conn_of(sock))->n_receivers -= 1000;
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

static void test_without_memory_the_peer_sends_again_and_nothing_is_lost(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460,sackOK>");
    f.t.alloc.fail_at = 1;
    f.t.alloc.fail_forever = true;

    fix_peer(&f, ". 1001:2001(1000) ack 1");
    fix_ignore(&f);
    f.t.alloc.fail_at = 0;
    fix_peer(&f, ". 1:1001(1000) ack 1");
    fix_we(&f, ". 1:1(0) ack 1001");
    fix_peer(&f, ". 1001:2001(1000) ack 1");

    fix_ignore(&f);
    fix_reads(sock, 0, 2000);
    rn_sock_abort(sock);
    tcp_fixture_fini(&f);
}

/* The clamp is less than a segment of this peer: half of it must be enough to reopen. */
static void test_a_clamped_window_reopens(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    assert_int_equal(rn_sock_set_opt(sock, RN_TCP_WINDOW_CLAMP, 1000), 0);
    for (uint32_t at = 1; at + 1460 <= 65536; at += 1460) {
        struct seg_text s = seg_parse(". 1:2(1) ack 1");

        s.seq = at;
        s.len = 1460;
        fix_peer_seg(&f, &s);
        fix_reads(sock, at - 1, 1460);
    }
    fix_pass(&f, 100);
    rn_pktq_free_all(&f.out);

    fix_peer(&f, ". 0:0(0) ack 1");

    assert_true(fix_next(&f).win >= 500);
    rn_sock_abort(sock);
    fix_turn(&f);
    rn_pktq_free_all(&f.out);
    tcp_fixture_fini(&f);
}

static void close_at_the_end(struct rn_sock *sock, unsigned events, void *arg)
{
    struct rn_sock **mine = arg;

    if ((events & RN_PEER_SHUT) != 0)
        *mine = rn_sock_close(sock);
}

static void test_the_ack_of_a_fin_rides_on_the_fin_of_who_closes_at_once(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_accepted(&f, "<mss 1460>");
    rn_sock_on_event(sock, close_at_the_end, &sock);

    fix_peer(&f, "F. 1:1(0) ack 1");

    assert_null(sock);
    assert_int_equal(f.out.n_pkts, 1);
    fix_we(&f, "F. 1:1(0) ack 2");
    fix_peer(&f, ". 2:2(0) ack 2");
    tcp_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_clamped_window_reopens),
        cmocka_unit_test(test_the_ack_of_a_fin_rides_on_the_fin_of_who_closes_at_once),
        cmocka_unit_test(test_data_in_order_is_acknowledged_and_read),
        cmocka_unit_test(test_a_hole_is_reported_at_once_and_filled_later),
        cmocka_unit_test(test_without_sack_a_hole_gives_plain_duplicate_acks),
        cmocka_unit_test(test_overlapping_pieces_in_any_order_make_one_stream),
        cmocka_unit_test(test_random_overlaps_make_the_stream_and_leave_no_charge),
        cmocka_unit_test(test_data_that_came_twice_is_acknowledged_with_dsack),
        cmocka_unit_test(test_fin_is_held_until_hole_is_filled),
        cmocka_unit_test(test_a_lone_fin_that_came_early_is_taken_in_its_turn),
        cmocka_unit_test(test_the_window_closes_with_unread_data_and_reopens_when_it_is_read),
        cmocka_unit_test(test_the_right_edge_of_the_window_never_moves_left),
        cmocka_unit_test(test_a_window_of_less_than_a_segment_is_reopened_when_all_is_read),
        cmocka_unit_test(test_a_small_opening_of_the_window_is_not_announced),
        cmocka_unit_test(test_acks_are_delayed_once_the_peer_has_got_going),
        cmocka_unit_test(test_an_ack_rides_on_the_answer),
        cmocka_unit_test(test_single_bytes_do_not_pin_a_slab_each),
        cmocka_unit_test(test_lent_views_show_what_read_would_copy),
        cmocka_unit_test(test_the_buffer_grows_with_what_the_application_takes),
        cmocka_unit_test(test_among_a_thousand_the_buffer_does_not_grow_with_the_queue),
        cmocka_unit_test(test_among_a_thousand_the_buffer_grows_with_a_long_path),
        cmocka_unit_test(test_without_memory_the_peer_sends_again_and_nothing_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
