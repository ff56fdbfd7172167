#include "outnet/gate_dns.h"

#include "host.h"
#include "outer_net.h"
#include "outnet/gate_tcp.h"
#include "test_net.h"
#include "wire/dns.h"

#include <runnel/err.h>
#include <runnel/tcp.h>

/* Side A asks; side B has the gate, behind a TCP gate that sends it everything for port 53. */
struct rig {
    struct rn_test_net n;
    struct rn_test_outer outer;
    struct rn_resolver *resolver;
    struct rn_gate_dns *dns;
    struct rn_gate_tcp *tcp;
    struct rn_sock *client;
};

static int way(void *arg, struct rn_endpoint *to)
{
    (void)arg;
    return to->port == RN_DNS_PORT ? RN_GATE_TCP_DNS : RN_GATE_TCP_OUT;
}

static void init(struct rig *r)
{
    struct rn_addr server = rn_addr_v4(0xc0000201);
    struct rn_resolver_opts resolver = { .host_name = "host.runnel" };
    struct rn_gate_dns_opts dns = { .max_conns = 1 };
    struct rn_gate_tcp_opts tcp = { .map = way };
    struct rn_endpoint to = { .port = RN_DNS_PORT };

    rn_test_net_init(&r->n, &(struct rn_test_net_opts){ .protos = &rn_protos_all });
    rn_test_outer_init(&r->outer, &r->n.t.turn);
    resolver.net = &r->outer.net;
    resolver.host_addrs[0] = r->n.b.v4;
    assert_int_equal(rn_resolver_new(&r->resolver, &resolver), 0);
    rn_resolver_set_servers(r->resolver, &server, 1);
    dns.stack = r->n.b.stack;
    dns.resolver = r->resolver;
    assert_int_equal(rn_gate_dns_new(&r->dns, &dns), 0);
    tcp.stack = r->n.b.stack;
    tcp.net = &r->outer.net;
    tcp.dns = r->dns;
    assert_int_equal(rn_gate_tcp_new(&r->tcp, &tcp), 0);
    to.addr = r->n.b.v4;
    assert_int_equal(rn_tcp_new(&r->client, r->n.a.stack), 0);
    assert_int_equal(rn_sock_connect(r->client, &to), RN_E_CONNECT_STARTED);
    rn_test_net_run(&r->n, RN_NS_PER_MS);
}

static void fini(struct rig *r)
{
    r->client = rn_sock_abort(r->client);
    r->tcp = rn_gate_tcp_free(r->tcp);
    r->dns = rn_gate_dns_free(r->dns);
    r->resolver = rn_resolver_free(r->resolver);
    rn_test_outer_fini(&r->outer);
    rn_test_net_fini(&r->n);
}

/* A question for @name with its length before it. Returns how many bytes. */
static size_t frame(uint8_t *out, size_t max, uint16_t id, const char *name)
{
    struct rn_dns_question question = { .type = RN_DNS_A, .class = RN_DNS_IN };
    int len;

    assert_true(rn_dns_name_parse(&question.name, name) >= 0);
    len = rn_dns_query_emit(id, &question, out + 2, max - 2);
    assert_true(len > 0);
    rn_put_be16(out, (uint16_t)len);
    return 2 + (size_t)len;
}

/* Reads one whole answer; returns its identifier. */
static uint16_t answered(struct rig *r, uint8_t *ret_rcode)
{
    uint8_t head[2];
    uint8_t msg[512];
    int64_t n = rn_tcp_read(r->client, head, 2);

    assert_int_equal(n, 2);
    n = rn_tcp_read(r->client, msg, rn_get_be16(head));
    assert_int_equal(n, rn_get_be16(head));
    *ret_rcode = msg[3] & 0x0f;
    return rn_get_be16(msg);
}

static void test_a_question_in_crumbs_is_answered_and_the_stream_ends_in_order(void **state)
{
    uint8_t query[256];
    uint8_t code;
    size_t len = frame(query, sizeof(query), 77, "host.runnel");
    struct rig r;
    (void)state;

    init(&r);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(rn_tcp_write(r.client, query + i, 1, 0), 1);
        rn_test_net_run(&r.n, 50 * RN_NS_PER_MS);
    }
    assert_int_equal(answered(&r, &code), 77);
    assert_int_equal(code, RN_DNS_NOERROR);

    assert_int_equal(rn_sock_shutdown(r.client, RN_SHUT_WRITE), 0);
    rn_test_net_run(&r.n, RN_NS_PER_S);
    assert_int_equal(rn_tcp_read(r.client, query, 1), 0);
    fini(&r);
}

static void test_questions_in_a_row_are_all_open_and_answered_as_answers_come(void **state)
{
    uint8_t query[256];
    uint8_t code;
    size_t len = frame(query, sizeof(query), 1, "example.net");
    struct rig r;
    (void)state;

    init(&r);
    assert_int_equal(rn_tcp_write(r.client, query, len, 0), len);
    len = frame(query, sizeof(query), 2, "host.runnel");
    assert_int_equal(rn_tcp_write(r.client, query, len, 0), len);
    rn_test_net_run(&r.n, RN_NS_PER_MS);
    assert_int_equal(answered(&r, &code), 2);
    assert_int_equal(r.outer.n_dials, 1);

    rn_test_outer_fail(&r.outer, 0, RN_E_CONN_REFUSED);
    rn_test_outer_fail(&r.outer, 1, RN_E_CONN_REFUSED);
    rn_test_net_run(&r.n, RN_NS_PER_MS);
    assert_int_equal(answered(&r, &code), 1);
    assert_int_equal(code, RN_DNS_SERVFAIL);
    fini(&r);
}

static void test_more_questions_than_may_be_open_wait_and_are_not_lost(void **state)
{
    uint8_t query[256];
    struct rig r;
    (void)state;

    init(&r);
    for (uint16_t i = 0; i < 24; i++) {
        size_t len = frame(query, sizeof(query), i, "example.net");

        assert_int_equal(rn_tcp_write(r.client, query, len, 0), len);
    }
    rn_test_net_run(&r.n, RN_NS_PER_MS);
    assert_int_equal(r.outer.n_dials, 16);
    rn_test_outer_fail(&r.outer, 0, RN_E_CONN_REFUSED);  /* the first server again ... */
    rn_test_outer_fail(&r.outer, 16, RN_E_CONN_REFUSED); /* ... and no more to ask */
    rn_test_net_run(&r.n, RN_NS_PER_MS);
    assert_int_equal(r.outer.n_dials, 18);
    fini(&r);
}

static void test_a_message_too_long_or_no_question_resets(void **state)
{
    static const uint8_t too_long[2] = { 0xff, 0xff };
    uint8_t byte;
    struct rig r;
    (void)state;

    init(&r);
    assert_int_equal(rn_tcp_write(r.client, too_long, 2, 0), 2);
    rn_test_net_run(&r.n, RN_NS_PER_MS);
    assert_int_equal(rn_tcp_read(r.client, &byte, 1), RN_E_CONN_RESET);
    fini(&r);
}

static void test_one_connection_too_many_is_refused_and_a_silent_one_ends(void **state)
{
    struct rn_endpoint to = { .port = RN_DNS_PORT };
    struct rn_sock *other;
    uint8_t byte;
    struct rig r;
    (void)state;

    init(&r);
    to.addr = r.n.b.v4;
    assert_int_equal(rn_tcp_new(&other, r.n.a.stack), 0);
    assert_int_equal(rn_sock_connect(other, &to), RN_E_CONNECT_STARTED);
    rn_test_net_run(&r.n, RN_NS_PER_MS);
    assert_int_equal(rn_sock_take_error(other), RN_E_CONN_REFUSED);

    rn_test_net_run(&r.n, 11 * RN_NS_PER_S);
    assert_int_equal(rn_tcp_read(r.client, &byte, 1), 0);
    other = rn_sock_close(other);
    fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_question_in_crumbs_is_answered_and_the_stream_ends_in_order),
        cmocka_unit_test(test_questions_in_a_row_are_all_open_and_answered_as_answers_come),
        cmocka_unit_test(test_more_questions_than_may_be_open_wait_and_are_not_lost),
        cmocka_unit_test(test_a_message_too_long_or_no_question_resets),
        cmocka_unit_test(test_one_connection_too_many_is_refused_and_a_silent_one_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
