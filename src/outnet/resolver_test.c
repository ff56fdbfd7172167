#include "outnet/resolver.h"

#include "outer_net.h"
#include "wire/dns.h"

struct asker {
    struct rn_resolver_ask ask;
    uint8_t answer[1024];
    size_t n_answer;
    bool is_done;
};

struct rig {
    struct rn_test_turn t;
    struct rn_test_outer outer;
    struct rn_resolver *resolver;
    struct asker asker;
    uint8_t query[512];
    size_t n_query;
};

static void on_done(struct rn_resolver_ask *ask, struct rn_view answer)
{
    struct asker *a = rn_container_of(ask, struct asker, ask);

    assert_true(answer.len <= sizeof(a->answer));
    if (answer.len != 0)
        memcpy(a->answer, answer.ptr, answer.len);
    a->n_answer = answer.len;
    a->is_done = true;
}

static struct rn_addr server(unsigned i)
{
    return rn_addr_v4(0xc0000201u + i);
}

static void init(struct rig *r, unsigned n_servers)
{
    struct rn_resolver_opts opts = { .net = &r->outer.net,
                                     .host_name = "host.runnel",
                                     .host_addrs = { rn_addr_v4(0x0a000002) } };
    struct rn_addr servers[4];

    rn_test_turn_init(&r->t);
    rn_test_outer_init(&r->outer, &r->t.turn);
    assert_int_equal(rn_resolver_new(&r->resolver, &opts), 0);
    for (unsigned i = 0; i < n_servers; i++)
        servers[i] = server(i);
    rn_resolver_set_servers(r->resolver, servers, n_servers);
    r->asker = (struct asker){ .ask.done = on_done };
}

static void fini(struct rig *r)
{
    r->resolver = rn_resolver_free(r->resolver);
    rn_test_outer_fini(&r->outer);
    rn_test_turn_fini(&r->t);
}

static void ask(struct rig *r, const char *name, bool is_tcp)
{
    struct rn_dns_question question = { .type = RN_DNS_A, .class = RN_DNS_IN };
    int len;

    assert_true(rn_dns_name_parse(&question.name, name) >= 0);
    len = rn_dns_query_emit(0x1234, &question, r->query, sizeof(r->query));
    assert_true(len > 0);
    r->n_query = (size_t)len;
    r->asker.ask.is_tcp = is_tcp;
    assert_int_equal(
        rn_resolver_start(r->resolver, &r->asker.ask, rn_view_of(r->query, r->n_query)), 0);
}

/* What a server would say to @query: the question again, and the response bit. Returns its length. */
static size_t respond(uint8_t *out, const uint8_t *query, size_t len)
{
    memcpy(out, query, len);
    out[2] |= 0x80;
    return len;
}

static uint8_t rcode(const struct rig *r)
{
    assert_true(r->asker.is_done);
    assert_int_equal(rn_get_be16(r->asker.answer), 0x1234);
    return r->asker.answer[3] & 0x0f;
}

static void test_the_host_has_a_name_of_ours(void **state)
{
    struct rig r;
    (void)state;

    init(&r, 1);
    ask(&r, "host.runnel", false);
    rn_test_turn_run(&r.t, 0);

    assert_int_equal(rcode(&r), RN_DNS_NOERROR);
    assert_int_equal(rn_get_be16(r.asker.answer + 6), 1);
    assert_int_equal(r.outer.n_dgrams, 0);
    fini(&r);
}

static void test_a_silent_server_is_followed_by_the_next(void **state)
{
    struct rn_endpoint second = { .addr = server(1), .port = RN_DNS_PORT };
    struct rn_test_outer_dgram *d;
    uint8_t answer[512];
    struct rig r;
    (void)state;

    init(&r, 2);
    ask(&r, "example.net", false);
    assert_true(rn_addr_eq(r.outer.dgrams[0]->out_to.peer.addr, server(0)));
    rn_test_turn_run(&r.t, 2100 * RN_NS_PER_MS);
    assert_int_equal(r.outer.n_dgrams, 2);
    d = r.outer.dgrams[1];
    assert_true(rn_addr_eq(d->out_to.peer.addr, server(1)));

    rn_test_outer_dgram_give(d, answer, respond(answer, d->out, d->n_out), &second);
    rn_test_turn_run(&r.t, 0);

    assert_int_equal(rcode(&r), RN_DNS_NOERROR);
    fini(&r);
}

static void test_an_answer_from_elsewhere_or_with_another_id_is_not_believed(void **state)
{
    struct rn_endpoint first = { .addr = server(0), .port = RN_DNS_PORT };
    struct rn_endpoint other = { .addr = server(9), .port = RN_DNS_PORT };
    struct rn_test_outer_dgram *d;
    uint8_t answer[512];
    size_t len;
    struct rig r;
    (void)state;

    init(&r, 1);
    ask(&r, "example.net", false);
    d = r.outer.dgrams[0];
    len = respond(answer, d->out, d->n_out);

    rn_test_outer_dgram_give(d, answer, len, &other);
    rn_test_turn_run(&r.t, 0);
    assert_false(r.asker.is_done);
    answer[0] ^= 1;
    rn_test_outer_dgram_give(d, answer, len, &first);
    rn_test_turn_run(&r.t, 0);
    assert_false(r.asker.is_done);

    answer[0] ^= 1;
    rn_test_outer_dgram_give(d, answer, len, &first);
    rn_test_turn_run(&r.t, 0);
    assert_true(r.asker.is_done);
    fini(&r);
}

static void test_when_no_server_answers_the_client_is_told(void **state)
{
    struct rig r;
    (void)state;

    init(&r, 2);
    ask(&r, "example.net", false);
    rn_test_turn_run(&r.t, 7 * RN_NS_PER_S);
    assert_false(r.asker.is_done);
    rn_test_turn_run(&r.t, 2100 * RN_NS_PER_MS);

    assert_int_equal(rcode(&r), RN_DNS_SERVFAIL);
    assert_int_equal(r.outer.n_dgrams, 4); /* each server twice */
    fini(&r);
}

static void test_what_came_over_tcp_is_asked_over_tcp_of_one_server_after_the_other(void **state)
{
    struct rn_test_outer_conn *c;
    uint8_t answer[512];
    uint8_t length[2];
    size_t len;
    struct rig r;
    (void)state;

    init(&r, 2);
    ask(&r, "example.net", true);
    assert_int_equal(r.outer.n_dgrams, 0);
    assert_true(rn_addr_eq(r.outer.dialled[0].addr, server(0)));
    rn_test_outer_fail(&r.outer, 0, RN_E_CONN_REFUSED);
    assert_true(rn_addr_eq(r.outer.dialled[1].addr, server(1)));
    assert_int_equal(r.outer.dialled[1].port, RN_DNS_PORT);
    c = rn_test_outer_connect(&r.outer, 1);
    assert_int_equal(rn_get_be16(c->out), r.n_query);
    assert_int_equal(c->n_out, 2 + r.n_query);
    assert_memory_equal(c->out + 4, r.query + 2, r.n_query - 2); /* all but the identifier */

    len = respond(answer, c->out + 2, c->n_out - 2);
    rn_put_be16(length, (uint16_t)len);
    rn_test_outer_give(c, length, 1);
    rn_test_turn_run(&r.t, 0);
    rn_test_outer_give(c, length + 1, 1);
    rn_test_outer_give(c, answer, len - 1);
    rn_test_turn_run(&r.t, 0);
    assert_false(r.asker.is_done);
    rn_test_outer_give(c, answer + len - 1, 1);
    rn_test_turn_run(&r.t, 0);

    assert_int_equal(rcode(&r), RN_DNS_NOERROR);
    assert_int_equal(r.asker.n_answer, len);
    assert_true(c->was_closed);
    fini(&r);
}

static void test_a_server_that_hangs_up_or_says_nothing_over_tcp_is_passed_over(void **state)
{
    struct rn_test_outer_conn *c;
    struct rig r;
    (void)state;

    init(&r, 3);
    ask(&r, "example.net", true);
    c = rn_test_outer_connect(&r.outer, 0);
    rn_test_outer_end(c);
    rn_test_turn_run(&r.t, 0);
    assert_int_equal(r.outer.n_dials, 2);
    c = rn_test_outer_connect(&r.outer, 1);
    rn_test_outer_give(c, "\0\0", 2); /* an empty message */
    rn_test_turn_run(&r.t, 0);
    assert_int_equal(r.outer.n_dials, 3);
    c = rn_test_outer_connect(&r.outer, 2);
    rn_test_turn_run(&r.t, 2100 * RN_NS_PER_MS);
    assert_int_equal(r.outer.n_dials, 4);
    assert_true(c->was_closed);

    rn_test_turn_run(&r.t, 10 * RN_NS_PER_S);
    assert_int_equal(rcode(&r), RN_DNS_SERVFAIL);
    fini(&r);
}

static void test_a_cancelled_question_leaves_nothing(void **state)
{
    struct rig r;
    (void)state;

    init(&r, 1);
    ask(&r, "example.net", false);
    rn_resolver_cancel(&r.asker.ask);
    ask(&r, "example.net", true);
    rn_test_outer_connect(&r.outer, 0);
    rn_resolver_cancel(&r.asker.ask);
    rn_test_turn_run(&r.t, 20 * RN_NS_PER_S);

    assert_false(r.asker.is_done);
    fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_host_has_a_name_of_ours),
        cmocka_unit_test(test_a_silent_server_is_followed_by_the_next),
        cmocka_unit_test(test_an_answer_from_elsewhere_or_with_another_id_is_not_believed),
        cmocka_unit_test(test_when_no_server_answers_the_client_is_told),
        cmocka_unit_test(test_what_came_over_tcp_is_asked_over_tcp_of_one_server_after_the_other),
        cmocka_unit_test(test_a_server_that_hangs_up_or_says_nothing_over_tcp_is_passed_over),
        cmocka_unit_test(test_a_cancelled_question_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
