/* Attack list C: ARP and Neighbour Discovery. */
#include "attack.h"
#include "stack/neigh.h"
#include "wire/arp.h"
#include "wire/eth.h"
#include "wire/ndp.h"
#include "wire/ndp_opts.h"

#include <runnel/err.h>
#include <runnel/udp.h>

static const struct rn_mac us = { { 2, 0, 0, 0, 0, 1 } };
static const struct rn_mac peer = { { 2, 0, 0, 0, 0, 2 } };
static const struct rn_mac evil = { { 2, 0, 0, 0, 0, 0x66 } };

static void init(struct rn_test_host *h)
{
    rn_test_host_init(h, &(struct rn_test_host_opts){ .protos = &rn_protos_all,
                                                      .link_type = RN_LINK_ETHERNET,
                                                      .nic_flags = RN_NIC_NO_DAD });
    rn_test_host_run(h, 1);
    rn_pktq_free_all(&h->out); /* the announcement of our address */
}

static struct rn_neigh_cache *cache4(const struct rn_test_host *h)
{
    return h->nic->neigh[RN_L3_V4];
}

static struct rn_neigh_cache *cache6(const struct rn_test_host *h)
{
    return h->nic->neigh[RN_L3_V6];
}

static void feed_eth(struct rn_test_host *h, struct rn_mac to, uint16_t type, const void *bytes,
                     size_t len)
{
    struct rn_eth_hdr eth = { .dst = to, .src = peer, .type = type };
    uint8_t frame[256];

    rn_eth_emit(&eth, frame);
    memcpy(frame + 14, bytes, len);
    rn_test_host_feed(h, frame, 14 + len);
}

static void feed_arp(struct rn_test_host *h, struct rn_arp arp)
{
    uint8_t bytes[RN_ARP_BYTES];

    rn_arp_emit(&arp, bytes);
    feed_eth(h, rn_mac_broadcast(), RN_ETHERTYPE_ARP, bytes, sizeof(bytes));
}

struct nd {
    struct rn_addr src;
    struct rn_addr dst;
    uint8_t hop_limit;
};

static void feed_nd(struct rn_test_host *h, const struct nd *nd, struct rn_writer *msg)
{
    struct rn_ipv6_hdr ip = {
        .src = nd->src, .dst = nd->dst, .next = RN_PROTO_ICMP6, .hop_limit = nd->hop_limit
    };
    uint16_t sum = rn_checksum_pseudo(nd->src, nd->dst, RN_PROTO_ICMP6, (uint32_t)msg->len);
    uint8_t pkt[200];

    rn_put_be16(msg->start + 2, 0);
    rn_put_be16(msg->start + 2, (uint16_t)~rn_checksum(msg->start, msg->len, sum));
    feed_eth(h, us, RN_ETHERTYPE_IPV6, pkt, rn_test_ip6(pkt, &ip, msg->start, msg->len));
}

static size_t solicit(uint8_t *out, struct rn_addr target, struct rn_mac lla)
{
    struct rn_writer w = rn_writer_of(out, 64);
    struct rn_ndp_ns ns = { .target = target };

    rn_ndp_ns_emit(&ns, &w);
    rn_ndp_opt_lla_emit(RN_NDP_OPT_SOURCE_LLA, lla, &w);
    return w.len;
}

static void feed_solicit(struct rn_test_host *h, const struct nd *nd, struct rn_addr target)
{
    uint8_t bytes[64];
    struct rn_writer w = rn_writer_of(bytes, sizeof(bytes));

    w.len = solicit(bytes, target, peer);
    feed_nd(h, nd, &w);
}

static void feed_advert(struct rn_test_host *h, struct rn_addr target, struct rn_mac lla,
                        bool is_solicited)
{
    struct nd nd = { RN_TEST_PEER6, RN_TEST_US6, 255 };
    struct rn_ndp_na na = { .target = target, .is_solicited = is_solicited, .may_override = true };
    uint8_t bytes[64];
    struct rn_writer w = rn_writer_of(bytes, sizeof(bytes));

    rn_ndp_na_emit(&na, &w);
    rn_ndp_opt_lla_emit(RN_NDP_OPT_TARGET_LLA, lla, &w);
    feed_nd(h, &nd, &w);
}

static void send_to(struct rn_sock *sock, struct rn_addr addr)
{
    struct rn_dgram_opts to = { .to = { .addr = addr, .port = 9 } };
    int64_t err = rn_dgram_send(sock, (struct rn_slice){ us.b, 6 }, &to);

    assert_true(err == 6 || err == RN_E_NO_BUFFER);
}

static void test_neighbour_is_asked_for_and_then_used(void **state)
{
    struct rn_test_host h;
    struct rn_sock *sock;
    struct rn_arp arp;
    struct rn_eth_hdr eth;
    struct rn_view payload;
    uint8_t frame[256];
    size_t len;

    (void)state;
    init(&h);
    assert_int_equal(rn_udp_new(&sock, h.stack), 0);

    send_to(sock, RN_TEST_PEER4);
    rn_test_host_run(&h, 1);
    len = rn_test_host_next(&h, frame, sizeof(frame));
    assert_int_equal(rn_eth_parse(&eth, &payload, rn_view_of(frame, len)), 0);
    assert_int_equal(rn_arp_parse(&arp, payload), 0);
    assert_true(rn_mac_eq(eth.dst, rn_mac_broadcast()));
    assert_true(rn_addr_eq(arp.target_ip, RN_TEST_PEER4));
    assert_true(rn_pktq_is_empty(&h.out));

    feed_arp(&h, (struct rn_arp){ RN_ARP_REPLY, peer, RN_TEST_PEER4, us, RN_TEST_US4 });
    len = rn_test_host_next(&h, frame, sizeof(frame));
    assert_int_equal(rn_eth_parse(&eth, &payload, rn_view_of(frame, len)), 0);
    assert_true(rn_mac_eq(eth.dst, peer));
    assert_int_equal(eth.type, RN_ETHERTYPE_IPV4);
    (void)rn_sock_close(sock);
    rn_test_host_fini(&h);
}

static void test_silent_neighbour_becomes_host_unreachable(void **state)
{
    struct rn_test_host h;
    struct rn_sock *sock;

    (void)state;
    init(&h);
    assert_int_equal(rn_udp_new(&sock, h.stack), 0);
    send_to(sock, RN_TEST_PEER4);
    send_to(sock, RN_TEST_PEER6);

    rn_test_host_run(&h, 10 * RN_NS_PER_S);

    assert_int_equal(h.out.n_pkts, RN_NEIGH_MULTICAST_PROBES * 2);
    assert_int_equal(rn_test_host_drops(&h, RN_DROP_NO_NEIGHBOUR), 2);
    assert_int_equal(h.stack->stats.neigh_failed, 2);
    assert_int_equal(h.stack->stats.icmp_out_errors, 2); /* to ourselves */
    (void)rn_sock_close(sock);
    rn_test_host_fini(&h);
}

static void test_C06_scan_of_a_network_fills_no_more_than_its_share(void **state)
{
    struct rn_test_host h;
    struct rn_sock *sock;
    struct rn_addr target = RN_TEST_PEER6;

    (void)state;
    init(&h);
    assert_int_equal(rn_udp_new(&sock, h.stack), 0);
    feed_solicit(&h, &(struct nd){ RN_TEST_PEER6, RN_TEST_US6, 255 }, RN_TEST_US6);
    rn_pktq_free_all(&h.out);

    for (unsigned i = 0; i < 3000; i++) {
        target.b[13] = (uint8_t)(i >> 8);
        target.b[14] = (uint8_t)i;
        send_to(sock, target);
    }
    rn_test_host_run(&h, 1);

    assert_true(cache6(&h)->n_dynamic <= RN_NEIGH_MAX);
    assert_true(cache6(&h)->n_incomplete <= RN_NEIGH_INCOMPLETE_MAX);
    assert_true(h.out.n_pkts <= RN_NEIGH_INCOMPLETE_MAX + 1);
    assert_non_null(rn_neigh_find(cache6(&h), RN_TEST_PEER6));
    (void)rn_sock_close(sock);
    rn_test_host_fini(&h);
}

static void test_C06_flood_of_askers_evicts_none_that_is_reachable(void **state)
{
    struct rn_test_host h;
    struct rn_sock *sock;
    struct nd nd = { RN_TEST_PEER6, RN_TEST_US6, 255 };

    (void)state;
    init(&h);
    assert_int_equal(rn_udp_new(&sock, h.stack), 0);
    send_to(sock, RN_TEST_PEER6);
    feed_advert(&h, RN_TEST_PEER6, peer, true);
    assert_int_equal(rn_neigh_find(cache6(&h), RN_TEST_PEER6)->state, RN_NEIGH_REACHABLE);

    for (unsigned i = 0; i < 3000; i++) {
        nd.src.b[13] = (uint8_t)(i >> 8);
        nd.src.b[14] = (uint8_t)i;
        feed_solicit(&h, &nd, RN_TEST_US6);
        rn_pktq_free_all(&h.out);
    }

    assert_true(cache6(&h)->n_dynamic <= RN_NEIGH_MAX);
    assert_int_equal(rn_neigh_find(cache6(&h), RN_TEST_PEER6)->state, RN_NEIGH_REACHABLE);
    (void)rn_sock_close(sock);
    rn_test_host_fini(&h);
}

static void test_C06_packets_that_wait_are_few(void **state)
{
    struct rn_test_host h;
    struct rn_sock *sock;

    (void)state;
    init(&h);
    assert_int_equal(rn_udp_new(&sock, h.stack), 0);

    for (int i = 0; i < 20; i++)
        send_to(sock, RN_TEST_PEER4);
    rn_test_host_run(&h, 1);

    assert_int_equal(rn_test_host_drops(&h, RN_DROP_NO_NEIGHBOUR), 20 - RN_NEIGH_PENDING_MAX);
    (void)rn_sock_close(sock);
    rn_test_host_fini(&h);
}

static void test_C07_discovery_that_was_routed_or_is_malformed_is_dropped(void **state)
{
    struct rn_test_host h;
    struct nd nd = { RN_TEST_PEER6, RN_TEST_US6, 254 };
    uint8_t bytes[64];
    struct rn_writer w = rn_writer_of(bytes, sizeof(bytes));
    struct rn_addr group;

    (void)state;
    init(&h);
    assert_int_equal(rn_addr_parse("ff02::1", &group), 0);

    feed_solicit(&h, &nd, RN_TEST_US6);
    nd.hop_limit = 255;
    feed_solicit(&h, &nd, group); /* target multicast */
    w.len = solicit(bytes, RN_TEST_US6, peer);
    bytes[25] = 0; /* option of length 0 */
    feed_nd(&h, &nd, &w);
    w.len = solicit(bytes, RN_TEST_US6, peer);
    bytes[1] = 1; /* code */
    feed_nd(&h, &nd, &w);
    nd.src = rn_addr_none(); /* a probe carries no option, and goes to the group */
    nd.dst = rn_ndp_solicited_node(RN_TEST_US6);
    feed_solicit(&h, &nd, RN_TEST_US6);

    assert_int_equal(rn_test_host_drops(&h, RN_DROP_ND_INVALID), 5);
    assert_int_equal(cache6(&h)->n_dynamic, 0);
    assert_true(rn_pktq_is_empty(&h.out));
    rn_test_host_fini(&h);
}

static void test_C07_nobody_is_learned_who_was_not_asked_for(void **state)
{
    struct rn_test_host h;

    (void)state;
    init(&h);

    feed_advert(&h, RN_TEST_PEER6, evil, false);
    feed_advert(&h, RN_TEST_PEER6, evil, true);
    feed_arp(&h, (struct rn_arp){ RN_ARP_REPLY, evil, RN_TEST_PEER4, us, RN_TEST_US4 });
    feed_arp(&h, (struct rn_arp){ RN_ARP_REQUEST, evil, RN_TEST_PEER4, { { 0 } }, RN_TEST_PEER4 });

    assert_int_equal(cache4(&h)->n_dynamic, 0);
    assert_int_equal(cache6(&h)->n_dynamic, 0);
    rn_test_host_fini(&h);
}

static void test_C07_our_own_address_is_defended_not_learned(void **state)
{
    struct rn_test_host h;

    (void)state;
    init(&h);

    feed_advert(&h, RN_TEST_US6, evil, false);
    feed_arp(&h, (struct rn_arp){ RN_ARP_REQUEST, evil, RN_TEST_US4, { { 0 } }, RN_TEST_US4 });

    assert_int_equal(rn_test_host_drops(&h, RN_DROP_DUP_ADDRESS), 2);
    assert_non_null(rn_nic_find_addr(h.nic, RN_TEST_US4));
    assert_non_null(rn_nic_find_addr(h.nic, RN_TEST_US6));
    assert_null(rn_neigh_find(cache4(&h), RN_TEST_US4));
    rn_test_host_fini(&h);
}

static void test_C07_static_entry_is_never_overridden(void **state)
{
    struct rn_test_host h;

    (void)state;
    init(&h);
    assert_int_equal(rn_neigh_set_static(cache4(&h), RN_TEST_PEER4, peer), 0);
    assert_int_equal(rn_neigh_set_static(cache6(&h), RN_TEST_PEER6, peer), 0);

    feed_arp(&h, (struct rn_arp){ RN_ARP_REPLY, evil, RN_TEST_PEER4, us, RN_TEST_US4 });
    feed_advert(&h, RN_TEST_PEER6, evil, true);

    assert_true(rn_mac_eq(rn_neigh_find(cache4(&h), RN_TEST_PEER4)->mac, peer));
    assert_true(rn_mac_eq(rn_neigh_find(cache6(&h), RN_TEST_PEER6)->mac, peer));
    rn_test_host_fini(&h);
}

static void test_C07_frames_for_others_are_not_taken(void **state)
{
    struct rn_test_host h;
    struct rn_ipv4_hdr ip = { .src = RN_TEST_PEER4, .dst = RN_TEST_US4, .proto = RN_PROTO_ICMP4 };
    uint8_t icmp[64];
    uint8_t pkt[128];
    size_t len = rn_test_ip4(pkt, &ip, icmp, rn_test_echo(icmp, ip.src, ip.dst, 16));

    (void)state;
    init(&h);

    feed_eth(&h, evil, RN_ETHERTYPE_IPV4, pkt, len);

    assert_int_equal(rn_test_host_drops(&h, RN_DROP_NOT_FOR_US), 1);
    assert_int_equal(h.stack->stats.ip_in_received, 0);
    rn_test_host_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_neighbour_is_asked_for_and_then_used),
        cmocka_unit_test(test_silent_neighbour_becomes_host_unreachable),
        cmocka_unit_test(test_C06_scan_of_a_network_fills_no_more_than_its_share),
        cmocka_unit_test(test_C06_flood_of_askers_evicts_none_that_is_reachable),
        cmocka_unit_test(test_C06_packets_that_wait_are_few),
        cmocka_unit_test(test_C07_discovery_that_was_routed_or_is_malformed_is_dropped),
        cmocka_unit_test(test_C07_nobody_is_learned_who_was_not_asked_for),
        cmocka_unit_test(test_C07_our_own_address_is_defended_not_learned),
        cmocka_unit_test(test_C07_static_entry_is_never_overridden),
        cmocka_unit_test(test_C07_frames_for_others_are_not_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
