#include "tcp_fixture.h"

#include "tcp/fastopen.h"

/* What scripts cannot tell: keys that change with time, bounds of the memory, no memory. */

#define PERIOD_MS (12 * 3600 * INT64_C(1000))

static const uint8_t one_key[1][16] = { "0123456789abcdef" };

static struct rn_sock *listen_fast(struct tcp_fixture *f)
{
    struct rn_sock *server = fix_listen(f, 64);

    assert_int_equal(rn_sock_set_opt(server, RN_TCP_FASTOPEN, 64), 0);
    return server;
}

/* A SYN from a port of its own with @opts; the SYN+ACK that answers it. */
static struct seg_text answer_to(struct tcp_fixture *f, const struct rn_tcp_opts *opts,
                                 uint32_t len)
{
    struct seg_text syn = { .flags = RN_TCP_SYN, .len = len, .opts = *opts };

    f->their_port++;
    f->knows_our_isn = false;
    fix_peer_seg(f, &syn);
    return fix_next(f);
}

static struct rn_tcp_opts ask_for_cookie(struct tcp_fixture *f)
{
    struct rn_tcp_opts ask = { .has_fastopen = true };
    struct seg_text got = answer_to(f, &ask, 0);

    assert_true(got.opts.has_fastopen);
    assert_int_equal(got.opts.cookie_len, 8);
    fix_peer(f, "R 1:1(0)");
    return got.opts;
}

static void end(struct tcp_fixture *f, struct rn_sock *sock)
{
    rn_sock_abort(sock);
    fix_ignore(f);
    tcp_fixture_fini(f);
}

static void test_a_cookie_is_what_linux_would_give_with_that_key(void **state)
{
    static const uint8_t key[1][16] = { { 0xf7, 0x63, 0xbf, 0xa0, 0x81, 0x3d, 0x80, 0xed, 0x30,
                                          0x1d, 0x64, 0xcd, 0x90, 0x4a, 0xbc, 0xce } };
    static const uint8_t want[8] = { 0x00, 0xab, 0xaa, 0xab, 0xe8, 0xe9, 0x54, 0xc2 };
    struct tcp_fixture f;
    struct rn_tcp_opts got;
    struct rn_sock *server;

    (void)state;
    tcp_fixture_init(&f);
    f.us = rn_addr_v4(0xc0a80002); /* 192.168.0.2 */
    assert_int_equal(rn_nic_add_addr(f.nic, f.us, 24), 0);
    server = listen_fast(&f);
    f.them = rn_addr_v4(0x0af80002); /* 10.248.0.2 */
    assert_int_equal(rn_tcp_set_fastopen_keys(f.stack, key, 1), 0);

    got = ask_for_cookie(&f);

    assert_memory_equal(got.cookie, want, sizeof(want));
    end(&f, server);
}

static void test_a_key_of_our_own_changes_but_its_cookies_hold_for_a_period(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp_opts cookie;
    struct seg_text got;
    struct rn_sock *server;

    (void)state;
    tcp_fixture_init(&f);
    server = listen_fast(&f);
    cookie = ask_for_cookie(&f);

    rn_test_turn_at(&f.t, f.t.turn.now_ns + PERIOD_MS * RN_NS_PER_MS);
    fix_ignore(&f);
    got = answer_to(&f, &cookie, 100);
    assert_int_equal(got.ack, 101);
    assert_true(got.opts.has_fastopen); /* a newer one, for the time after */
    assert_memory_not_equal(got.opts.cookie, cookie.cookie, 8);
    fix_peer(&f, "R 101:101(0)");

    rn_test_turn_at(&f.t, f.t.turn.now_ns + PERIOD_MS * RN_NS_PER_MS);
    fix_ignore(&f);
    got = answer_to(&f, &cookie, 100);
    assert_int_equal(got.ack, 1);
    assert_int_equal(f.stack->stats.tcp_fastopen_passive, 1);
    assert_int_equal(f.stack->stats.tcp_fastopen_passive_fails, 1);
    assert_int_equal(f.stack->stats.tcp_fastopen_cookie_reqs, 1);
    end(&f, server);
}

static void test_a_cookie_of_one_address_is_none_for_another(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp_opts cookie;
    struct rn_sock *server;

    (void)state;
    tcp_fixture_init(&f);
    server = listen_fast(&f);
    cookie = ask_for_cookie(&f);

    f.them = rn_addr_v4(rn_addr_to_v4(f.them) + 1);

    assert_int_equal(answer_to(&f, &cookie, 100).ack, 1);
    end(&f, server);
}

static void test_keys_of_a_listener_come_before_those_of_the_stack(void **state)
{
    static const uint8_t other[1][16] = { "fedcba9876543210" };
    struct tcp_fixture f;
    struct rn_tcp_opts before;
    struct rn_sock *server;

    (void)state;
    tcp_fixture_init(&f);
    server = listen_fast(&f);
    assert_int_equal(rn_tcp_set_fastopen_keys(f.stack, one_key, 1), 0);
    before = ask_for_cookie(&f);

    assert_int_equal(rn_tcp_set_listener_fastopen_keys(server, other, 1), 0);

    assert_memory_not_equal(ask_for_cookie(&f).cookie, before.cookie, 8);
    assert_int_equal(rn_tcp_set_listener_fastopen_keys(server, NULL, 0), 0);
    assert_memory_equal(ask_for_cookie(&f).cookie, before.cookie, 8);
    assert_int_equal(rn_tcp_set_fastopen_keys(f.stack, other, 3), RN_E_BAD_OPTION);
    end(&f, server);
}

static void test_options_are_of_the_time_before_the_handshake(void **state)
{
    struct tcp_fixture f;
    struct rn_sock *sock;
    int64_t value;

    (void)state;
    tcp_fixture_init(&f);
    sock = fix_connected(&f);

    assert_int_equal(rn_sock_set_opt(sock, RN_TCP_FASTOPEN, 5), RN_E_BAD_STATE);
    assert_int_equal(rn_sock_set_opt(sock, RN_TCP_FASTOPEN_CONNECT, 1), RN_E_BAD_STATE);
    assert_int_equal(rn_tcp_set_listener_fastopen_keys(sock, one_key, 1), RN_E_BAD_STATE);
    assert_int_equal(rn_sock_get_opt(sock, RN_TCP_FASTOPEN, &value), 0);
    assert_int_equal(value, 0);
    end(&f, sock);
}

/* One connection to @them that asks and is answered with a cookie. */
static void learn_cookie(struct tcp_fixture *f, struct rn_addr them)
{
    struct rn_endpoint to = { .addr = them, .port = 80 };
    struct seg_text answer = { .flags = RN_TCP_SYN | RN_TCP_ACK, .has_ack = true, .ack = 1 };
    struct rn_sock *sock = fix_socket(f);

    f->them = them;
    f->their_port = 80;
    f->knows_our_isn = false;
    assert_int_equal(rn_tcp_connect_write(sock, &to, "", 0), RN_E_CONNECT_STARTED);
    fix_turn(f);
    assert_true(fix_next(f).opts.has_fastopen);
    answer.opts.has_fastopen = true;
    answer.opts.cookie_len = 8;
    fix_peer_seg(f, &answer);
    rn_sock_abort(sock);
    fix_turn(f);
    fix_ignore(f);
}

/* Does a SYN to @them carry data? */
static bool knows(struct tcp_fixture *f, struct rn_addr them)
{
    struct rn_endpoint to = { .addr = them, .port = 80 };
    struct rn_sock *sock = fix_socket(f);
    int64_t taken = rn_tcp_connect_write(sock, &to, "hello", 5);

    f->them = them;
    f->knows_our_isn = false;
    fix_turn(f);
    assert_int_equal(fix_next(f).len, taken > 0 ? 5 : 0);
    rn_sock_abort(sock);
    fix_turn(f);
    fix_ignore(f);
    return taken == 5;
}

static void test_the_memory_of_servers_is_bounded(void **state)
{
    struct tcp_fixture f;
    uint32_t first;

    (void)state;
    tcp_fixture_init(&f);
    first = rn_addr_to_v4(f.them) & 0xffff0000;
    for (uint32_t i = 0; i <= 1024; i++)
        learn_cookie(&f, rn_addr_v4(first + 256 + i));

    assert_false(knows(&f, rn_addr_v4(first + 256)));
    assert_true(knows(&f, rn_addr_v4(first + 257)));
    rn_tcp_forget_fastopen(f.stack);
    assert_false(knows(&f, rn_addr_v4(first + 257)));
    tcp_fixture_fini(&f);
}

static void test_without_memory_it_is_an_ordinary_connection(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp_opts cookie;
    struct rn_sock *server;

    (void)state;
    tcp_fixture_init(&f);
    server = listen_fast(&f);
    cookie = ask_for_cookie(&f);

    for (uint64_t n = 1; n < 12; n++) {
        struct seg_text syn = { .flags = RN_TCP_SYN, .len = 100, .opts = cookie };

        f.their_port++;
        f.knows_our_isn = false;
        f.is_starved = true;
        f.t.alloc.fail_at = n;
        fix_peer_seg(&f, &syn);
        f.t.alloc.fail_at = 0;
        f.is_starved = false;
        fix_ignore(&f);
    }
    end(&f, server);
}

static void test_data_that_dies_behind_a_fast_syn_makes_us_rest(void **state)
{
    struct seg_text answer = { .flags = RN_TCP_SYN | RN_TCP_ACK, .has_ack = true, .ack = 6 };
    struct tcp_fixture f;
    struct rn_endpoint to;
    struct rn_sock *sock;

    (void)state;
    tcp_fixture_init(&f);
    to = (struct rn_endpoint){ .addr = f.them, .port = 80 };
    learn_cookie(&f, f.them);
    sock = fix_socket(&f);
    f.knows_our_isn = false;
    assert_int_equal(rn_tcp_connect_write(sock, &to, "hello", 5), 5);
    fix_turn(&f);
    assert_int_equal(fix_next(&f).len, 5);
    fix_peer_seg(&f, &answer);
    fix_writes(&f, sock, 1000);

    fix_pass(&f, 10000);

    fix_ignore(&f);
    assert_int_equal(f.stack->stats.tcp_fastopen_active, 1);
    assert_int_equal(f.stack->stats.tcp_fastopen_rests, 1);
    assert_false(knows(&f, f.them));
    end(&f, sock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cookie_is_what_linux_would_give_with_that_key),
        cmocka_unit_test(test_a_key_of_our_own_changes_but_its_cookies_hold_for_a_period),
        cmocka_unit_test(test_a_cookie_of_one_address_is_none_for_another),
        cmocka_unit_test(test_keys_of_a_listener_come_before_those_of_the_stack),
        cmocka_unit_test(test_options_are_of_the_time_before_the_handshake),
        cmocka_unit_test(test_the_memory_of_servers_is_bounded),
        cmocka_unit_test(test_without_memory_it_is_an_ordinary_connection),
        cmocka_unit_test(test_data_that_dies_behind_a_fast_syn_makes_us_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
