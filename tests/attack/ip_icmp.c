/* Attack list C: ICMP. */
#include "attack.h"
#include "ip/ip.h"
#include "ip/pmtu.h"

#include <runnel/err.h>
#include <runnel/udp.h>

static void send_error(struct rn_test_host *h, const struct rn_icmp4_hdr *hdr, const void *quote,
                       size_t len)
{
    struct rn_ipv4_hdr ip = { .src = RN_TEST_PEER4, .dst = RN_TEST_US4, .proto = RN_PROTO_ICMP4 };
    uint8_t msg[1600];
    uint8_t pkt[1700];

    rn_icmp4_emit(hdr, msg);
    memcpy(msg + 8, quote, len);
    rn_put_be16(msg + 2, 0);
    rn_put_be16(msg + 2, (uint16_t)~rn_checksum(msg, 8 + len, 0));
    rn_test_host_feed(h, pkt, rn_test_ip4(pkt, &ip, msg, 8 + len));
}

/* A UDP socket connected to the peer, and the quote of what it sent. */
struct talk {
    struct rn_sock *sock;
    uint8_t quote[RN_IP_QUOTE_BYTES];
    size_t len;
};

static void talk_init(struct talk *t, struct rn_test_host *h)
{
    struct rn_endpoint local = { .addr = RN_TEST_US4, .port = 4000 };
    struct rn_endpoint remote = { .addr = RN_TEST_PEER4, .port = 53 };

    assert_int_equal(rn_udp_new(&t->sock, h->stack), 0);
    assert_int_equal(rn_sock_bind(t->sock, &local), 0);
    assert_int_equal(rn_sock_connect(t->sock, &remote), 0);
    t->len = rn_ip_quote_make(&local, &remote, RN_PROTO_UDP, t->quote);
}

static void test_C01_only_errors_about_our_own_talk_are_believed(void **state)
{
    const struct rn_icmp4_hdr port = { .type = RN_ICMP4_UNREACH, .code = RN_ICMP4_PORT };
    const struct rn_icmp4_hdr quench = { .type = RN_ICMP4_SOURCE_QUENCH };
    struct rn_test_host h;
    struct talk t;

    (void)state;
    attack_init(&h);
    talk_init(&t, &h);

    t.quote[21]++; /* another source port */
    send_error(&h, &port, t.quote, t.len);
    assert_int_equal(rn_sock_take_error(t.sock), 0);
    t.quote[21]--;
    t.quote[16]++; /* another destination */
    send_error(&h, &port, t.quote, t.len);
    assert_int_equal(rn_sock_take_error(t.sock), 0);
    t.quote[16]--;
    send_error(&h, &quench, t.quote, t.len);
    assert_int_equal(rn_sock_take_error(t.sock), 0);
    for (size_t cut = 0; cut < t.len; cut++)
        send_error(&h, &port, t.quote, cut);
    assert_int_equal(rn_sock_take_error(t.sock), 0);

    send_error(&h, &port, t.quote, t.len);
    assert_int_equal(rn_sock_take_error(t.sock), RN_E_CONN_REFUSED);
    assert_true(rn_pktq_is_empty(&h.out));
    (void)rn_sock_close(t.sock);
    rn_test_host_fini(&h);
}

static void test_C02_path_mtu_has_a_floor(void **state)
{
    static const uint16_t claims[] = { 1, 68, 551 };
    struct rn_icmp4_hdr hdr = { .type = RN_ICMP4_UNREACH, .code = RN_ICMP4_FRAG_NEEDED };
    struct rn_test_host h;
    struct talk t;

    (void)state;
    attack_init(&h);
    talk_init(&t, &h);

    hdr.mtu = 1400;
    send_error(&h, &hdr, t.quote, t.len);
    assert_int_equal(rn_pmtu_find(h.stack, RN_TEST_PEER4), 1400);
    for (size_t i = 0; i < RN_ARRAY_LEN(claims); i++) {
        hdr.mtu = claims[i];
        send_error(&h, &hdr, t.quote, t.len);
        assert_int_equal(rn_pmtu_find(h.stack, RN_TEST_PEER4), RN_PMTU_FLOOR4);
    }
    rn_pmtu_lower(h.stack, RN_TEST_PEER6, 68);
    assert_int_equal(rn_pmtu_find(h.stack, RN_TEST_PEER6), RN_PMTU_FLOOR6);

    rn_test_host_run(&h, RN_PMTU_NS + RN_NS_PER_S);
    assert_int_equal(rn_pmtu_find(h.stack, RN_TEST_PEER4), UINT32_MAX);
    (void)rn_sock_close(t.sock);
    rn_test_host_fini(&h);
}

static void test_C02_path_mtus_of_many_destinations_are_bounded(void **state)
{
    struct rn_test_host h;

    (void)state;
    attack_init(&h);

    for (uint32_t i = 0; i < 3 * RN_PMTU_MAX; i++)
        rn_pmtu_lower(h.stack, rn_addr_v4(0xc0000000 + i), 1000);

    assert_int_equal(rn_pmtu_find(h.stack, rn_addr_v4(0xc0000000)), UINT32_MAX);
    assert_int_equal(rn_pmtu_find(h.stack, rn_addr_v4(0xc0000000 + 3 * RN_PMTU_MAX - 1)), 1000);
    rn_test_host_fini(&h);
}

static void feed_udp(struct rn_test_host *h, const struct rn_ipv4_hdr *ip)
{
    struct rn_endpoint src = { .addr = ip->src, .port = 1 };
    struct rn_endpoint dst = { .addr = ip->dst, .port = 9 };
    uint8_t udp[64];
    uint8_t pkt[128];

    rn_test_host_feed(h, pkt, rn_test_ip4(pkt, ip, udp, rn_test_udp(udp, &src, &dst, 16)));
}

static void test_C03_errors_groups_and_later_fragments_are_never_answered(void **state)
{
    const struct rn_icmp4_hdr err = { .type = RN_ICMP4_UNREACH, .code = RN_ICMP4_PORT };
    struct rn_ipv4_hdr ip = { .src = RN_TEST_PEER4, .dst = RN_TEST_US4, .proto = 99 };
    struct rn_icmp_out out = { .kind = RN_ICMP_PORT_UNREACH };
    struct rn_test_host h;
    uint8_t inner[64];
    uint8_t pkt[128];

    (void)state;
    attack_init(&h);

    rn_icmp4_emit(&err, inner);
    ip.proto = RN_PROTO_ICMP4;
    rn_icmp_send(h.stack, &out, rn_view_of(pkt, rn_test_ip4(pkt, &ip, inner, 36)));
    ip.proto = RN_PROTO_UDP;
    ip.frag_off_bytes = 64;
    rn_icmp_send(h.stack, &out, rn_view_of(pkt, rn_test_ip4(pkt, &ip, inner, 36)));
    ip.frag_off_bytes = 0;
    ip.dst = rn_addr_v4(0xe0000001); /* all hosts */
    feed_udp(&h, &ip);
    ip.dst = rn_addr_v4(0x0a0000ff); /* the subnet's broadcast */
    feed_udp(&h, &ip);
    ip.dst = rn_addr_v4(0xffffffff);
    feed_udp(&h, &ip);
    rn_turn_begin(&h.t.turn, 1);
    rn_turn_end(&h.t.turn);
    rn_test_host_run(&h, 1);

    assert_int_equal(h.stack->stats.udp_no_port, 3);
    assert_int_equal(h.stack->stats.icmp_out_errors, 0);
    assert_true(rn_pktq_is_empty(&h.out));
    rn_test_host_fini(&h);
}

static void test_C04_quote_is_no_longer_than_what_was_there(void **state)
{
    struct rn_ipv4_hdr ip = {
        .src = RN_TEST_PEER4, .dst = RN_TEST_US4, .proto = RN_PROTO_UDP, .total_len = 60000
    };
    struct rn_icmp_out out = { .kind = RN_ICMP_HOST_UNREACH };
    static uint8_t big[1400];
    struct rn_test_host h;
    uint8_t pkt[1500];
    uint8_t bytes[1500];

    (void)state;
    attack_init(&h);

    (void)rn_test_ip4(pkt, &ip, big, 36); /* claims 60000, holds 56 */
    rn_icmp_send(h.stack, &out, rn_view_of(pkt, 56));
    rn_test_host_run(&h, 1);
    assert_int_equal(rn_test_host_next(&h, bytes, sizeof(bytes)), 28 + 56);

    (void)rn_test_ip4(pkt, &ip, big, sizeof(big));
    rn_icmp_send(h.stack, &out, rn_view_of(pkt, 20 + sizeof(big)));
    rn_test_host_run(&h, 1);
    assert_int_equal(rn_test_host_next(&h, bytes, sizeof(bytes)), RN_ICMP4_ERROR_MAX_BYTES);

    ip.total_len = 30; /* and claims less than it holds */
    (void)rn_test_ip4(pkt, &ip, big, 36);
    rn_icmp_send(h.stack, &out, rn_view_of(pkt, 56));
    rn_test_host_run(&h, 1);
    assert_int_equal(rn_test_host_next(&h, bytes, sizeof(bytes)), 28 + 30);
    rn_test_host_fini(&h);
}

static void test_C05_echo_to_a_group_is_not_answered(void **state)
{
    static const uint32_t groups[] = { 0xe0000001, 0x0a0000ff, 0xffffffff };
    struct rn_test_host h;
    uint8_t icmp[64];
    uint8_t pkt[128];

    (void)state;
    attack_init(&h);

    for (size_t i = 0; i < RN_ARRAY_LEN(groups); i++) {
        struct rn_ipv4_hdr ip = { .src = RN_TEST_PEER4,
                                  .dst = rn_addr_v4(groups[i]),
                                  .proto = RN_PROTO_ICMP4 };

        attack_must_drop(&h, pkt,
                         rn_test_ip4(pkt, &ip, icmp, rn_test_echo(icmp, ip.src, ip.dst, 16)),
                         RN_DROP_ECHO_REFUSED);
    }
    rn_test_host_fini(&h);
}

static void test_C05_messages_shorter_than_a_header_are_dropped(void **state)
{
    struct rn_test_host h;
    struct rn_ipv4_hdr ip = { .src = RN_TEST_PEER4, .dst = RN_TEST_US4, .proto = RN_PROTO_ICMP4 };
    uint8_t icmp[8] = { RN_ICMP4_ECHO };
    uint8_t pkt[64];

    (void)state;
    attack_init(&h);

    for (size_t len = 0; len < 8; len++)
        attack_must_drop(&h, pkt, rn_test_ip4(pkt, &ip, icmp, len), RN_DROP_MALFORMED);
    rn_test_host_fini(&h);
}

static void test_C10_errors_are_limited_and_one_victim_leaves_room_for_others(void **state)
{
    struct rn_ipv4_hdr ip = { .src = RN_TEST_PEER4, .dst = RN_TEST_US4, .proto = RN_PROTO_UDP };
    struct rn_test_host h;
    uint64_t sent;

    (void)state;
    attack_init(&h);

    for (unsigned i = 0; i < 1000; i++)
        feed_udp(&h, &ip);
    sent = h.stack->stats.icmp_out_errors;
    assert_in_range(sent, 1, 4); /* a sixteenth of the burst of 50 */
    assert_int_equal(h.stack->stats.icmp_out_limited, 1000 - sent);
    ip.src = rn_addr_v4(0x0a000007);
    feed_udp(&h, &ip);
    assert_int_equal(h.stack->stats.icmp_out_errors, sent + 1);

    for (uint32_t i = 0; i < 1000; i++) {
        ip.src = rn_addr_v4(0x0a000010 + i % 200);
        feed_udp(&h, &ip);
    }
    assert_true(h.stack->stats.icmp_out_errors <= 50);
    rn_test_host_fini(&h);
}

/* How many errors strangers can get, after somebody made us answer one host @n times. */
static uint64_t left_for_strangers(unsigned n, uint64_t seed)
{
    struct rn_ipv4_hdr ip = { .src = RN_TEST_PEER4, .dst = RN_TEST_US4, .proto = RN_PROTO_UDP };
    struct rn_test_host h;
    uint64_t before;

    attack_init(&h);
    rn_rand_init_u64(&h.t.turn.rand, seed);
    for (unsigned i = 0; i < n; i++)
        feed_udp(&h, &ip);
    before = h.stack->stats.icmp_out_errors;
    for (uint32_t i = 0; i < 200; i++) {
        ip.src = rn_addr_v4(0x0a000010 + i);
        feed_udp(&h, &ip);
    }
    before = h.stack->stats.icmp_out_errors - before;
    rn_test_host_fini(&h);
    return before;
}

/* SAD DNS (CVE-2020-25705): a spy spoofs probes from the resolver's peer, then counts what errors are left for himself. */
static void test_B10_what_is_left_of_the_limit_does_not_tell_who_was_answered(void **state)
{
    uint64_t quiet_least = UINT64_MAX;
    uint64_t probed_most = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 16; seed++) {
        uint64_t quiet = left_for_strangers(0, seed);
        uint64_t probed = left_for_strangers(1000, seed + 100);

        assert_true(probed > 0);
        quiet_least = rn_min_u64(quiet_least, quiet);
        probed_most = rn_max_u64(probed_most, probed);
    }

    assert_true(probed_most >= quiet_least);
}

static void test_C11_redirects_are_ignored(void **state)
{
    const struct rn_icmp4_hdr redirect = { .type = RN_ICMP4_REDIRECT,
                                           .gateway = rn_addr_v4(0x0a000063) };
    struct rn_test_host h;
    struct talk t;
    uint32_t gen;

    (void)state;
    attack_init(&h);
    talk_init(&t, &h);
    gen = h.stack->route_gen;

    send_error(&h, &redirect, t.quote, t.len);

    assert_int_equal(h.stack->route_gen, gen);
    assert_int_equal(rn_sock_take_error(t.sock), 0);
    (void)rn_sock_close(t.sock);
    rn_test_host_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C01_only_errors_about_our_own_talk_are_believed),
        cmocka_unit_test(test_C02_path_mtu_has_a_floor),
        cmocka_unit_test(test_C02_path_mtus_of_many_destinations_are_bounded),
        cmocka_unit_test(test_C03_errors_groups_and_later_fragments_are_never_answered),
        cmocka_unit_test(test_C04_quote_is_no_longer_than_what_was_there),
        cmocka_unit_test(test_C05_echo_to_a_group_is_not_answered),
        cmocka_unit_test(test_C05_messages_shorter_than_a_header_are_dropped),
        cmocka_unit_test(test_C10_errors_are_limited_and_one_victim_leaves_room_for_others),
        cmocka_unit_test(test_B10_what_is_left_of_the_limit_does_not_tell_who_was_answered),
        cmocka_unit_test(test_C11_redirects_are_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
