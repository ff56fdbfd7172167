#include "ip/dad.h"

#include "host.h"
#include "wire/eth.h"
#include "wire/ndp.h"
#include "wire/ndp_opts.h"

#include <runnel/udp.h>

static void init(struct rn_test_host *h)
{
    rn_test_host_init(
        h, &(struct rn_test_host_opts){ .protos = &rn_protos_all, .link_type = RN_LINK_ETHERNET });
    rn_test_host_run(h, RN_NS_PER_MS);
}

/* A probe for our address (from nobody), or a claim of it (an advertisement to all). */
static void feed(struct rn_test_host *h, bool is_claim)
{
    static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
    struct rn_ipv6_hdr ip = { .dst = rn_ndp_solicited_node(RN_TEST_US6),
                              .next = RN_PROTO_ICMP6,
                              .hop_limit = 255 };
    struct rn_eth_hdr eth = { .src = { { 2, 0, 0, 0, 0, 9 } }, .type = RN_ETHERTYPE_IPV6 };
    uint8_t msg[64];
    uint8_t frame[200];
    struct rn_writer w = rn_writer_of(msg, sizeof(msg));
    uint16_t sum;

    if (is_claim) {
        ip.src = RN_TEST_US6;
        ip.src.b[15] = 9;
        ip.dst = rn_addr_v6(all_nodes);
        rn_ndp_na_emit(&(struct rn_ndp_na){ .target = RN_TEST_US6, .may_override = true }, &w);
        rn_ndp_opt_lla_emit(RN_NDP_OPT_TARGET_LLA, eth.src, &w);
    } else {
        rn_ndp_ns_emit(&(struct rn_ndp_ns){ RN_TEST_US6 }, &w);
    }
    sum = rn_checksum_pseudo(ip.src, ip.dst, RN_PROTO_ICMP6, (uint32_t)w.len);
    rn_put_be16(msg + 2, (uint16_t)~rn_checksum(msg, w.len, sum));
    eth.dst = rn_mac_of_group(ip.dst);
    rn_eth_emit(&eth, frame);
    rn_test_host_feed(h, frame, 14 + rn_test_ip6(frame + 14, &ip, msg, w.len));
}

static uint8_t state_of(const struct rn_test_host *h)
{
    return rn_nic_find_addr(h->nic, RN_TEST_US6)->state;
}

static void test_address_is_asked_for_and_usable_after_a_second(void **state)
{
    struct rn_test_host h;
    struct rn_ipv6_hdr ip = { 0 };
    bool has_probe = false;
    struct rn_pkt *pkt;

    (void)state;
    init(&h);

    while ((pkt = rn_pktq_pop(&h.out)) != NULL) {
        uint8_t bytes[128];

        rn_pkt_copy_out(pkt, 0, bytes, pkt->len);
        if (rn_ipv6_parse(&ip, rn_view_of(bytes + 14, pkt->len - 14), pkt->len - 14) == 0)
            has_probe = rn_addr_is_any(ip.src) && bytes[54] == RN_ICMP6_NEIGH_SOLICIT;
        rn_pkt_free(pkt);
    }
    assert_true(has_probe);
    assert_int_equal(state_of(&h), RN_ADDR_TENTATIVE);
    assert_false(rn_ip_is_local(h.stack, RN_TEST_US6, 0));
    rn_test_host_run(&h, 1100 * RN_NS_PER_MS);
    assert_int_equal(state_of(&h), RN_ADDR_PREFERRED);
    assert_true(rn_ip_is_local(h.stack, RN_TEST_US6, 0));
    rn_test_host_fini(&h);
}

static void test_address_somebody_claims_is_never_used(void **state)
{
    (void)state;
    for (int is_claim = 0; is_claim < 2; is_claim++) {
        struct rn_test_host h;

        init(&h);
        feed(&h, is_claim == 1);
        rn_test_host_run(&h, 10 * RN_NS_PER_S);

        assert_int_equal(state_of(&h), RN_ADDR_TENTATIVE);
        assert_int_equal(rn_test_host_drops(&h, RN_DROP_DUP_ADDRESS), 1);
        rn_test_host_fini(&h);
    }
}

static void test_address_in_use_is_defended(void **state)
{
    struct rn_test_host h;
    uint8_t bytes[200];
    size_t len;

    (void)state;
    init(&h);
    rn_test_host_run(&h, 2 * RN_NS_PER_S);
    rn_pktq_free_all(&h.out);

    feed(&h, false);

    len = rn_test_host_next(&h, bytes, sizeof(bytes));
    assert_true(len > 54);
    assert_int_equal(bytes[54], RN_ICMP6_NEIGH_ADVERT);
    rn_test_host_fini(&h);
}

static void test_removed_address_asks_no_more(void **state)
{
    struct rn_test_host h;

    (void)state;
    init(&h);

    assert_int_equal(rn_nic_remove_addr(h.nic, RN_TEST_US6), 0);

    assert_int_equal(h.t.turn.wheel.n_armed, 0);
    rn_test_host_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_is_asked_for_and_usable_after_a_second),
        cmocka_unit_test(test_address_somebody_claims_is_never_used),
        cmocka_unit_test(test_address_in_use_is_defended),
        cmocka_unit_test(test_removed_address_asks_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
