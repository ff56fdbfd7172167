#include "ip/ip.h"

#include "host.h"

struct row {
    const char *src;
    const char *dst;
    enum rn_ip_fate plain;       /* on an ordinary NIC */
    enum rn_ip_fate promiscuous; /* on one that takes everything */
    enum rn_drop why;            /* of RN_IP_DROP */
};

static const struct row rows[] = {
    { "10.0.0.2", "10.0.0.1", RN_IP_OURS, RN_IP_OURS, 0 },
    { "fd00::2", "fd00::1", RN_IP_OURS, RN_IP_OURS, 0 },
    { "10.0.0.2", "192.0.2.1", RN_IP_DROP, RN_IP_FOREIGN, RN_DROP_NOT_FOR_US },
    { "fd00::2", "2001:db8::1", RN_IP_DROP, RN_IP_FOREIGN, RN_DROP_NOT_FOR_US },
    { "10.0.0.2", "10.0.0.255", RN_IP_MANY, RN_IP_MANY, 0 },
    { "10.0.0.2", "255.255.255.255", RN_IP_MANY, RN_IP_MANY, 0 },
    { "0.0.0.0", "255.255.255.255", RN_IP_MANY, RN_IP_MANY, 0 },
    { "10.0.0.2", "224.0.0.1", RN_IP_MANY, RN_IP_MANY, 0 },
    { "10.0.0.2", "224.0.0.251", RN_IP_DROP, RN_IP_MANY, RN_DROP_NOT_JOINED },
    { "fd00::2", "ff02::1", RN_IP_MANY, RN_IP_MANY, 0 },
    { "::", "ff02::1:ff00:1", RN_IP_MANY, RN_IP_MANY, 0 },
    { "fd00::2", "ff02::1:ff00:2", RN_IP_DROP, RN_IP_MANY, RN_DROP_NOT_JOINED },
    { "0.0.0.0", "10.0.0.1", RN_IP_DROP, RN_IP_DROP, RN_DROP_MARTIAN },
    { "127.0.0.1", "10.0.0.1", RN_IP_DROP, RN_IP_DROP, RN_DROP_MARTIAN },
    { "10.0.0.2", "127.0.0.1", RN_IP_DROP, RN_IP_DROP, RN_DROP_MARTIAN },
    { "224.0.0.1", "10.0.0.1", RN_IP_DROP, RN_IP_DROP, RN_DROP_MARTIAN },
    { "10.0.0.2", "0.0.0.0", RN_IP_DROP, RN_IP_DROP, RN_DROP_MARTIAN },
    { "10.0.0.2", "240.0.0.1", RN_IP_DROP, RN_IP_DROP, RN_DROP_MARTIAN },
    { "10.0.0.2", "10.0.0.2", RN_IP_DROP, RN_IP_DROP, RN_DROP_MARTIAN },
    { "10.0.0.1", "192.0.2.1", RN_IP_DROP, RN_IP_DROP, RN_DROP_BAD_SOURCE },
    { "fd00::1", "2001:db8::1", RN_IP_DROP, RN_IP_DROP, RN_DROP_BAD_SOURCE },
};

static struct rn_addr addr_of(const char *text)
{
    struct rn_addr addr;

    assert_int_equal(rn_addr_parse(text, &addr), 0);
    return addr;
}

static void check_all(uint32_t nic_flags)
{
    struct rn_test_host h;
    bool is_promiscuous = (nic_flags & RN_NIC_PROMISCUOUS) != 0;

    rn_test_host_init(
        &h, &(struct rn_test_host_opts){ .protos = &rn_protos_all, .nic_flags = nic_flags });
    /* Twice: the second answer comes from the cache. */
    for (size_t i = 0; i < 2 * RN_ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i % RN_ARRAY_LEN(rows)];
        enum rn_ip_fate expected = is_promiscuous ? row->promiscuous : row->plain;
        const struct rn_nic_verdict *v =
            rn_ip_judge(h.nic, addr_of(row->src), addr_of(row->dst), false);

        if (v->fate != expected || (expected == RN_IP_DROP && v->drop != row->why))
            fail_msg("%s > %s", row->src, row->dst);
    }
    rn_test_host_fini(&h);
}

static void test_each_pair_of_addresses_has_its_fate(void **state)
{
    (void)state;
    check_all(0);
    check_all(RN_NIC_PROMISCUOUS);
}

static void test_answer_follows_a_change_of_addresses(void **state)
{
    struct rn_test_host h;
    struct rn_addr later = addr_of("10.0.0.7");

    (void)state;
    rn_test_host_init(&h, &(struct rn_test_host_opts){ .protos = &rn_protos_all });

    assert_int_equal(rn_ip_judge(h.nic, RN_TEST_PEER4, later, false)->fate, RN_IP_DROP);
    assert_int_equal(rn_nic_add_addr(h.nic, later, 24), 0);
    assert_int_equal(rn_ip_judge(h.nic, RN_TEST_PEER4, later, false)->fate, RN_IP_OURS);
    assert_int_equal(rn_nic_remove_addr(h.nic, later), 0);
    assert_int_equal(rn_ip_judge(h.nic, RN_TEST_PEER4, later, false)->fate, RN_IP_DROP);
    rn_test_host_fini(&h);
}

static void test_our_own_source_is_fine_only_from_ourselves(void **state)
{
    struct rn_test_host h;

    (void)state;
    rn_test_host_init(&h, &(struct rn_test_host_opts){ .protos = &rn_protos_all });

    assert_int_equal(rn_ip_judge(h.nic, RN_TEST_US4, RN_TEST_US4, true)->fate, RN_IP_OURS);
    assert_int_equal(rn_ip_judge(h.nic, RN_TEST_US4, RN_TEST_US4, false)->fate, RN_IP_DROP);
    rn_test_host_fini(&h);
}

static void test_loopback_from_a_nic_is_an_option(void **state)
{
    struct rn_test_host h;
    struct rn_test_host_opts opts = { .protos = &rn_protos_all, .nic_flags = RN_NIC_PROMISCUOUS };

    (void)state;
    opts.stack.allow_loopback_from_nic = true;
    rn_test_host_init(&h, &opts);

    assert_int_equal(rn_ip_judge(h.nic, RN_TEST_PEER4, addr_of("127.0.0.53"), false)->fate,
                     RN_IP_FOREIGN);
    rn_test_host_fini(&h);
}

static void test_packet_to_ourselves_dies_with_its_nic(void **state)
{
    struct rn_test_host h;
    struct rn_flow flow = { 0 };
    struct rn_ip_out out = { .src = RN_TEST_US4, .dst = RN_TEST_US4, .proto = RN_PROTO_UDP };
    uint64_t drops;

    (void)state;
    rn_test_host_init(&h, &(struct rn_test_host_opts){ .protos = &rn_protos_all });
    assert_int_equal(rn_ip_output(h.stack, &flow, &out, rn_pkt_new(h.t.pool)), 0);

    h.nic = rn_nic_free(h.nic);
    rn_test_turn_at(&h.t, 1);

    drops = rn_test_host_drops(&h, RN_DROP_UNKNOWN_NIC);
    assert_int_equal(drops, 1);
    rn_flow_release(&flow);
    rn_test_host_fini(&h);
}

static void test_icmp_kinds_nobody_acts_on_are_dropped(void **state)
{
    struct rn_test_host h;
    struct rn_ipv4_hdr ip = { .src = RN_TEST_PEER4, .dst = RN_TEST_US4, .proto = RN_PROTO_ICMP4 };
    uint8_t icmp[8] = { RN_ICMP4_TIMESTAMP };
    uint8_t pkt[64];

    (void)state;
    rn_test_host_init(&h, &(struct rn_test_host_opts){ .protos = &rn_protos_all });
    rn_put_be16(icmp + 2, (uint16_t)~rn_checksum(icmp, sizeof(icmp), 0));

    rn_test_host_feed(&h, pkt, rn_test_ip4(pkt, &ip, icmp, sizeof(icmp)));

    assert_int_equal(rn_test_host_drops(&h, RN_DROP_UNKNOWN_ICMP), 1);
    assert_true(rn_pktq_is_empty(&h.out));
    rn_test_host_fini(&h);
}

/* A sum left to do over bytes that are not the transport we found would be written anywhere. */
static void test_partial_checksum_must_begin_at_the_transport(void **state)
{
    struct rn_test_host h;
    struct rn_ipv4_hdr ip = { .src = RN_TEST_PEER4, .dst = RN_TEST_US4, .proto = RN_PROTO_ICMP4 };
    uint8_t icmp[32];
    uint8_t bytes[64];
    size_t len = rn_test_ip4(bytes, &ip, icmp, rn_test_echo(icmp, ip.src, ip.dst, 8));

    (void)state;
    rn_test_host_init(&h, &(struct rn_test_host_opts){ .protos = &rn_protos_all });

    for (uint16_t start = 0; start < len; start++) {
        struct rn_pkt *pkt = rn_pkt_from_bytes(h.t.pool, bytes, len);

        pkt->csum = RN_CSUM_PARTIAL;
        pkt->csum_start = start;
        pkt->csum_offset = 2;
        rn_test_host_feed_pkt(&h, pkt);
        rn_pktq_free_all(&h.out);
    }
    assert_int_equal(rn_test_host_drops(&h, RN_DROP_MALFORMED), len - 1);
    rn_test_host_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_pair_of_addresses_has_its_fate),
        cmocka_unit_test(test_answer_follows_a_change_of_addresses),
        cmocka_unit_test(test_our_own_source_is_fine_only_from_ourselves),
        cmocka_unit_test(test_loopback_from_a_nic_is_an_option),
        cmocka_unit_test(test_packet_to_ourselves_dies_with_its_nic),
        cmocka_unit_test(test_icmp_kinds_nobody_acts_on_are_dropped),
        cmocka_unit_test(test_partial_checksum_must_begin_at_the_transport),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
