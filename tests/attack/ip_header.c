/* Attack list A: the IP header, its options and addresses. */
#include "attack.h"

#include <runnel/err.h>

static size_t echo4(uint8_t *pkt, struct rn_addr src, struct rn_addr dst)
{
    struct rn_ipv4_hdr ip = { .src = src, .dst = dst, .proto = RN_PROTO_ICMP4 };
    uint8_t icmp[64];

    return rn_test_ip4(pkt, &ip, icmp, rn_test_echo(icmp, src, dst, 32));
}

static size_t echo6(uint8_t *pkt, struct rn_addr src, struct rn_addr dst)
{
    struct rn_ipv6_hdr ip = { .src = src, .dst = dst, .next = RN_PROTO_ICMP6 };
    uint8_t icmp[64];

    return rn_test_ip6(pkt, &ip, icmp, rn_test_echo(icmp, src, dst, 32));
}

/* An echo request whose header carries @options (a multiple of 4 long). */
static size_t echo_with_options(uint8_t *pkt, const uint8_t *options, size_t n)
{
    uint8_t plain[128];
    size_t len = echo4(plain, RN_TEST_PEER4, RN_TEST_US4);

    memcpy(pkt, plain, 20);
    memcpy(pkt + 20, options, n);
    memcpy(pkt + 20 + n, plain + 20, len - 20);
    pkt[0] = (uint8_t)(0x40 | (5 + n / 4));
    rn_put_be16(pkt + 2, (uint16_t)(len + n));
    rn_put_be16(pkt + 10, 0);
    rn_put_be16(pkt + 10, (uint16_t)~rn_checksum(pkt, 20 + n, 0));
    return len + n;
}

static void test_A01_lengths_that_lie_are_dropped(void **state)
{
    struct rn_test_host h;
    uint8_t good[128];
    uint8_t bad[128];
    size_t len = echo4(good, RN_TEST_PEER4, RN_TEST_US4);
    struct {
        unsigned at;
        uint8_t value;
    } lies[] = { { 0, 0x55 }, { 0, 0x44 }, { 0, 0x4f }, { 3, 19 }, { 3, 255 }, { 2, 0xff } };

    (void)state;
    attack_init(&h);
    for (size_t i = 0; i < RN_ARRAY_LEN(lies); i++) {
        memcpy(bad, good, len);
        bad[lies[i].at] = lies[i].value;
        rn_put_be16(bad + 10, 0);
        rn_put_be16(bad + 10, (uint16_t)~rn_checksum(bad, 20, 0));
        rn_test_host_feed(&h, bad, len);
        assert_true(rn_pktq_is_empty(&h.out));
    }
    rn_test_host_feed(&h, good, 0);
    /* The header of 60 bytes takes the message for options, whose sum is right. */
    assert_int_equal(rn_test_host_drops(&h, RN_DROP_OPTION), 1);
    assert_int_equal(rn_test_host_drops(&h, RN_DROP_MALFORMED), RN_ARRAY_LEN(lies));
    assert_int_equal(h.stack->stats.ip_in_delivered, 0);
    rn_test_host_fini(&h);
}

static void test_A01_bytes_beyond_the_total_length_are_not_part_of_the_packet(void **state)
{
    struct rn_test_host h;
    uint8_t pkt[128] = { 0 };
    size_t len = echo4(pkt, RN_TEST_PEER4, RN_TEST_US4);

    (void)state;
    attack_init(&h);
    memset(pkt + len, 0xee, 30);

    rn_test_host_feed(&h, pkt, len + 30);

    assert_int_equal(rn_test_host_next(&h, pkt, sizeof(pkt)), len);
    rn_test_host_fini(&h);
}

static void test_A02_options_that_are_wrong_are_told_and_dropped(void **state)
{
    static const uint8_t bad[][4] = {
        { 7, 0, 4, 0 },   /* length 0: an endless loop elsewhere */
        { 7, 1, 4, 0 },   /* length 1 */
        { 7, 40, 4, 0 },  /* past the end */
        { 7, 3, 3, 0 },   /* record route: pointer below its first slot */
        { 68, 4, 2, 0 },  /* timestamp: the same */
        { 1, 1, 1, 0x94 } /* router alert, cut short */
    };
    struct rn_test_host h;
    uint8_t pkt[128];

    (void)state;
    attack_init(&h);
    rn_icmp_limit_init(&h.stack->icmp_limit, 1000, 1000, h.t.turn.now_ns);

    for (size_t i = 0; i < RN_ARRAY_LEN(bad); i++) {
        rn_test_host_feed(&h, pkt, echo_with_options(pkt, bad[i], 4));
        attack_expect_icmp(&h, RN_ICMP4_PARAM_PROBLEM, 0);
        assert_int_equal(rn_test_host_drops(&h, RN_DROP_OPTION), i + 1);
    }
    rn_test_host_fini(&h);
}

static void test_A02_random_options_neither_hang_nor_crash(void **state)
{
    struct rn_test_host h;
    uint8_t pkt[256];
    uint8_t options[40];
    struct rn_rand rand;
    const unsigned n = 5000;

    (void)state;
    attack_init(&h);
    rn_rand_init_u64(&rand, 2);

    for (unsigned i = 0; i < n; i++) {
        rn_rand_bytes(&rand, options, sizeof(options));
        rn_test_host_feed(&h, pkt, echo_with_options(pkt, options, sizeof(options)));
        rn_pktq_free_all(&h.out);
    }
    assert_int_equal(rn_test_host_drops(&h, RN_DROP_OPTION) + h.stack->stats.icmp_in_echo, n);
    rn_test_host_fini(&h);
}

static void test_A03_source_routes_are_dropped_without_a_word(void **state)
{
    static const uint8_t loose[8] = { 131, 7, 4, 10, 0, 0, 3, 0 };
    static const uint8_t strict[8] = { 137, 7, 4, 10, 0, 0, 3, 0 };
    struct rn_test_host h;
    uint8_t pkt[128];

    (void)state;
    attack_init(&h);

    attack_must_drop(&h, pkt, echo_with_options(pkt, loose, 8), RN_DROP_OPTION);
    attack_must_drop(&h, pkt, echo_with_options(pkt, strict, 8), RN_DROP_OPTION);
    rn_test_host_fini(&h);
}

static void test_A04_packets_inside_packets_are_not_opened(void **state)
{
    static const uint8_t tunnels[] = { 4, 41, 47 }; /* IP-in-IP, 6in4, GRE */
    struct rn_test_host h;
    uint8_t inner[128];
    uint8_t pkt[256];
    size_t len = echo4(inner, RN_TEST_PEER4, RN_TEST_US4);

    (void)state;
    attack_init(&h);

    for (size_t i = 0; i < RN_ARRAY_LEN(tunnels); i++) {
        struct rn_ipv4_hdr ip = { .src = RN_TEST_PEER4, .dst = RN_TEST_US4, .proto = tunnels[i] };

        rn_test_host_feed(&h, pkt, rn_test_ip4(pkt, &ip, inner, len));
        attack_expect_icmp(&h, RN_ICMP4_UNREACH, RN_ICMP4_PROTO);
    }
    assert_int_equal(h.stack->stats.icmp_in_echo, 0);
    rn_test_host_fini(&h);
}

static void test_A14_martians_die_before_any_lookup(void **state)
{
    static const uint32_t sources[] = {
        0x0a000001, /* land: from ourselves to ourselves */
        0x7f000001, 0x7f123456, 0xe0000001, 0xffffffff,
        0x0a0000ff, 0xf0000001, 0x00000000, 0x00000001,
    };
    struct rn_test_host h;
    uint8_t pkt[128];

    (void)state;
    attack_init(&h);

    for (size_t i = 0; i < RN_ARRAY_LEN(sources); i++)
        attack_must_drop(&h, pkt, echo4(pkt, rn_addr_v4(sources[i]), RN_TEST_US4), RN_DROP_MARTIAN);
    attack_must_drop(&h, pkt, echo4(pkt, RN_TEST_PEER4, rn_addr_v4(0x7f000001)), RN_DROP_MARTIAN);
    assert_int_equal(h.stack->stats.ip_in_delivered, 0);
    rn_test_host_fini(&h);
}

static void test_A14_martians_of_ipv6_die_before_any_lookup(void **state)
{
    static const char *const sources[] = { "::1", "::", "ff02::1", "fd00::1" };
    struct rn_test_host h;
    uint8_t pkt[128];
    size_t len;

    (void)state;
    attack_init(&h);

    for (size_t i = 0; i < RN_ARRAY_LEN(sources); i++) {
        struct rn_addr src;

        assert_int_equal(rn_addr_parse(sources[i], &src), 0);
        attack_must_drop(&h, pkt, echo6(pkt, src, RN_TEST_US6), RN_DROP_MARTIAN);
    }
    len = echo6(pkt, RN_TEST_PEER6, RN_TEST_US6);
    memset(pkt + 8, 0, 10); /* ::ffff:... : an IPv4 address in disguise */
    pkt[18] = 0xff;
    pkt[19] = 0xff;
    attack_must_drop(&h, pkt, len, RN_DROP_MARTIAN);
    rn_test_host_fini(&h);
}

static void test_A15_our_own_address_as_source_is_not_believed(void **state)
{
    struct rn_test_host h;
    uint8_t bytes[128];
    struct rn_pkt *pkt;
    size_t len;

    (void)state;
    attack_init(&h);
    assert_int_equal(rn_nic_add_addr(h.nic, rn_addr_v4(0x0a000009), 24), 0);
    len = echo4(bytes, rn_addr_v4(0x0a000009), RN_TEST_US4);

    attack_must_drop(&h, bytes, len, RN_DROP_BAD_SOURCE);

    /* A device that claims the packet came from ourselves is not believed either. */
    pkt = rn_pkt_from_bytes(h.t.pool, bytes, len);
    pkt->flags = RN_PKT_LOOPED;
    rn_test_host_feed_pkt(&h, pkt);
    assert_int_equal(rn_test_host_drops(&h, RN_DROP_BAD_SOURCE), 2);
    assert_true(rn_pktq_is_empty(&h.out));
    rn_test_host_fini(&h);
}

static void test_A17_every_header_length_is_understood(void **state)
{
    struct rn_test_host h;
    uint8_t options[40];
    uint8_t pkt[256];

    (void)state;
    attack_init(&h);
    memset(options, 1, sizeof(options)); /* no-operation */

    for (size_t n = 0; n <= 40; n += 4) {
        rn_test_host_feed(&h, pkt, echo_with_options(pkt, options, n));
        attack_expect_icmp(&h, RN_ICMP4_ECHO_REPLY, 0);
    }
    rn_test_host_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_A01_lengths_that_lie_are_dropped),
        cmocka_unit_test(test_A01_bytes_beyond_the_total_length_are_not_part_of_the_packet),
        cmocka_unit_test(test_A02_options_that_are_wrong_are_told_and_dropped),
        cmocka_unit_test(test_A02_random_options_neither_hang_nor_crash),
        cmocka_unit_test(test_A03_source_routes_are_dropped_without_a_word),
        cmocka_unit_test(test_A04_packets_inside_packets_are_not_opened),
        cmocka_unit_test(test_A14_martians_die_before_any_lookup),
        cmocka_unit_test(test_A14_martians_of_ipv6_die_before_any_lookup),
        cmocka_unit_test(test_A15_our_own_address_as_source_is_not_believed),
        cmocka_unit_test(test_A17_every_header_length_is_understood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
