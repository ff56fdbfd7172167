#include "outnet/gate_tcp.h"

#include "host.h"
#include "outer_net.h"
#include "test_net.h"

#include <runnel/err.h>
#include <runnel/tcp.h>

/* Side A has the programs, side B the gate: whatever A connects to is dialled in the outer net. */
struct rig {
    struct rn_test_net n;
    struct rn_test_outer outer;
    struct rn_gate_tcp *gate;
    struct rn_sock *client;
};

static void init(struct rig *r)
{
    struct rn_gate_tcp_opts gate = { .max_pending = 8 };
    struct rn_endpoint to = { .port = 80 };

    rn_test_net_init(&r->n,
                     &(struct rn_test_net_opts){ .protos = &rn_protos_all,
                                                 .nic_flags = RN_NIC_PROMISCUOUS | RN_NIC_SPOOFING |
                                                              RN_NIC_NO_DAD });
    rn_test_outer_init(&r->outer, &r->n.t.turn);
    gate.stack = r->n.b.stack;
    gate.net = &r->outer.net;
    assert_int_equal(rn_gate_tcp_new(&r->gate, &gate), 0);
    to.addr = r->n.b.v4;
    assert_int_equal(rn_tcp_new(&r->client, r->n.a.stack), 0);
    assert_int_equal(rn_sock_connect(r->client, &to), RN_E_CONNECT_STARTED);
    rn_test_net_run(&r->n, RN_NS_PER_MS);
    assert_int_equal(r->outer.n_dials, 1);
}

static void fini(struct rig *r)
{
    r->client = rn_sock_abort(r->client);
    r->gate = rn_gate_tcp_free(r->gate);
    rn_test_outer_fini(&r->outer);
    rn_test_net_fini(&r->n);
}

static struct rn_test_outer_conn *open_one(struct rig *r)
{
    struct rn_test_outer_conn *c = rn_test_outer_connect(&r->outer, 0);

    rn_test_net_run(&r->n, RN_NS_PER_MS);
    assert_true(rn_sock_readiness(r->client) & RN_WRITABLE);
    return c;
}

/* Another client's, the @which'th. */
static struct rn_test_outer_conn *open_another(struct rig *r, unsigned which, struct rn_sock **ret)
{
    struct rn_endpoint to = { .addr = r->n.b.v4, .port = 80 };
    struct rn_test_outer_conn *c;

    assert_int_equal(rn_tcp_new(ret, r->n.a.stack), 0);
    assert_int_equal(rn_sock_connect(*ret, &to), RN_E_CONNECT_STARTED);
    rn_test_net_run(&r->n, RN_NS_PER_MS);
    c = rn_test_outer_connect(&r->outer, which);
    rn_test_net_run(&r->n, RN_NS_PER_MS);
    return c;
}

static void test_a_connection_is_answered_only_when_the_dial_is(void **state)
{
    struct rig r;
    (void)state;

    init(&r);
    rn_test_net_run(&r.n, 500 * RN_NS_PER_MS);
    assert_false(rn_sock_readiness(r.client) & RN_WRITABLE);
    assert_int_equal(r.outer.dialled[0].port, 80);
    open_one(&r);
    fini(&r);
}

static void test_why_a_dial_failed_is_what_the_client_hears(void **state)
{
    static const struct {
        int dial;
        int heard;
    } cases[] = {
        { RN_E_CONN_REFUSED, RN_E_CONN_REFUSED },
        { RN_E_NET_UNREACH, RN_E_NET_UNREACH },
        { RN_E_HOST_UNREACH, RN_E_HOST_UNREACH },
    };
    (void)state;

    for (unsigned i = 0; i < RN_ARRAY_LEN(cases); i++) {
        struct rig r;

        init(&r);
        rn_test_outer_fail(&r.outer, 0, cases[i].dial);
        rn_test_net_run(&r.n, RN_NS_PER_MS);
        assert_int_equal(rn_sock_take_error(r.client), cases[i].heard);
        fini(&r);
    }
}

static void test_a_client_that_gives_up_cancels_the_dial(void **state)
{
    struct rig r;
    (void)state;

    init(&r);
    r.client = rn_sock_abort(r.client);
    rn_test_net_run(&r.n, 200 * RN_NS_PER_S);
    assert_null(r.outer.dials[0]);
    fini(&r);
}

static void test_bytes_and_ends_pass_both_ways(void **state)
{
    struct rn_test_outer_conn *c;
    char text[16];
    struct rig r;
    (void)state;

    init(&r);
    c = open_one(&r);
    assert_int_equal(rn_tcp_write(r.client, "question", 8, 0), 8);
    assert_int_equal(rn_sock_shutdown(r.client, RN_SHUT_WRITE), 0);
    rn_test_net_run(&r.n, RN_NS_PER_MS);
    assert_int_equal(c->n_out, 8);
    assert_memory_equal(c->out, "question", 8);
    assert_true(c->was_shut);
    assert_false(c->was_closed);

    rn_test_outer_give(c, "answer", 6);
    rn_test_outer_end(c);
    rn_test_net_run(&r.n, RN_NS_PER_MS);
    assert_int_equal(rn_tcp_read(r.client, text, sizeof(text)), 6);
    assert_memory_equal(text, "answer", 6);
    assert_int_equal(rn_tcp_read(r.client, text, sizeof(text)), 0);
    rn_test_net_run(&r.n, RN_NS_PER_S);
    assert_true(c->was_closed);
    fini(&r);
}

/* @len bytes for an outer side that takes none yet. */
static void fill(struct rig *r, struct rn_sock *client, size_t len)
{
    static const uint8_t bytes[4096];

    while (len != 0) {
        int64_t n = rn_tcp_write(client, bytes, rn_min_size(len, sizeof(bytes)), 0);

        if (n > 0)
            len -= (size_t)n;
        rn_test_net_run(&r->n, RN_NS_PER_MS);
    }
}

static void test_busy_streams_take_turns_by_pieces(void **state)
{
    struct rn_test_outer_conn *a;
    struct rn_test_outer_conn *b;
    struct rn_sock *other;
    struct rig r;
    (void)state;

    init(&r);
    a = open_one(&r);
    b = open_another(&r, 1, &other);
    a->out_room = 0;
    b->out_room = 0;
    fill(&r, r.client, 60000);
    fill(&r, other, 60000);

    a->out_room = 60000;
    b->out_room = 60000;
    rn_test_outer_tell(a, RN_WRITABLE);
    rn_test_outer_tell(b, RN_WRITABLE);
    rn_test_net_run(&r.n, RN_NS_PER_MS);

    assert_int_equal(a->n_out, 60000);
    assert_int_equal(b->n_out, 60000);
    assert_true(a->first_write < b->first_write);
    assert_true(b->first_write < a->last_write);
    assert_true(a->last_write < b->last_write);
    rn_sock_abort(other);
    fini(&r);
}

static void test_what_was_read_goes_on_its_way_before_much_more_is_read(void **state)
{
    static const uint8_t bytes[60000];
    struct rn_test_outer_conn *conns[8];
    struct rn_sock *clients[8];
    uint64_t before;
    struct rig r;
    (void)state;

    init(&r);
    conns[0] = open_one(&r);
    clients[0] = r.client;
    for (unsigned i = 1; i < RN_ARRAY_LEN(conns); i++)
        conns[i] = open_another(&r, i, &clients[i]);
    before = r.n.t.turn.moved_bytes;
    for (unsigned i = 0; i < RN_ARRAY_LEN(conns); i++)
        rn_test_outer_give(conns[i], bytes, sizeof(bytes)); /* all are told of in one turn */
    rn_test_net_run(&r.n, 0);

    /* Five come to 256 KiB; the others waited until the first packets of those were with the device. */
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(conns[i]->moved_at_read, before);
    for (unsigned i = 5; i < RN_ARRAY_LEN(conns); i++)
        assert_true(conns[i]->moved_at_read > before + 50000);
    for (unsigned i = 1; i < RN_ARRAY_LEN(conns); i++)
        rn_sock_abort(clients[i]);
    fini(&r);
}

static void test_a_reset_of_either_side_is_a_reset_of_the_other(void **state)
{
    struct rn_test_outer_conn *c;
    char byte;
    struct rig r;
    (void)state;

    init(&r);
    c = open_one(&r);
    r.client = rn_sock_abort(r.client);
    rn_test_net_run(&r.n, RN_NS_PER_MS);
    assert_true(c->was_aborted);
    fini(&r);

    init(&r);
    c = open_one(&r);
    c->read_err = RN_E_CONN_RESET;
    rn_test_outer_tell(c, RN_READABLE | RN_ERROR);
    rn_test_net_run(&r.n, RN_NS_PER_MS);
    assert_int_equal(rn_tcp_read(r.client, &byte, 1), RN_E_CONN_RESET);
    fini(&r);
}

/* What the outer side does not take stays inside as a closed window, and moves on when it takes more. */
static void test_an_outer_side_that_takes_nothing_stops_the_client(void **state)
{
    static uint8_t bytes[60000];
    struct rn_test_outer_conn *c;
    size_t sent = 0;
    struct rig r;
    (void)state;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7);
    init(&r);
    c = open_one(&r);
    c->out_room = 1000;
    while (sent < sizeof(bytes)) {
        int64_t n = rn_tcp_write(r.client, bytes + sent, sizeof(bytes) - sent, 0);

        if (n < 0)
            break;
        sent += (size_t)n;
        rn_test_net_run(&r.n, 10 * RN_NS_PER_MS);
    }
    assert_int_equal(c->n_out, 1000);
    assert_int_equal(rn_gate_tcp_unsent(r.gate), 1);

    c->out_room = sizeof(bytes);
    rn_test_outer_tell(c, RN_WRITABLE);
    assert_int_equal(rn_sock_shutdown(r.client, RN_SHUT_WRITE), 0);
    rn_test_net_run(&r.n, RN_NS_PER_S);
    assert_int_equal(c->n_out, sent);
    assert_memory_equal(c->out, bytes, sent);
    assert_int_equal(rn_gate_tcp_unsent(r.gate), 0);
    fini(&r);
}

static void test_a_gate_that_goes_closes_what_has_said_all_and_resets_the_rest(void **state)
{
    struct rn_test_outer_conn *c;
    struct rig r;
    (void)state;

    init(&r);
    c = open_one(&r);
    assert_int_equal(rn_tcp_write(r.client, "all", 3, 0), 3);
    r.client = rn_sock_close(r.client);
    rn_test_net_run(&r.n, RN_NS_PER_MS);
    r.gate = rn_gate_tcp_free(r.gate);
    assert_true(c->was_closed && !c->was_aborted);
    fini(&r);

    init(&r);
    c = open_one(&r);
    assert_int_equal(rn_gate_tcp_unsent(r.gate), 1);
    r.gate = rn_gate_tcp_free(r.gate);
    assert_true(c->was_aborted);
    fini(&r);
}

static void test_what_comes_from_outside_appears_inside_as_its_peer(void **state)
{
    struct rn_endpoint service = { .port = 8080 };
    struct rn_endpoint from = { .addr = rn_addr_v4(0x0a000063), .port = 4711 };
    struct rn_test_outer_conn *c;
    struct rn_sock *listener;
    struct rn_sock *sock;
    struct rig r;
    (void)state;

    init(&r);
    open_one(&r);
    service.addr = r.n.a.v4;
    assert_int_equal(rn_tcp_new(&listener, r.n.a.stack), 0);
    assert_int_equal(rn_sock_bind(listener, &service), 0);
    assert_int_equal(rn_sock_listen(listener, 1), 0);
    c = rn_test_outer_conn_new(&r.outer);
    assert_int_equal(rn_gate_tcp_inward(r.gate, &c->conn, &from, &service), 0);
    rn_test_net_run(&r.n, RN_NS_PER_S);

    assert_int_equal(rn_sock_accept(listener, &sock), 0);
    assert_true(rn_addr_eq(rn_sock_remote(sock).addr, from.addr));
    assert_int_equal(rn_sock_remote(sock).port, from.port);
    sock = rn_sock_abort(sock);
    rn_sock_close(listener);
    fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_connection_is_answered_only_when_the_dial_is),
        cmocka_unit_test(test_why_a_dial_failed_is_what_the_client_hears),
        cmocka_unit_test(test_a_client_that_gives_up_cancels_the_dial),
        cmocka_unit_test(test_bytes_and_ends_pass_both_ways),
        cmocka_unit_test(test_busy_streams_take_turns_by_pieces),
        cmocka_unit_test(test_what_was_read_goes_on_its_way_before_much_more_is_read),
        cmocka_unit_test(test_a_reset_of_either_side_is_a_reset_of_the_other),
        cmocka_unit_test(test_an_outer_side_that_takes_nothing_stops_the_client),
        cmocka_unit_test(test_a_gate_that_goes_closes_what_has_said_all_and_resets_the_rest),
        cmocka_unit_test(test_what_comes_from_outside_appears_inside_as_its_peer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
