/* Fast Open (RFC 7413 §5): forged and stolen cookies. B15 of data in SYNs, with Fast Open on. */
#include "tcp_fixture.h"

#define LIMIT 8

static struct rn_sock *listen_fast(struct tcp_fixture *f)
{
    struct rn_sock *server = fix_listen(f, 256);

    assert_int_equal(rn_sock_set_opt(server, RN_TCP_FASTOPEN, LIMIT), 0);
    return server;
}

static struct rn_tcp_opts steal_cookie(struct tcp_fixture *f)
{
    struct seg_text syn = { .flags = RN_TCP_SYN, .opts = { .has_fastopen = true } };
    struct seg_text got;

    fix_peer_seg(f, &syn);
    got = fix_next(f);
    assert_int_equal(got.opts.cookie_len, 8);
    fix_peer(f, "R 1:1(0)");
    return got.opts;
}

static void send_syn(struct tcp_fixture *f, const struct rn_tcp_opts *opts)
{
    struct seg_text syn = { .flags = RN_TCP_SYN, .len = 400, .opts = *opts };

    f->their_port++;
    f->knows_our_isn = false;
    fix_peer_seg(f, &syn);
}

static unsigned accept_all(struct rn_sock *server)
{
    struct rn_sock *sock;
    unsigned n = 0;

    while (rn_sock_accept(server, &sock) == 0) {
        rn_sock_abort(sock);
        n++;
    }
    return n;
}

static void end(struct tcp_fixture *f, struct rn_sock *server)
{
    rn_sock_close(server);
    fix_ignore(f);
    tcp_fixture_fini(f);
}

static void test_B15_guessed_cookies_open_nothing(void **state)
{
    struct rn_tcp_opts opts = { .has_fastopen = true };
    struct tcp_fixture f;
    struct rn_sock *server;

    (void)state;
    tcp_fixture_init(&f);
    server = listen_fast(&f);

    for (uint32_t i = 0; i < 1000; i++) {
        opts.cookie_len = (uint8_t)(4 + i % 7 * 2);
        for (unsigned k = 0; k < sizeof(opts.cookie); k++)
            opts.cookie[k] = (uint8_t)(i * 2654435761u >> (k % 4 * 8));
        send_syn(&f, &opts);
        assert_int_equal(fix_next(&f).ack, 1);
        fix_silent(&f);
    }

    assert_int_equal(f.stack->stats.tcp_fastopen_passive, 0);
    assert_int_equal(accept_all(server), 0);
    end(&f, server);
}

static void test_B15_a_stolen_cookie_opens_no_more_than_the_limit(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp_opts stolen;
    struct rn_sock *server;

    (void)state;
    tcp_fixture_init(&f);
    server = listen_fast(&f);
    stolen = steal_cookie(&f);

    for (uint32_t i = 0; i < 200; i++) {
        send_syn(&f, &stolen);
        fix_ignore(&f);
    }

    assert_int_equal(f.stack->stats.tcp_fastopen_passive, LIMIT);
    assert_int_equal(f.stack->stats.tcp_fastopen_overflows, 200 - LIMIT);
    assert_int_equal(accept_all(server), LIMIT);
    end(&f, server);
}

/* The victim whose address was forged answers by RST: that must not make room for the next forgery. */
static void test_B15_resets_of_the_victim_do_not_feed_the_flood(void **state)
{
    struct tcp_fixture f;
    struct rn_tcp_opts stolen;
    struct rn_sock *server;

    (void)state;
    tcp_fixture_init(&f);
    server = listen_fast(&f);
    stolen = steal_cookie(&f);

    for (uint32_t i = 0; i < 200; i++) {
        struct seg_text got;

        send_syn(&f, &stolen);
        got = fix_next(&f);
        fix_peer(&f, got.ack == 1 ? "R 1:1(0)" : "R 401:401(0)");
        fix_pass(&f, 100);
        (void)accept_all(server);
        fix_ignore(&f);
    }

    assert_int_equal(f.stack->stats.tcp_fastopen_passive, LIMIT);
    end(&f, server);
}

static void test_B15_an_early_answer_is_an_initial_window_and_goes_once(void **state)
{
    static const uint8_t page[100000];
    struct tcp_fixture f;
    struct rn_tcp_opts stolen;
    struct rn_sock *server;
    struct rn_sock *sock;
    uint32_t sent = 0;

    (void)state;
    tcp_fixture_init(&f);
    server = listen_fast(&f);
    stolen = steal_cookie(&f);
    send_syn(&f, &stolen);
    sock = fix_accept(server);
    assert_true(rn_tcp_write(sock, page, sizeof(page), 0) > 0);

    fix_pass(&f, 120000);

    while (!rn_pktq_is_empty(&f.out))
        sent += fix_next(&f).len;
    assert_in_range(sent, 1, 14600); /* RFC 6928 */
    rn_sock_abort(sock);
    end(&f, server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_B15_guessed_cookies_open_nothing),
        cmocka_unit_test(test_B15_a_stolen_cookie_opens_no_more_than_the_limit),
        cmocka_unit_test(test_B15_resets_of_the_victim_do_not_feed_the_flood),
        cmocka_unit_test(test_B15_an_early_answer_is_an_initial_window_and_goes_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
