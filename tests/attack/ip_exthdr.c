/* Attack list A: IPv6 extension headers. */
#include "attack.h"
#include "wire/ipv6_ext.h"

#include <runnel/err.h>

/* IPv6 with @chain (named by @first) in front of an echo request; the last header of the chain must name ICMPv6. */
static size_t with_chain(uint8_t *pkt, uint8_t first, const uint8_t *chain, size_t n)
{
    struct rn_ipv6_hdr ip = { .src = RN_TEST_PEER6, .dst = RN_TEST_US6, .next = first };
    uint8_t payload[2048];
    uint8_t icmp[64];
    size_t len = rn_test_echo(icmp, ip.src, ip.dst, 16);

    memcpy(payload, chain, n);
    memcpy(payload + n, icmp, len);
    return rn_test_ip6(pkt, &ip, payload, n + len);
}

static void expect_param_problem(struct rn_test_host *h, uint8_t code, uint32_t pointer)
{
    uint8_t bytes[2048];
    size_t len = rn_test_host_next(h, bytes, sizeof(bytes));

    assert_true(len > 48);
    assert_int_equal(bytes[40], RN_ICMP6_PARAM_PROBLEM);
    assert_int_equal(bytes[41], code);
    assert_int_equal(rn_get_be32(bytes + 44), pointer);
}

static void test_A03_routing_header_0_is_refused(void **state)
{
    static const uint8_t rh0[24] = { RN_PROTO_ICMP6, 2, 0, 1, 0, 0, 0, 0, 0xfd };
    struct rn_test_host h;
    uint8_t pkt[256];

    (void)state;
    attack_init(&h);

    rn_test_host_feed(&h, pkt, with_chain(pkt, RN_PROTO_ROUTING, rh0, sizeof(rh0)));

    expect_param_problem(&h, RN_ICMP6_PARAM_FIELD, 42);
    assert_int_equal(h.stack->stats.icmp_in_echo, 0);
    rn_test_host_fini(&h);
}

static void test_A07_atomic_fragment_is_processed_alone(void **state)
{
    struct rn_test_host h;
    uint8_t chain[8];
    uint8_t pkt[256];
    struct rn_ipv6_frag frag = { .id = 5 };
    struct rn_ipv6_hdr ip = { .src = RN_TEST_PEER6, .dst = RN_TEST_US6, .next = RN_PROTO_FRAGMENT };
    uint8_t later[24] = { 0 };

    (void)state;
    attack_init(&h);
    /* A queue of the same identification waits. */
    frag.off_bytes = 64;
    rn_ipv6_frag_emit(&frag, RN_PROTO_ICMP6, later);
    rn_test_host_feed(&h, pkt, rn_test_ip6(pkt, &ip, later, sizeof(later)));
    assert_true(h.stack->reass_bytes != 0);

    frag.off_bytes = 0;
    rn_ipv6_frag_emit(&frag, RN_PROTO_ICMP6, chain);
    rn_test_host_feed(&h, pkt, with_chain(pkt, RN_PROTO_FRAGMENT, chain, sizeof(chain)));

    attack_expect_icmp(&h, RN_ICMP6_ECHO_REPLY, 0);
    assert_true(h.stack->reass_bytes != 0);
    rn_test_host_fini(&h);
}

static void test_A08_first_fragment_without_the_whole_chain_is_refused(void **state)
{
    struct rn_test_host h;
    struct rn_ipv6_hdr ip = { .src = RN_TEST_PEER6, .dst = RN_TEST_US6, .next = RN_PROTO_FRAGMENT };
    struct rn_ipv6_frag frag = { .id = 5, .more = true };
    uint8_t payload[24] = { 0 };
    uint8_t pkt[128];

    (void)state;
    attack_init(&h);

    rn_ipv6_frag_emit(&frag, RN_PROTO_TCP, payload); /* 16 of TCP's 20 bytes follow */
    rn_test_host_feed(&h, pkt, rn_test_ip6(pkt, &ip, payload, sizeof(payload)));
    expect_param_problem(&h, RN_ICMP6_PARAM_FIRST_FRAGMENT, 0);

    rn_ipv6_frag_emit(&frag, RN_PROTO_DST_OPTS, payload);
    payload[8] = RN_PROTO_TCP;
    payload[9] = 3; /* says 32 bytes, 16 are there */
    rn_test_host_feed(&h, pkt, rn_test_ip6(pkt, &ip, payload, sizeof(payload)));
    expect_param_problem(&h, RN_ICMP6_PARAM_FIRST_FRAGMENT, 0);
    assert_int_equal(h.stack->reass_bytes, 0);
    rn_test_host_fini(&h);
}

static void test_A13_endless_chains_end(void **state)
{
    struct rn_test_host h;
    uint8_t chain[1024] = { 0 };
    uint8_t pkt[2048];

    (void)state;
    attack_init(&h);

    for (size_t i = 0; i < sizeof(chain); i += 8) {
        chain[i] = RN_PROTO_DST_OPTS;
        chain[i + 2] = RN_IPV6_OPT_PADN;
        chain[i + 3] = 4;
    }
    attack_must_drop(&h, pkt, with_chain(pkt, RN_PROTO_DST_OPTS, chain, sizeof(chain)),
                     RN_DROP_MALFORMED);
    chain[1] = 255; /* (255 + 1) * 8 wraps to 0 in eight bits */
    attack_must_drop(&h, pkt, with_chain(pkt, RN_PROTO_DST_OPTS, chain, sizeof(chain)),
                     RN_DROP_MALFORMED);
    rn_test_host_fini(&h);
}

static void test_A13_random_chains_neither_hang_nor_crash(void **state)
{
    static const uint8_t kinds[] = { 0, 43, 44, 51, 59, 60, 58, 6, 17, 4 };
    struct rn_test_host h;
    uint8_t chain[256];
    uint8_t pkt[2048];
    struct rn_rand rand;

    (void)state;
    attack_init(&h);
    rn_rand_init_u64(&rand, 13);

    for (unsigned i = 0; i < 5000; i++) {
        size_t n = 8 * (1 + rn_rand_below(&rand, 31));

        rn_rand_bytes(&rand, chain, sizeof(chain));
        for (size_t at = 0; at < n; at += 8) {
            chain[at] = kinds[rn_rand_below(&rand, sizeof(kinds))];
            chain[at + 1] = (uint8_t)rn_rand_below(&rand, 3);
        }
        rn_test_host_feed(&h, pkt,
                          with_chain(pkt, kinds[rn_rand_below(&rand, sizeof(kinds))], chain, n));
        rn_pktq_free_all(&h.out);
    }
    assert_int_equal(h.stack->stats.ip_in_received, 5000);
    assert_true(h.stack->reass_bytes <= h.stack->opts.reass_max_bytes);
    rn_test_host_fini(&h);
}

static void test_A16_jumbograms_and_misplaced_hop_by_hop_are_dropped(void **state)
{
    static const uint8_t jumbo[8] = { RN_PROTO_ICMP6, 0, RN_IPV6_OPT_JUMBO, 4, 0, 1, 0, 0 };
    static const uint8_t late[16] = { RN_PROTO_HOP_BY_HOP, 0, RN_IPV6_OPT_PADN, 4, 0, 0, 0, 0,
                                      RN_PROTO_ICMP6,      0, RN_IPV6_OPT_PADN, 4 };
    struct rn_test_host h;
    uint8_t pkt[256];

    (void)state;
    attack_init(&h);

    rn_test_host_feed(&h, pkt, with_chain(pkt, RN_PROTO_HOP_BY_HOP, jumbo, sizeof(jumbo)));
    expect_param_problem(&h, RN_ICMP6_PARAM_OPTION, 42);
    rn_test_host_feed(&h, pkt, with_chain(pkt, RN_PROTO_DST_OPTS, late, sizeof(late)));
    expect_param_problem(&h, RN_ICMP6_PARAM_NEXT_HEADER, 40);
    (void)with_chain(pkt, RN_PROTO_HOP_BY_HOP, jumbo, sizeof(jumbo));
    rn_put_be16(pkt + 4, 0);
    attack_must_drop(&h, pkt, 72, RN_DROP_MALFORMED);
    assert_int_equal(h.stack->stats.icmp_in_echo, 0);
    rn_test_host_fini(&h);
}

static void test_options_are_treated_as_their_type_asks(void **state)
{
    struct {
        uint8_t type;
        bool is_delivered;
        bool is_told;
    } rows[] = { { 0x3e, true, false }, { 0x7e, false, false }, { 0xbe, false, true } };
    struct rn_test_host h;
    uint8_t pkt[256];

    (void)state;
    attack_init(&h);

    for (size_t i = 0; i < RN_ARRAY_LEN(rows); i++) {
        uint8_t options[8] = { RN_PROTO_ICMP6, 0, rows[i].type, 4 };
        uint64_t echoes = h.stack->stats.icmp_in_echo;

        rn_test_host_feed(&h, pkt, with_chain(pkt, RN_PROTO_DST_OPTS, options, sizeof(options)));
        assert_int_equal(h.stack->stats.icmp_in_echo - echoes, rows[i].is_delivered);
        if (rows[i].is_told)
            expect_param_problem(&h, RN_ICMP6_PARAM_OPTION, 42);
        else
            assert_int_equal(h.out.n_pkts, rows[i].is_delivered);
        rn_pktq_free_all(&h.out);
    }
    rn_test_host_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_A03_routing_header_0_is_refused),
        cmocka_unit_test(test_A07_atomic_fragment_is_processed_alone),
        cmocka_unit_test(test_A08_first_fragment_without_the_whole_chain_is_refused),
        cmocka_unit_test(test_A13_endless_chains_end),
        cmocka_unit_test(test_A13_random_chains_neither_hang_nor_crash),
        cmocka_unit_test(test_A16_jumbograms_and_misplaced_hop_by_hop_are_dropped),
        cmocka_unit_test(test_options_are_treated_as_their_type_asks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
