#include "ip/ip.h"

#include "host.h"
#include "ip/pmtu.h"
#include "test_net.h"

#include <runnel/err.h>
#include <runnel/route.h>

static void init(struct rn_test_host *h)
{
    rn_test_host_init(h, &(struct rn_test_host_opts){ .protos = &rn_protos_all });
}

static struct rn_pkt *payload(struct rn_test_host *h, uint32_t len)
{
    static const uint8_t bytes[4000];
    struct rn_pkt *pkt = rn_pkt_new(h->t.pool);

    assert_true(rn_pkt_append_copy(pkt, bytes, len));
    return pkt;
}

static void test_flow_is_looked_up_once_and_again_after_a_change(void **state)
{
    struct rn_test_host h;
    struct rn_flow flow = { 0 };
    struct rn_ip_out out = { .dst = RN_TEST_PEER4, .proto = RN_PROTO_UDP };
    struct rn_addr src;

    (void)state;
    init(&h);
    assert_false(rn_flow_is_fresh(h.stack, &flow));

    assert_int_equal(rn_flow_find(h.stack, &flow, &out, &src), 0);
    assert_true(rn_addr_eq(src, RN_TEST_US4));
    assert_ptr_equal(flow.nic, h.nic);
    assert_int_equal(flow.mtu, 1500);
    assert_true(rn_flow_is_fresh(h.stack, &flow));
    rn_pmtu_lower(h.stack, RN_TEST_PEER4, 1400);
    assert_false(rn_flow_is_fresh(h.stack, &flow));
    assert_int_equal(rn_flow_find(h.stack, &flow, &out, &src), 0);
    assert_int_equal(flow.mtu, 1400);
    assert_int_equal(rn_flow_payload_mtu(&flow, RN_TEST_PEER4), 1380);
    rn_flow_release(&flow);
    rn_test_host_fini(&h);
}

static void test_way_of_an_earlier_flow_serves_the_next_until_something_changes(void **state)
{
    struct rn_test_host h;
    struct rn_ip_out out = { .src = RN_TEST_US4, .dst = RN_TEST_PEER4, .proto = RN_PROTO_TCP };
    struct rn_ip_out elsewhere = { .src = RN_TEST_US4, .dst = RN_TEST_PEER4, .nic = 9 };
    struct rn_flow flows[5] = { { 0 } };
    struct rn_addr src;

    (void)state;
    init(&h);
    assert_int_equal(rn_flow_find(h.stack, &flows[0], &out, &src), 0);
    assert_int_equal(rn_flow_find(h.stack, &flows[1], &out, &src), 0);
    assert_ptr_equal(flows[1].nic, h.nic);
    assert_int_equal(flows[1].mtu, 1500);
    assert_true(rn_addr_eq(src, RN_TEST_US4));
    assert_int_equal(rn_flow_find(h.stack, &flows[2], &elsewhere, &src), RN_E_NO_NIC);

    rn_pmtu_lower(h.stack, RN_TEST_PEER4, 1400);
    assert_int_equal(rn_flow_find(h.stack, &flows[3], &out, &src), 0);
    assert_int_equal(flows[3].mtu, 1400);
    assert_int_equal(rn_nic_remove_addr(h.nic, RN_TEST_US4), 0);
    assert_true(rn_flow_find(h.stack, &flows[4], &out, &src) < 0);
    for (size_t i = 0; i < RN_ARRAY_LEN(flows); i++)
        rn_flow_release(&flows[i]);
    rn_test_host_fini(&h);
}

static void test_ways_that_are_none_are_errors(void **state)
{
    struct rn_test_host h;
    struct rn_flow flow = { 0 };
    struct rn_ip_out out = { .dst = rn_addr_v4(0x09090909) };
    struct rn_addr src;

    (void)state;
    init(&h);

    assert_int_equal(rn_flow_find(h.stack, &flow, &out, &src), RN_E_NET_UNREACH);
    out.dst = RN_TEST_PEER4;
    out.nic = 9;
    assert_int_equal(rn_flow_find(h.stack, &flow, &out, &src), RN_E_NO_NIC);
    out.nic = 0;
    out.src = rn_addr_v4(0xc0000201);
    assert_int_equal(rn_flow_find(h.stack, &flow, &out, &src), RN_E_BAD_LOCAL_ADDR);
    out.is_spoofed = true;
    assert_int_equal(rn_flow_find(h.stack, &flow, &out, &src), 0);
    rn_flow_release(&flow);
    out.dst = rn_addr_v4(0x09090909);
    assert_int_equal(rn_ip_output(h.stack, &flow, &out, payload(&h, 10)), RN_E_NET_UNREACH);
    assert_int_equal(rn_test_host_drops(&h, RN_DROP_NO_ROUTE), 1);
    rn_test_host_fini(&h);
}

static void test_fresh_flow_costs_one_header_in_the_headroom(void **state)
{
    struct rn_test_host h;
    struct rn_flow flow = { 0 };
    struct rn_ip_out out = { .src = RN_TEST_US4, .dst = RN_TEST_PEER4, .proto = 6, .tos = 0x12 };
    struct rn_pkt *pkt;
    struct rn_ipv4_hdr hdr;
    uint64_t n_calls;

    (void)state;
    init(&h);
    assert_int_equal(rn_ip_output(h.stack, &flow, &out, payload(&h, 100)), 0);
    pkt = payload(&h, 100);
    pkt->flags = RN_PKT_NO_FRAGMENT;
    n_calls = h.t.alloc.n_calls;

    assert_int_equal(rn_ip_output(h.stack, &flow, &out, pkt), 0);

    assert_int_equal(h.t.alloc.n_calls, n_calls);
    assert_int_equal(pkt->head_len, RN_IPV4_HDR_BYTES);
    assert_int_equal(rn_ipv4_parse(&hdr, rn_pkt_front(pkt), pkt->len), 0);
    assert_true(hdr.dont_fragment);
    assert_int_equal(hdr.tos, 0x12);
    assert_int_equal(hdr.ttl, 64);
    assert_int_equal(hdr.total_len, 120);
    assert_true(rn_ipv4_checksum_ok(rn_pkt_front(pkt), 20));
    rn_flow_release(&flow);
    rn_test_host_fini(&h);
}

static void test_super_packet_is_measured_by_its_segments(void **state)
{
    struct rn_test_host h;
    struct rn_flow flow = { 0 };
    struct rn_ip_out out = { .src = RN_TEST_US4, .dst = RN_TEST_PEER4, .proto = 6 };
    struct rn_pkt *pkt;

    (void)state;
    init(&h);
    pkt = payload(&h, 4000);
    pkt->gso = RN_GSO_TCP4;
    pkt->gso_size = 1460;
    pkt->gso_hdr = 20;

    assert_int_equal(rn_ip_output(h.stack, &flow, &out, pkt), 0);
    pkt = payload(&h, 4000);
    pkt->gso = RN_GSO_TCP4;
    pkt->gso_size = 1461;
    pkt->gso_hdr = 20;
    assert_int_equal(rn_ip_output(h.stack, &flow, &out, pkt), RN_E_MSG_TOO_LONG);

    assert_int_equal(rn_test_host_drops(&h, RN_DROP_TOO_BIG), 1);
    rn_flow_release(&flow);
    rn_test_host_fini(&h);
}

static void test_fragments_lie_on_eight_bytes_and_share_an_identification(void **state)
{
    struct rn_test_host h;
    struct rn_flow flow = { 0 };
    struct rn_ip_out out = { .src = RN_TEST_US4, .dst = RN_TEST_PEER4, .proto = RN_PROTO_UDP };
    uint32_t next_off = 0;
    uint16_t id = 0;
    struct rn_pkt *pkt;

    (void)state;
    init(&h);

    assert_int_equal(rn_ip_output(h.stack, &flow, &out, payload(&h, 4000)), 0);
    rn_test_host_run(&h, 1);

    assert_int_equal(h.out.n_pkts, 3);
    while ((pkt = rn_pktq_pop(&h.out)) != NULL) {
        struct rn_ipv4_hdr hdr;

        assert_int_equal(rn_ipv4_parse(&hdr, rn_pkt_front(pkt), pkt->len), 0);
        assert_int_equal(hdr.frag_off_bytes, next_off);
        assert_true(next_off == 0 || hdr.id == id);
        id = hdr.id;
        next_off += hdr.total_len - 20u;
        assert_int_equal(hdr.more_fragments, next_off < 4000);
        rn_pkt_free(pkt);
    }
    assert_int_equal(next_off, 4000);
    rn_flow_release(&flow);
    rn_test_host_fini(&h);
}

static void check_source(struct rn_test_host *h, const char *dst, const char *expected)
{
    char text[RN_ADDR_TEXT_BYTES];
    struct rn_addr to;
    struct rn_addr src;

    assert_int_equal(rn_addr_parse(dst, &to), 0);
    assert_int_equal(rn_pick_source(h->nic, to, &src), 0);
    assert_string_equal(rn_addr_print(src, text), expected);
}

/* RFC 6724 §10.1, the examples that have a subject here. */
static void test_source_is_chosen_as_rfc_6724_shows(void **state)
{
    static const char *const addrs[] = { "fe80::1", "2001:db8:1::1", "2001:db8:3::1", "fec0::1" };
    struct rn_test_host h;
    struct rn_addr addr;

    (void)state;
    init(&h);
    assert_int_equal(rn_nic_remove_addr(h.nic, RN_TEST_US6), 0);
    for (size_t i = 0; i < RN_ARRAY_LEN(addrs); i++) {
        assert_int_equal(rn_addr_parse(addrs[i], &addr), 0);
        assert_int_equal(rn_nic_add_addr(h.nic, addr, 64), 0);
    }

    check_source(&h, "2001:db8:1::2", "2001:db8:1::1");
    check_source(&h, "2001:db8:3::9", "2001:db8:3::1");
    check_source(&h, "fe80::99", "fe80::1");
    check_source(&h, "ff02::1", "fe80::1");
    check_source(&h, "2001:db8:3::1", "2001:db8:3::1");
    check_source(&h, "10.0.0.9", "10.0.0.1");
    rn_test_host_fini(&h);
}

static void test_preferred_source_of_a_route_is_used(void **state)
{
    struct rn_test_host h;
    struct rn_route_entry route = { .nic = 1, .source = rn_addr_v4(0x0a000005) };
    struct rn_ip_out out = { .dst = rn_addr_v4(0x08080808) };
    struct rn_flow flow = { 0 };
    struct rn_addr src;

    (void)state;
    init(&h);
    route.dst.is_v4 = true;
    route.dst.addr = rn_addr_v4(0);
    assert_int_equal(rn_nic_add_addr(h.nic, rn_addr_v4(0x0a000005), 24), 0);
    assert_int_equal(rn_route_add(h.stack, &route), 0);

    assert_int_equal(rn_flow_find(h.stack, &flow, &out, &src), 0);
    assert_true(rn_addr_eq(src, route.source));
    rn_flow_release(&flow);
    rn_test_host_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flow_is_looked_up_once_and_again_after_a_change),
        cmocka_unit_test(test_way_of_an_earlier_flow_serves_the_next_until_something_changes),
        cmocka_unit_test(test_ways_that_are_none_are_errors),
        cmocka_unit_test(test_fresh_flow_costs_one_header_in_the_headroom),
        cmocka_unit_test(test_super_packet_is_measured_by_its_segments),
        cmocka_unit_test(test_fragments_lie_on_eight_bytes_and_share_an_identification),
        cmocka_unit_test(test_source_is_chosen_as_rfc_6724_shows),
        cmocka_unit_test(test_preferred_source_of_a_route_is_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
