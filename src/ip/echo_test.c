/* The shortest way through the whole machine: an echo request in, its reply out. */
#include "host.h"
#include "ip/ip.h"
#include "test_net.h"

static const struct rn_protos protos = { .l3 = { &rn_ipv4_ops, &rn_ipv6_ops },
                                         .l4 = { &rn_icmp4_ops, &rn_icmp6_ops } };

static void init(struct rn_test_host *h)
{
    rn_test_host_init(h, &(struct rn_test_host_opts){ .protos = &protos });
}

static void test_echo_request_is_answered_with_its_own_data(void **state)
{
    struct rn_test_host h;
    uint8_t icmp[128];
    uint8_t pkt[256];
    struct rn_ipv4_hdr ip = { .src = RN_TEST_PEER4, .dst = RN_TEST_US4, .proto = 1 };
    size_t len = rn_test_echo(icmp, ip.src, ip.dst, 56);

    (void)state;
    init(&h);

    rn_test_host_feed(&h, pkt, rn_test_ip4(pkt, &ip, icmp, len));

    memset(pkt, 0, sizeof(pkt));
    assert_int_equal(rn_test_host_next(&h, pkt, sizeof(pkt)), 20 + len);
    assert_int_equal(rn_ipv4_parse(&ip, rn_view_of(pkt, 20 + len), 20 + len), 0);
    assert_true(rn_addr_eq(ip.src, RN_TEST_US4));
    assert_true(rn_addr_eq(ip.dst, RN_TEST_PEER4));
    assert_int_equal(pkt[20], RN_ICMP4_ECHO_REPLY);
    assert_int_equal(rn_checksum(pkt + 20, len, 0), 0xffff);
    assert_memory_equal(pkt + 24, icmp + 4, len - 4);
    rn_test_host_fini(&h);
}

static void test_echo_request_over_ipv6_is_answered(void **state)
{
    struct rn_test_host h;
    uint8_t icmp[128];
    uint8_t pkt[256];
    struct rn_ipv6_hdr ip = { .src = RN_TEST_PEER6, .dst = RN_TEST_US6, .next = RN_PROTO_ICMP6 };
    size_t len = rn_test_echo(icmp, ip.src, ip.dst, 56);
    uint16_t pseudo = rn_checksum_pseudo(ip.src, ip.dst, RN_PROTO_ICMP6, (uint32_t)len);

    (void)state;
    init(&h);

    rn_test_host_feed(&h, pkt, rn_test_ip6(pkt, &ip, icmp, len));

    assert_int_equal(rn_test_host_next(&h, pkt, sizeof(pkt)), 40 + len);
    assert_int_equal(pkt[40], RN_ICMP6_ECHO_REPLY);
    assert_int_equal(rn_checksum(pkt + 40, len, pseudo), 0xffff);
    rn_test_host_fini(&h);
}

static void test_every_truncation_of_an_echo_request_is_dropped(void **state)
{
    struct rn_test_host h;
    uint8_t icmp[64];
    uint8_t pkt[128];
    struct rn_ipv4_hdr ip = { .src = RN_TEST_PEER4, .dst = RN_TEST_US4, .proto = 1 };
    size_t len = rn_test_ip4(pkt, &ip, icmp, rn_test_echo(icmp, ip.src, ip.dst, 16));

    (void)state;
    init(&h);

    for (size_t cut = 1; cut < len; cut++)
        rn_test_host_feed(&h, pkt, cut);

    assert_true(rn_pktq_is_empty(&h.out));
    assert_int_equal(rn_test_host_drops(&h, RN_DROP_MALFORMED), len - 1);
    rn_test_host_fini(&h);
}

static void test_wrong_checksum_is_not_answered(void **state)
{
    struct rn_test_host h;
    uint8_t icmp[64];
    uint8_t pkt[128];
    struct rn_ipv4_hdr ip = { .src = RN_TEST_PEER4, .dst = RN_TEST_US4, .proto = 1 };
    size_t len = rn_test_ip4(pkt, &ip, icmp, rn_test_echo(icmp, ip.src, ip.dst, 16));

    (void)state;
    init(&h);

    pkt[len - 1] ^= 1;
    rn_test_host_feed(&h, pkt, len);
    pkt[len - 1] ^= 1;
    pkt[8]--; /* TTL, without a new header checksum */
    rn_test_host_feed(&h, pkt, len);

    assert_true(rn_pktq_is_empty(&h.out));
    assert_int_equal(rn_test_host_drops(&h, RN_DROP_BAD_CHECKSUM), 2);
    rn_test_host_fini(&h);
}

static void test_two_stacks_exchange_echo_over_a_pipe(void **state)
{
    struct rn_test_net n;
    struct rn_flow flow = { 0 };
    struct rn_ip_out out = { .proto = 1 };
    struct rn_pkt *pkt;
    uint8_t icmp[64];
    size_t len;

    (void)state;
    rn_test_net_init(&n, &(struct rn_test_net_opts){ .protos = &protos });
    out.src = n.a.v4;
    out.dst = n.b.v4;
    len = rn_test_echo(icmp, out.src, out.dst, 32);
    pkt = rn_pkt_new(n.t.pool);
    assert_true(rn_pkt_append_copy(pkt, icmp, len));

    assert_int_equal(rn_ip_output(n.a.stack, &flow, &out, pkt), 0);
    rn_test_net_run(&n, RN_NS_PER_MS);

    assert_int_equal(n.b.stack->stats.icmp_in_echo, 1);
    assert_int_equal(n.b.stack->stats.icmp_out_echo_reply, 1);
    assert_int_equal(n.a.stack->stats.ip_in_received, 1);
    rn_flow_release(&flow);
    rn_test_net_fini(&n);
}

static void test_packet_to_ourselves_loops_back_within_the_turn(void **state)
{
    struct rn_test_host h;
    struct rn_flow flow = { 0 };
    struct rn_ip_out out = { .src = RN_TEST_US4, .dst = RN_TEST_US4, .proto = 1 };
    struct rn_pkt *pkt;
    uint8_t icmp[64];
    size_t len = rn_test_echo(icmp, out.src, out.dst, 32);

    (void)state;
    init(&h);
    pkt = rn_pkt_new(h.t.pool);
    assert_true(rn_pkt_append_copy(pkt, icmp, len));

    rn_turn_begin(&h.t.turn, 1);
    assert_int_equal(rn_ip_output(h.stack, &flow, &out, pkt), 0);
    rn_turn_end(&h.t.turn);

    assert_int_equal(h.stack->stats.icmp_in_msgs, 2); /* the request and the reply */
    assert_int_equal(h.nic->tx_pkts, 0);
    rn_flow_release(&flow);
    rn_test_host_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo_request_is_answered_with_its_own_data),
        cmocka_unit_test(test_echo_request_over_ipv6_is_answered),
        cmocka_unit_test(test_every_truncation_of_an_echo_request_is_dropped),
        cmocka_unit_test(test_wrong_checksum_is_not_answered),
        cmocka_unit_test(test_two_stacks_exchange_echo_over_a_pipe),
        cmocka_unit_test(test_packet_to_ourselves_loops_back_within_the_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
