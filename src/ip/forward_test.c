#include "ip/forward.h"

#include "host.h"

#include <runnel/err.h>
#include <runnel/route.h>

/* The host of host.h is a router here; its second NIC is 192.0.2.1/24 with an MTU of 1300. */
struct rig {
    struct rn_test_host h;
    struct rn_device device;
    struct rn_nic *out;
};

#define FAR rn_addr_v4(0xc0000209)

static void init(struct rig *r)
{
    struct rn_test_host_opts opts = { .protos = &rn_protos_all };
    struct rn_addr far6;

    memset(r, 0, sizeof(*r));
    opts.stack.is_forwarding = true;
    rn_test_host_init(&r->h, &opts);
    r->device.turn = &r->h.t.turn;
    r->device.mtu = 1300;
    assert_int_equal(rn_nic_new(&r->out, r->h.stack, &r->device, NULL), 0);
    assert_int_equal(rn_nic_add_addr(r->out, rn_addr_v4(0xc0000201), 24), 0);
    assert_int_equal(rn_addr_parse("2001:db8::1", &far6), 0);
    assert_int_equal(rn_nic_add_addr(r->out, far6, 64), 0);
}

static size_t feed(struct rig *r, const struct rn_ipv4_hdr *ip, size_t payload)
{
    struct rn_endpoint src = { .addr = ip->src, .port = 1000 };
    struct rn_endpoint dst = { .addr = ip->dst, .port = 53 };
    uint8_t udp[1600];
    uint8_t pkt[1700];
    size_t len = rn_test_ip4(pkt, ip, udp, rn_test_udp(udp, &src, &dst, payload));

    rn_test_host_feed(&r->h, pkt, len);
    return len;
}

static struct rn_pkt *next_out(struct rig *r)
{
    struct rn_pktq q = { 0 };

    (void)rn_nic_take_output(r->out, &q, 1);
    return rn_pktq_pop(&q);
}

static void test_packet_goes_on_with_one_hop_less(void **state)
{
    struct rig r;
    struct rn_ipv4_hdr ip = { .src = RN_TEST_PEER4, .dst = FAR, .proto = RN_PROTO_UDP, .ttl = 9 };
    struct rn_pkt *pkt;
    size_t len;

    (void)state;
    init(&r);

    len = feed(&r, &ip, 100);

    pkt = next_out(&r);
    assert_non_null(pkt);
    assert_int_equal(pkt->len, len);
    assert_int_equal(rn_ipv4_parse(&ip, rn_pkt_front(pkt), pkt->len), 0);
    assert_int_equal(ip.ttl, 8);
    assert_true(rn_ipv4_checksum_ok(rn_pkt_front(pkt), 20));
    rn_pkt_free(pkt);
    assert_int_equal(r.h.stack->stats.ip_forwarded, 1);
    rn_test_host_fini(&r.h);
}

static void expect_error(struct rig *r, uint8_t type, uint8_t code)
{
    uint8_t bytes[1300];

    assert_true(rn_test_host_next(&r->h, bytes, sizeof(bytes)) > 28);
    assert_int_equal(bytes[20], type);
    assert_int_equal(bytes[21], code);
    assert_null(next_out(r));
}

static void test_last_hop_is_told(void **state)
{
    struct rig r;
    struct rn_ipv4_hdr ip = { .src = RN_TEST_PEER4, .dst = FAR, .proto = RN_PROTO_UDP, .ttl = 1 };

    (void)state;
    init(&r);

    feed(&r, &ip, 100);

    expect_error(&r, RN_ICMP4_TIME_EXCEEDED, RN_ICMP4_TTL_IN_TRANSIT);
    assert_int_equal(rn_test_host_drops(&r.h, RN_DROP_TTL_EXCEEDED), 1);
    rn_test_host_fini(&r.h);
}

static void test_no_route_is_told(void **state)
{
    struct rig r;
    struct rn_ipv4_hdr ip = { .src = RN_TEST_PEER4,
                              .dst = rn_addr_v4(0x09090909),
                              .proto = RN_PROTO_UDP };

    (void)state;
    init(&r);

    feed(&r, &ip, 100);

    expect_error(&r, RN_ICMP4_UNREACH, RN_ICMP4_NET);
    rn_test_host_fini(&r.h);
}

static void test_too_big_is_told_or_cut_as_the_sender_allows(void **state)
{
    struct rig r;
    struct rn_ipv4_hdr ip = {
        .src = RN_TEST_PEER4, .dst = FAR, .proto = RN_PROTO_UDP, .dont_fragment = true
    };
    struct rn_pkt *first;
    struct rn_pkt *second;

    (void)state;
    init(&r);

    feed(&r, &ip, 1400);
    expect_error(&r, RN_ICMP4_UNREACH, RN_ICMP4_FRAG_NEEDED);
    ip.dont_fragment = false;
    feed(&r, &ip, 1400);
    first = next_out(&r);
    second = next_out(&r);
    assert_non_null(first);
    assert_non_null(second);
    assert_int_equal(first->len + second->len, 2 * 20 + 8 + 1400);
    assert_true(first->len <= 1300);
    rn_pkt_free(first);
    rn_pkt_free(second);
    rn_test_host_fini(&r.h);
}

static void test_link_local_and_loopback_do_not_travel(void **state)
{
    static const uint32_t sources[] = { 0xa9fe0001, 0x0a000002 };
    static const uint32_t targets[] = { 0xc0000209, 0xa9fe0009 };
    struct rig r;

    (void)state;
    init(&r);

    for (size_t i = 0; i < 2; i++) {
        struct rn_ipv4_hdr ip = { .src = rn_addr_v4(sources[i]),
                                  .dst = rn_addr_v4(targets[i]),
                                  .proto = RN_PROTO_UDP };

        feed(&r, &ip, 10);
        assert_null(next_out(&r));
    }
    assert_int_equal(rn_test_host_drops(&r.h, RN_DROP_MARTIAN), 2);
    rn_test_host_fini(&r.h);
}

static void test_ipv6_goes_on_and_too_big_is_told(void **state)
{
    struct rig r;
    struct rn_ipv6_hdr ip = { .src = RN_TEST_PEER6, .next = RN_PROTO_UDP, .hop_limit = 9 };
    static uint8_t payload[1400];
    uint8_t bytes[1500];
    struct rn_pkt *pkt;

    (void)state;
    init(&r);
    assert_int_equal(rn_addr_parse("2001:db8::9", &ip.dst), 0);

    rn_test_host_feed(&r.h, bytes, rn_test_ip6(bytes, &ip, payload, 100));
    pkt = next_out(&r);
    assert_non_null(pkt);
    assert_int_equal(rn_pkt_front(pkt).ptr[7], 8);
    rn_pkt_free(pkt);
    rn_test_host_feed(&r.h, bytes, rn_test_ip6(bytes, &ip, payload, sizeof(payload)));

    assert_null(next_out(&r));
    assert_true(rn_test_host_next(&r.h, bytes, sizeof(bytes)) <= RN_ICMP6_ERROR_MAX_BYTES);
    assert_int_equal(bytes[40], RN_ICMP6_TOO_BIG);
    assert_int_equal(rn_get_be32(bytes + 44), 1300);
    rn_test_host_fini(&r.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packet_goes_on_with_one_hop_less),
        cmocka_unit_test(test_last_hop_is_told),
        cmocka_unit_test(test_no_route_is_told),
        cmocka_unit_test(test_too_big_is_told_or_cut_as_the_sender_allows),
        cmocka_unit_test(test_link_local_and_loopback_do_not_travel),
        cmocka_unit_test(test_ipv6_goes_on_and_too_big_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
