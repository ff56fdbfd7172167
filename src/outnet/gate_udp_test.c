#include "outnet/gate_udp.h"

#include "host.h"
#include "outer_net.h"
#include "test_net.h"

#include <runnel/err.h>
#include <runnel/route.h>
#include <runnel/udp.h>

#define SERVICE 53

/* Side B has the gate; side A a service, and the way to everywhere through B. */
struct rig {
    struct rn_test_net n;
    struct rn_test_outer outer;
    struct rn_gate_udp *gate;
    struct rn_sock *service;
};

/* Loopback peers appear as the gateway, as for `runnel run`. */
static struct rn_endpoint as_gateway(void *arg, const struct rn_endpoint *peer)
{
    struct rn_endpoint seen = *peer;
    (void)arg;

    if (rn_addr_is_loopback(peer->addr))
        seen.addr = rn_addr_v4(0x0a000002);
    return seen;
}

static void init(struct rig *r, const struct rn_test_net_opts *opts)
{
    struct rn_gate_udp_opts gate = { .peer = as_gateway };
    struct rn_endpoint name = { .port = SERVICE };
    struct rn_route_entry out = { .dst = rn_prefix_of(rn_addr_v4(0), 0) };

    rn_test_net_init(&r->n, opts);
    rn_test_outer_init(&r->outer, &r->n.t.turn);
    gate.stack = r->n.b.stack;
    gate.net = &r->outer.net;
    assert_int_equal(rn_gate_udp_new(&r->gate, &gate), 0);
    name.addr = r->n.a.v4;
    out.dst.is_v4 = true;
    out.gateway = r->n.b.v4;
    out.nic = rn_nic_id(r->n.a.nic);
    assert_int_equal(rn_route_add(r->n.a.stack, &out), 0);
    assert_int_equal(rn_udp_new(&r->service, r->n.a.stack), 0);
    assert_int_equal(rn_sock_bind(r->service, &name), 0);
}

static const struct rn_test_net_opts promiscuous = {
    .protos = &rn_protos_all, .nic_flags = RN_NIC_PROMISCUOUS | RN_NIC_SPOOFING | RN_NIC_NO_DAD
};

static void fini(struct rig *r)
{
    rn_sock_close(r->service);
    r->gate = rn_gate_udp_free(r->gate);
    rn_test_outer_fini(&r->outer);
    rn_test_net_fini(&r->n);
}

static struct rn_test_outer_dgram *publish(struct rig *r)
{
    struct rn_test_outer_dgram *d = rn_test_outer_dgram_new(&r->outer);
    struct rn_endpoint inner = { .addr = r->n.a.v4, .port = SERVICE };

    assert_int_equal(rn_gate_udp_publish(r->gate, &d->dgram, &inner), 0);
    return d;
}

/* Takes one datagram off the service and returns who it says it is from. */
static struct rn_endpoint heard(struct rig *r, const char *text)
{
    struct rn_dgram got;
    char buf[64];
    int64_t n;

    rn_test_net_run(&r->n, RN_NS_PER_MS);
    n = rn_dgram_recv(r->service, buf, sizeof(buf), &got);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(buf, text, strlen(text));
    return got.from;
}

static void answer(struct rig *r, const struct rn_endpoint *to, const char *text)
{
    struct rn_dgram_opts opts = { .to = *to };
    struct rn_slice bytes = { (const uint8_t *)text, strlen(text) };

    assert_int_equal(rn_dgram_send(r->service, bytes, &opts), strlen(text));
    rn_test_net_run(&r->n, RN_NS_PER_MS);
}

static void assert_sent(struct rn_test_outer_dgram *d, const char *text,
                        const struct rn_endpoint *to)
{
    assert_true(d->has_out);
    assert_int_equal(d->n_out, strlen(text));
    assert_memory_equal(d->out, text, d->n_out);
    assert_true(rn_addr_eq(d->out_to.peer.addr, to->addr));
    assert_int_equal(d->out_to.peer.port, to->port);
    d->has_out = false;
}

static void test_an_answer_leaves_by_the_published_socket_the_peer_spoke_to(void **state)
{
    struct rn_endpoint one = { .addr = rn_addr_v4(0xc6336407), .port = 1000 };
    struct rn_endpoint two = { .addr = rn_addr_v4(0xc6336408), .port = 1000 };
    struct rn_test_outer_dgram *first;
    struct rn_test_outer_dgram *second;
    struct rn_endpoint from_one;
    struct rn_endpoint from_two;
    struct rig r;
    (void)state;

    init(&r, &promiscuous);
    first = publish(&r);
    second = publish(&r);

    rn_test_outer_dgram_give(first, "by one", 6, &one);
    from_one = heard(&r, "by one");
    rn_test_outer_dgram_give(second, "by two", 6, &two);
    from_two = heard(&r, "by two");
    answer(&r, &from_one, "to one");
    answer(&r, &from_two, "to two");

    assert_sent(first, "to one", &one);
    assert_sent(second, "to two", &two);
    fini(&r);
}

static void test_many_peers_of_one_host_each_get_their_own_answer(void **state)
{
    struct rn_endpoint names[20];
    struct rn_test_outer_dgram *d;
    struct rig r;
    (void)state;

    init(&r, &promiscuous);
    d = publish(&r);
    for (uint16_t i = 0; i < 20; i++) {
        struct rn_endpoint peer = { .addr = rn_addr_v4(0x7f000001), .port = (uint16_t)(4000 + i) };

        rn_test_outer_dgram_give(d, "hello", 5, &peer);
        names[i] = heard(&r, "hello");
        assert_true(rn_addr_eq(names[i].addr, r.n.b.v4));
    }
    for (uint16_t i = 0; i < 20; i++) {
        struct rn_endpoint peer = { .addr = rn_addr_v4(0x7f000001), .port = (uint16_t)(4000 + i) };

        answer(&r, &names[i], "you");
        assert_sent(d, "you", &peer);
    }
    fini(&r);
}

static void test_a_session_is_one_socket_until_it_is_idle(void **state)
{
    struct rn_endpoint first = { .addr = rn_addr_v4(0xc6336407), .port = 7 };
    struct rn_endpoint second = { .addr = rn_addr_v4(0xc6336408), .port = 7 };
    struct rn_gate_udp_stats stats;
    struct rig r;
    (void)state;

    init(&r, &promiscuous);
    answer(&r, &first, "one");
    assert_int_equal(r.outer.n_dgrams, 1);
    assert_sent(r.outer.dgrams[0], "one", &first);
    answer(&r, &second, "two");
    assert_int_equal(r.outer.n_dgrams, 1); /* endpoint-independent mapping */
    assert_sent(r.outer.dgrams[0], "two", &second);

    rn_test_net_run(&r.n, 181 * RN_NS_PER_S);
    rn_gate_udp_get_stats(r.gate, &stats);
    assert_int_equal(stats.n_sessions, 0);
    assert_true(r.outer.dgrams[0]->was_closed);
    fini(&r);
}

/* Puts datagrams on the wire in one turn. */
static void answer_at_once(struct rig *r, const struct rn_endpoint *to, const char **texts,
                           unsigned n)
{
    struct rn_dgram_opts opts = { .to = *to };

    for (unsigned i = 0; i < n; i++) {
        struct rn_slice bytes = { (const uint8_t *)texts[i], strlen(texts[i]) };

        assert_int_equal(rn_dgram_send(r->service, bytes, &opts), bytes.len);
    }
    rn_test_net_run(&r->n, RN_NS_PER_MS);
}

static void test_equal_datagrams_of_one_turn_leave_as_one_train(void **state)
{
    static const char *texts[] = { "abcd", "efgh", "ijkl", "mn" };
    struct rn_endpoint to = { .addr = rn_addr_v4(0xc6336407), .port = 7 };
    struct rig r;
    (void)state;

    init(&r, &promiscuous);
    answer_at_once(&r, &to, texts, 4);

    assert_int_equal(r.outer.dgrams[0]->n_sends, 1);
    assert_int_equal(r.outer.dgrams[0]->out_to.segment_bytes, 4);
    assert_sent(r.outer.dgrams[0], "abcdefghijklmn", &to);
    fini(&r);
}

static void test_a_longer_or_empty_datagram_starts_anew(void **state)
{
    static const char *texts[] = { "abcd", "efghi", "jklmn", "", "opq" };
    struct rn_endpoint to = { .addr = rn_addr_v4(0xc6336407), .port = 7 };
    struct rig r;
    (void)state;

    init(&r, &promiscuous);
    answer_at_once(&r, &to, texts, 5);

    assert_int_equal(r.outer.dgrams[0]->n_sends, 4); /* abcd; efghi and jklmn; nothing; opq */
    assert_int_equal(r.outer.dgrams[0]->out_to.segment_bytes, 0);
    assert_sent(r.outer.dgrams[0], "opq", &to);
    fini(&r);
}

static void test_what_the_host_refuses_as_a_train_goes_singly_from_then_on(void **state)
{
    static const char *texts[] = { "abcd", "efgh" };
    struct rn_endpoint to = { .addr = rn_addr_v4(0xc6336407), .port = 7 };
    struct rn_test_outer_dgram *d;
    struct rig r;
    (void)state;

    init(&r, &promiscuous);
    answer(&r, &to, "first");
    d = r.outer.dgrams[0];
    d->n_sends = 0;
    d->train_err = RN_E_MSG_TOO_LONG;
    answer_at_once(&r, &to, texts, 2);
    assert_int_equal(d->n_sends, 3);
    assert_sent(d, "efgh", &to);

    d->n_sends = 0;
    answer_at_once(&r, &to, texts, 2);
    assert_int_equal(d->n_sends, 2);
    fini(&r);
}

/* The service's next datagram must be @len bytes of @fill. */
static void assert_heard(struct rig *r, size_t len, int fill)
{
    uint8_t buf[4096];
    struct rn_dgram got;

    assert_int_equal(rn_dgram_recv(r->service, buf, sizeof(buf), &got), len);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(buf[i], fill);
}

/* Sizes that are expected, shorter, longer than expected, larger than a small slab, and empty. */
static void test_what_arrives_at_once_arrives_inside_one_by_one_in_order(void **state)
{
    static const size_t sizes[] = { 100,  100, 100, 40, 100, 0,   100, 300, 100, 2500,
                                    2500, 7,   100, 1,  100, 100, 100, 100, 60,  1400 };
    struct rn_endpoint peer = { .addr = rn_addr_v4(0xc6336407), .port = 1000 };
    struct rn_test_outer_dgram *d;
    struct rig r;
    (void)state;

    init(&r, &promiscuous);
    d = publish(&r);
    for (int round = 0; round < 3; round++) {
        uint8_t bytes[4096];

        for (unsigned i = 0; i < RN_ARRAY_LEN(sizes); i++) {
            memset(bytes, (int)i, sizeof(bytes));
            rn_test_outer_dgram_give(d, bytes, sizes[i], &peer);
        }
        rn_test_net_run(&r.n, RN_NS_PER_MS);
        for (unsigned i = 0; i < RN_ARRAY_LEN(sizes); i++)
            assert_heard(&r, sizes[i], (int)i);
    }
    fini(&r);
}

static void test_a_train_too_large_for_the_way_in_is_cut_into_its_datagrams(void **state)
{
    struct rn_endpoint peer = { .addr = rn_addr_v4(0xc6336407), .port = 1000 };
    struct rn_test_outer_dgram *d;
    uint8_t bytes[7000];
    struct rig r;
    (void)state;

    init(&r, &promiscuous);
    d = publish(&r);
    memset(bytes, 7, sizeof(bytes));
    rn_test_outer_dgram_give(d, bytes, sizeof(bytes), &peer);
    d->in[0].msg.segment_bytes = 3000;
    rn_test_net_run(&r.n, RN_NS_PER_MS);

    assert_heard(&r, 3000, 7);
    assert_heard(&r, 3000, 7);
    assert_heard(&r, 1000, 7);
    fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_leaves_by_the_published_socket_the_peer_spoke_to),
        cmocka_unit_test(test_many_peers_of_one_host_each_get_their_own_answer),
        cmocka_unit_test(test_a_session_is_one_socket_until_it_is_idle),
        cmocka_unit_test(test_equal_datagrams_of_one_turn_leave_as_one_train),
        cmocka_unit_test(test_a_longer_or_empty_datagram_starts_anew),
        cmocka_unit_test(test_what_the_host_refuses_as_a_train_goes_singly_from_then_on),
        cmocka_unit_test(test_what_arrives_at_once_arrives_inside_one_by_one_in_order),
        cmocka_unit_test(test_a_train_too_large_for_the_way_in_is_cut_into_its_datagrams),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
