/* Every allocation fails once, then all from there on: nothing may crash, leak, or break a promise. */
#include "tcp_fixture.h"

static void drop_out(struct tcp_fixture *f)
{
    while (!rn_pktq_is_empty(&f->out))
        rn_pkt_free(rn_pktq_pop(&f->out));
}

/* A life with everything in it that allocates; every step may find that the one before did not succeed. */
static void live(struct tcp_fixture *f)
{
    static const uint8_t bytes[20000];
    struct rn_sock *server = NULL;
    struct rn_sock *client = NULL;
    struct rn_sock *sock = NULL;
    struct rn_endpoint local = { .port = f->our_port };
    struct rn_endpoint remote = { .addr = f->them, .port = 9 };
    int64_t n;

    if (rn_tcp_new(&server, f->stack) == 0 && rn_sock_bind(server, &local) == 0 &&
        rn_sock_set_opt(server, RN_TCP_LINGER2_NS, 7) == 0 &&
        rn_sock_set_opt(server, RN_TCP_ECN, RN_TCP_ECN_ACCURATE_GRANT) == 0)
        (void)!rn_sock_listen(server, 4);
    fix_peer(f, "SEWA 0:0(0) win 65535 <mss 1460,sackOK,TS 1 0,wscale 7>");
    while (!f->knows_our_isn && !rn_pktq_is_empty(&f->out))
        (void)fix_next(f);
    fix_peer(f, "W. 1:1(0) ack 1 <TS 1 0>");
    fix_peer(f, "EA. 1001:2001(1000) ack 1 <TS 1 0>");
    fix_peer(f, "EA. 3001:4001(1000) ack 1 <TS 1 0>");
    fix_peer(f, "EA. 1:2001(2000) ack 1 <TS 1 0>");
    if (server != NULL && rn_sock_accept(server, &sock) == 0) {
        rn_tcp_consume(sock, 1500);
        n = rn_tcp_write(sock, bytes, sizeof(bytes), 0);
        fix_turn(f);
        fix_peer(f, "EA. 2001:2001(0) ack 1461 <TS 1 0,sack 2921:4381>");
        if (n > 0)
            (void)!rn_sock_shutdown(sock, RN_SHUT_WRITE);
        fix_pass(f, 2000);
        rn_sock_close(sock);
    }
    if (rn_tcp_new(&client, f->stack) == 0 &&
        rn_sock_set_opt(client, RN_TCP_ECN, RN_TCP_ECN_ACCURATE_ASK) == 0)
        (void)!rn_sock_connect(client, &remote);
    fix_pass(f, 2000);
    drop_out(f);
    rn_sock_close(client);
    rn_sock_close(server);
    fix_pass(f, 1000);
    drop_out(f);
}

static uint64_t run(uint64_t fail_at, bool forever)
{
    struct tcp_fixture f;
    uint64_t calls;

    tcp_fixture_init(&f);
    calls = f.t.alloc.n_calls;
    f.is_starved = true;
    f.t.alloc.fail_at = fail_at;
    f.t.alloc.fail_forever = forever;
    live(&f);
    f.t.alloc.fail_at = 0;
    f.t.alloc.fail_forever = false;
    calls = f.t.alloc.n_calls - calls;
    drop_out(&f);
    tcp_fixture_fini(&f);
    return calls;
}

static void test_any_single_allocation_may_fail(void **state)
{
    uint64_t n = run(0, false);

    (void)state;
    assert_true(n > 10);
    for (uint64_t i = 1; i <= n; i++)
        (void)run(i, false);
}

static void test_memory_may_end_at_any_moment(void **state)
{
    uint64_t n = run(0, false);

    (void)state;
    for (uint64_t i = 1; i <= n; i++)
        (void)run(i, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_single_allocation_may_fail),
        cmocka_unit_test(test_memory_may_end_at_any_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
