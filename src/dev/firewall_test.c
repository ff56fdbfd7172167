#include "dev/firewall.h"

#include "dev/chan.h"
#include "packets.h"
#include "wire/icmp4.h"
#include <runnel/err.h>

#define INNER 0x0a000001u
#define OUTER 0x0a000002u

struct bench {
    struct rn_test_turn t;
    struct rn_device *wire;
    struct rn_device *wall;
};

static void bench_init(struct bench *b, const struct rn_firewall_opts *opts)
{
    *b = (struct bench){ 0 };
    rn_test_turn_init(&b->t);
    assert_int_equal(rn_chan_new(&b->wire, &b->t.turn, &(struct rn_chan_opts){ 0 }), 0);
    assert_int_equal(rn_firewall_new(&b->wall, b->wire, opts), 0);
}

static void bench_fini(struct bench *b)
{
    rn_device_free(b->wall);
    rn_test_turn_fini(&b->t);
}

struct way {
    uint32_t src, dst;
    uint16_t src_port, dst_port;
    uint8_t proto;
};

static const struct way out_udp = { INNER, OUTER, 1000, 53, RN_PROTO_UDP };
static const struct way in_udp = { OUTER, INNER, 53, 1000, RN_PROTO_UDP };
static const struct way out_tcp = { INNER, OUTER, 1000, 80, RN_PROTO_TCP };
static const struct way in_tcp = { OUTER, INNER, 80, 1000, RN_PROTO_TCP };

/* 20 bytes of IPv4 and 20 more, enough for any of the transports. */
static void build(uint8_t bytes[40], struct way w)
{
    struct rn_ipv4_hdr ip = { .src = rn_addr_v4(w.src),
                              .dst = rn_addr_v4(w.dst),
                              .total_len = 40,
                              .ttl = 64,
                              .proto = w.proto };

    memset(bytes, 0, 40);
    rn_ipv4_emit(&ip, bytes);
    rn_put_be16(bytes + 20, w.src_port);
    rn_put_be16(bytes + 22, w.dst_port);
}

static unsigned push(struct bench *b, const uint8_t *bytes, size_t len, bool is_out)
{
    struct rn_pktq q = { 0 };
    unsigned n;

    rn_pktq_push(&q, rn_pkt_from_bytes(b->t.pool, bytes, len));
    if (is_out) {
        assert_int_equal(b->wall->ops->write_batch(b->wall, &q), 1);
        (void)rn_chan_drain(b->wire, &q, 9);
    } else {
        assert_int_equal(rn_chan_inject(b->wire, &q), 1);
        (void)b->wall->ops->read_batch(b->wall, &q, 9);
    }
    n = q.n_pkts;
    rn_pktq_free_all(&q);
    return n;
}

static unsigned leaves(struct bench *b, struct way w)
{
    uint8_t bytes[40];

    build(bytes, w);
    return push(b, bytes, sizeof(bytes), true);
}

static unsigned enters(struct bench *b, struct way w)
{
    uint8_t bytes[40];

    build(bytes, w);
    return push(b, bytes, sizeof(bytes), false);
}

static void test_only_answers_enter(void **state)
{
    struct way stranger = in_udp;
    struct bench b;
    (void)state;
    bench_init(&b, &(struct rn_firewall_opts){ 0 });
    stranger.src_port = 54;

    assert_int_equal(enters(&b, in_udp), 0);
    assert_int_equal(leaves(&b, out_udp), 1);
    assert_int_equal(enters(&b, in_udp), 1);
    assert_int_equal(enters(&b, stranger), 0);
    assert_int_equal(enters(&b, in_tcp), 0);

    assert_int_equal(b.wall->drops.n[RN_DROP_FILTERED], 3);
    bench_fini(&b);
}

static void test_silent_conversation_is_forgotten(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b, &(struct rn_firewall_opts){ 0 });

    (void)leaves(&b, out_udp);
    rn_test_turn_run(&b.t, 299 * RN_NS_PER_S);
    assert_int_equal(enters(&b, in_udp), 1);
    rn_test_turn_run(&b.t, 299 * RN_NS_PER_S);
    assert_int_equal(enters(&b, in_udp), 1); /* the answer kept it alive */
    rn_test_turn_run(&b.t, 301 * RN_NS_PER_S);
    assert_int_equal(enters(&b, in_udp), 0);
    bench_fini(&b);
}

static void test_open_tcp_outlives_two_hours_and_closed_does_not(void **state)
{
    struct bench b;
    uint8_t fin[40];
    (void)state;
    bench_init(&b, &(struct rn_firewall_opts){ 0 });

    (void)leaves(&b, out_tcp);
    assert_int_equal(enters(&b, in_tcp), 1);
    rn_test_turn_run(&b.t, 7200 * RN_NS_PER_S);
    assert_int_equal(enters(&b, in_tcp), 1);
    build(fin, out_tcp);
    fin[33] = RN_TCP_FIN | RN_TCP_ACK;
    assert_int_equal(push(&b, fin, sizeof(fin), true), 1);
    rn_test_turn_run(&b.t, 241 * RN_NS_PER_S);
    assert_int_equal(enters(&b, in_tcp), 0);
    bench_fini(&b);
}

static bool only_dns(void *arg, const struct rn_pkt_flow *flow)
{
    (void)arg;
    return flow->dst_port == 53;
}

static bool only_ssh(void *arg, const struct rn_pkt_flow *flow)
{
    (void)arg;
    return flow->proto == RN_PROTO_TCP && flow->dst_port == 22;
}

static void test_rules_exclude_what_leaves_and_include_what_enters(void **state)
{
    struct way ssh = { OUTER, INNER, 5000, 22, RN_PROTO_TCP };
    struct way ssh_answer = { INNER, OUTER, 22, 5000, RN_PROTO_TCP };
    struct bench b;
    (void)state;
    bench_init(&b, &(struct rn_firewall_opts){ .may_leave = only_dns, .may_enter = only_ssh });

    assert_int_equal(leaves(&b, out_tcp), 0);
    assert_int_equal(leaves(&b, out_udp), 1);
    assert_int_equal(leaves(&b, ssh_answer), 0);
    assert_int_equal(enters(&b, ssh), 1);
    assert_int_equal(leaves(&b, ssh_answer), 1);
    bench_fini(&b);
}

static unsigned error_about(struct bench *b, struct way quoted)
{
    struct rn_ipv4_hdr ip = { .src = rn_addr_v4(0x01020304), /* a router on the way */
                              .dst = rn_addr_v4(INNER),
                              .total_len = 68,
                              .ttl = 64,
                              .proto = RN_PROTO_ICMP4 };
    uint8_t bytes[68] = { 0 };

    rn_ipv4_emit(&ip, bytes);
    bytes[20] = RN_ICMP4_UNREACH;
    build(bytes + 28, quoted);
    return push(b, bytes, sizeof(bytes), false);
}

static void test_icmp_errors_enter_about_conversations_only(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b, &(struct rn_firewall_opts){ 0 });

    assert_int_equal(error_about(&b, out_udp), 0);
    (void)leaves(&b, out_udp);
    assert_int_equal(error_about(&b, out_udp), 1);
    assert_int_equal(error_about(&b, out_tcp), 0);
    bench_fini(&b);
}

static void test_echo_opens_the_way_for_its_own_reply(void **state)
{
    struct way ping = { INNER, OUTER, RN_ICMP4_ECHO << 8, 0, RN_PROTO_ICMP4 };
    struct way pong = { OUTER, INNER, RN_ICMP4_ECHO_REPLY << 8, 0, RN_PROTO_ICMP4 };
    struct way their_ping = { OUTER, 0x0a000007, RN_ICMP4_ECHO << 8, 0, RN_PROTO_ICMP4 };
    struct bench b;
    (void)state;
    bench_init(&b, &(struct rn_firewall_opts){ 0 });

    assert_int_equal(enters(&b, pong), 0);
    assert_int_equal(leaves(&b, ping), 1);
    assert_int_equal(enters(&b, pong), 1);
    assert_int_equal(enters(&b, their_ping), 0);
    bench_fini(&b);
}

static void test_later_fragments_follow_a_first_that_passed(void **state)
{
    struct bench b;
    uint8_t first[40];
    uint8_t later[40];
    (void)state;
    bench_init(&b, &(struct rn_firewall_opts){ 0 });
    build(first, in_udp);
    build(later, in_udp);
    rn_put_be16(first + 6, 0x2000);
    rn_put_be16(later + 6, 185);

    assert_int_equal(push(&b, later, 40, false), 0);
    assert_int_equal(push(&b, first, 40, false), 0);
    assert_int_equal(push(&b, later, 40, false), 0);
    (void)leaves(&b, out_udp);
    assert_int_equal(push(&b, first, 40, false), 1);
    assert_int_equal(push(&b, later, 40, false), 1);
    bench_fini(&b);
}

static void test_conversations_are_bounded_and_the_idle_one_goes(void **state)
{
    struct bench b;
    struct way w = out_udp;
    (void)state;
    bench_init(&b, &(struct rn_firewall_opts){ .flows_max = 10 });

    (void)leaves(&b, out_udp);
    for (unsigned i = 0; i < 100; i++) {
        w.src_port = (uint16_t)(2000 + i);
        (void)leaves(&b, w);
        if (i < 50)
            (void)leaves(&b, out_udp); /* stays in use */
        if (i == 49)
            assert_int_equal(enters(&b, in_udp), 1);
    }

    assert_int_equal(rn_firewall_flows(b.wall), 10);
    assert_int_equal(enters(&b, in_udp), 0);
    bench_fini(&b);
}

static void test_without_memory_answers_stay_outside(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b, &(struct rn_firewall_opts){ 0 });
    (void)enters(&b, in_tcp); /* the pool has its slabs */

    b.t.alloc.fail_at = 1;
    b.t.alloc.fail_forever = true;
    assert_int_equal(leaves(&b, out_udp), 1);
    assert_int_equal(enters(&b, in_udp), 0);
    b.t.alloc.fail_at = 0;

    bench_fini(&b);
}

static void test_every_truncation_is_refused_or_passed_but_never_overread(void **state)
{
    struct bench b;
    uint8_t bytes[40];
    (void)state;
    bench_init(&b, &(struct rn_firewall_opts){ 0 });
    build(bytes, in_tcp);

    for (size_t len = 1; len < sizeof(bytes); len++)
        assert_int_equal(push(&b, bytes, len, false), 0);
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_answers_enter),
        cmocka_unit_test(test_silent_conversation_is_forgotten),
        cmocka_unit_test(test_open_tcp_outlives_two_hours_and_closed_does_not),
        cmocka_unit_test(test_rules_exclude_what_leaves_and_include_what_enters),
        cmocka_unit_test(test_icmp_errors_enter_about_conversations_only),
        cmocka_unit_test(test_echo_opens_the_way_for_its_own_reply),
        cmocka_unit_test(test_later_fragments_follow_a_first_that_passed),
        cmocka_unit_test(test_conversations_are_bounded_and_the_idle_one_goes),
        cmocka_unit_test(test_without_memory_answers_stay_outside),
        cmocka_unit_test(test_every_truncation_is_refused_or_passed_but_never_overread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
