#include "host/nlattr.h"

#include "host/rtnl_addr.h"
#include "host/rtnl_neigh.h"
#include "host/rtnl_route.h"
#include "host/rtnl_rule.h"
#include "host/sockdiag.h"

#include "test_alloc.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

/* A message built as the kernel would send it. */
static struct rn_view payload_of(const struct rn_nl_msg *msg)
{
    return rn_view_of(msg->bytes + NLMSG_HDRLEN, msg->head.nlmsg_len - NLMSG_HDRLEN);
}

static void make_addr(struct rn_nl_msg *msg)
{
    struct ifaddrmsg *ifa = rn_nl_msg_begin(msg, RTM_NEWADDR, 0, sizeof(*ifa));
    struct ifa_cacheinfo life = { .ifa_prefered = 50, .ifa_valid = 100 };

    ifa->ifa_family = AF_INET;
    ifa->ifa_prefixlen = 30;
    ifa->ifa_index = 7;
    rn_nl_put_addr(msg, IFA_LOCAL, rn_addr_v4(0x0a000001));
    rn_nl_put_addr(msg, IFA_ADDRESS, rn_addr_v4(0x0a000002));
    rn_nl_put_str(msg, IFA_LABEL, "eth0:1");
    rn_nl_put_u32(msg, IFA_FLAGS, IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
    rn_nl_put(msg, IFA_CACHEINFO, &life, sizeof(life));
}

static void test_a_broken_length_ends_the_walk(void **state)
{
    const uint8_t zero_len[] = { 0, 0, 1, 0, 8, 0, 2, 0, 1, 2, 3, 4 };
    const uint8_t too_long[] = { 9, 0, 1, 0, 1, 2, 3, 4 };
    struct rn_view v = rn_view_of(zero_len, sizeof(zero_len));
    struct rn_nlattr a;

    (void)state;
    assert_false(rn_nlattr_next(&v, &a));
    assert_int_equal(v.len, 0);
    v = rn_view_of(too_long, sizeof(too_long));
    assert_false(rn_nlattr_next(&v, &a));
}

static void test_the_last_attribute_needs_no_padding(void **state)
{
    const uint8_t bytes[] = { 5, 0, 1, 0x80, 0x2a }; /* NLA_F_NESTED is not part of the type */
    struct rn_view v = rn_view_of(bytes, sizeof(bytes));
    struct rn_nlattr a;

    (void)state;
    assert_true(rn_nlattr_next(&v, &a));
    assert_int_equal(a.type, 1);
    assert_int_equal(rn_nl_u8(a.value), 0x2a);
    assert_false(rn_nlattr_next(&v, &a));
}

static void test_of_repeated_attributes_the_last_wins_and_high_ones_are_skipped(void **state)
{
    struct rn_nl_msg msg;
    struct rn_view tb[4];
    struct rn_view p;

    (void)state;
    rn_nl_msg_begin(&msg, RTM_NEWLINK, 0, 0);
    rn_nl_put_u32(&msg, 2, 1);
    rn_nl_put_u32(&msg, 2, 5);
    rn_nl_put_u32(&msg, 9, 7);
    p = payload_of(&msg);
    rn_nlattr_table(p, tb, 3);
    assert_int_equal(rn_nl_u32(tb[2]), 5);
    assert_false(rn_nl_has(tb[1]));
    assert_false(rn_nl_has(tb[3]));
}

static void test_a_short_value_reads_as_zero(void **state)
{
    const uint8_t b[2] = { 1, 2 };

    (void)state;
    assert_int_equal(rn_nl_u32(rn_view_of(b, 2)), 0);
    assert_int_equal(rn_nl_be64(rn_view_of(b, 2)), 0);
    assert_int_equal(rn_nl_u16_at(rn_view_of(b, 2), 1), 0);
    assert_true(rn_addr_is_none(rn_nl_addr(rn_view_of(b, 2))));
}

static void test_a_request_that_does_not_fit_latches(void **state)
{
    static const uint8_t big[RN_NL_MSG_BYTES];
    struct rn_nl_msg msg;

    (void)state;
    rn_nl_msg_begin(&msg, RTM_NEWLINK, 0, sizeof(struct rtgenmsg));
    rn_nl_put(&msg, 1, big, sizeof(big));
    rn_nl_put_u32(&msg, 2, 1);
    assert_true(msg.overflow);
}

static void test_an_address_is_read_with_peer_label_flags_and_lifetimes(void **state)
{
    struct rn_nl_msg msg;
    struct rn_rtnl_addr a;

    (void)state;
    make_addr(&msg);
    assert_int_equal(rn_rtnl_addr_parse(payload_of(&msg), &a), RN_OK);
    assert_true(rn_addr_eq(a.local, rn_addr_v4(0x0a000001)));
    assert_true(rn_addr_eq(a.peer, rn_addr_v4(0x0a000002)));
    assert_int_equal(a.prefix_bits, 30);
    assert_int_equal(a.ifindex, 7);
    assert_int_equal(a.flags, IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
    assert_int_equal(a.valid_s, 100);
    assert_int_equal(a.preferred_s, 50);
    assert_memory_equal(a.label.ptr, "eth0:1", a.label.len);
}

/* Cut anywhere: an error or fewer attributes, never a read beyond the end (the sanitizer watches the copy). */
static void test_every_truncation_of_an_address_is_survived(void **state)
{
    struct rn_nl_msg msg;
    struct rn_rtnl_addr a;
    struct rn_view whole;

    (void)state;
    make_addr(&msg);
    whole = payload_of(&msg);
    for (size_t len = 0; len < whole.len; len++) {
        uint8_t *copy = malloc(len + 1);

        memcpy(copy, whole.ptr, len);
        if (len < sizeof(struct ifaddrmsg) + 8)
            assert_true(rn_rtnl_addr_parse(rn_view_of(copy, len), &a) < 0);
        else
            (void)!rn_rtnl_addr_parse(rn_view_of(copy, len), &a);
        free(copy);
    }
}

static void test_a_route_with_two_ways_has_two_hops(void **state)
{
    struct rn_nl_msg msg;
    struct rtmsg *rtm = rn_nl_msg_begin(&msg, RTM_NEWROUTE, 0, sizeof(*rtm));
    struct rn_rtnl_route r;
    uint8_t hops[32] = { 0 };

    (void)state;
    rtm->rtm_family = AF_INET;
    rtm->rtm_dst_len = 16;
    rtm->rtm_table = RT_TABLE_MAIN;
    rn_nl_put_addr(&msg, RTA_DST, rn_addr_v4(0x0a420000));
    rn_nl_put_u32(&msg, RTA_TABLE, 1000);
    for (size_t i = 0; i < 2; i++) {
        uint8_t *h = hops + i * 16;
        const uint16_t len = 16;
        const uint32_t index = (uint32_t)i + 2;
        const uint16_t attr[2] = { 8, RTA_GATEWAY };

        memcpy(h, &len, 2);
        h[3] = (uint8_t)i; /* weight - 1 */
        memcpy(h + 4, &index, 4);
        memcpy(h + 8, attr, 4);
        h[12] = 10;
        h[15] = (uint8_t)(i + 2);
    }
    rn_nl_put(&msg, RTA_MULTIPATH, hops, sizeof(hops));

    assert_int_equal(rn_rtnl_route_parse(payload_of(&msg), &r), RN_OK);
    assert_int_equal(r.table, 1000);
    assert_int_equal(r.n_hops, 2);
    assert_int_equal(r.hops[1].weight, 2);
    assert_int_equal(r.hops[1].ifindex, 3);
    assert_true(rn_addr_eq(r.hops[0].gateway, rn_addr_v4(0x0a000002)));
}

static void test_a_default_route_has_the_zero_address_of_its_family(void **state)
{
    struct rn_nl_msg msg;
    struct rtmsg *rtm = rn_nl_msg_begin(&msg, RTM_NEWROUTE, 0, sizeof(*rtm));
    struct rn_rtnl_route r;

    (void)state;
    rtm->rtm_family = AF_INET;
    assert_int_equal(rn_rtnl_route_parse(payload_of(&msg), &r), RN_OK);
    assert_int_equal(r.dst.bits, 0);
    assert_true(r.dst.is_v4);
    assert_true(rn_addr_is_v4(r.dst.addr));
}

static void test_a_gateway_of_the_other_family_is_read(void **state)
{
    struct rn_nl_msg msg;
    struct rtmsg *rtm = rn_nl_msg_begin(&msg, RTM_NEWROUTE, 0, sizeof(*rtm));
    uint8_t via[18] = { AF_INET6, 0, 0xfe, 0x80, [17] = 1 };
    struct rn_rtnl_route r;

    (void)state;
    rtm->rtm_family = AF_INET;
    rn_nl_put(&msg, RTA_VIA, via, sizeof(via));
    assert_int_equal(rn_rtnl_route_parse(payload_of(&msg), &r), RN_OK);
    assert_false(rn_addr_is_v4(r.gateway));
    assert_int_equal(r.gateway.b[15], 1);
}

static void test_impossible_prefix_lengths_are_refused(void **state)
{
    struct rn_nl_msg msg;
    struct rtmsg *rtm = rn_nl_msg_begin(&msg, RTM_NEWROUTE, 0, sizeof(*rtm));
    struct rn_rtnl_route r;
    struct rn_rtnl_rule rule;

    (void)state;
    rtm->rtm_family = AF_INET;
    rtm->rtm_dst_len = 33;
    assert_int_equal(rn_rtnl_route_parse(payload_of(&msg), &r), RN_E_MALFORMED);
    assert_int_equal(rn_rtnl_rule_parse(payload_of(&msg), &rule), RN_E_MALFORMED);
    rtm->rtm_family = 200;
    assert_int_equal(rn_rtnl_route_parse(payload_of(&msg), &r), RN_E_ADDR_FAMILY);
}

static void test_parsers_refuse_what_is_shorter_than_their_header(void **state)
{
    static const uint8_t bytes[256];
    struct rn_rtnl_neigh neigh;
    struct rn_rtnl_nexthop nexthop;
    struct rn_sockdiag_sock sock;

    (void)state;
    assert_true(rn_rtnl_neigh_parse(rn_view_of(bytes, 11), &neigh) < 0);
    assert_true(rn_rtnl_nexthop_parse(rn_view_of(bytes, 7), &nexthop) < 0);
    assert_true(rn_sockdiag_parse_inet(rn_view_of(bytes, 71), &sock) < 0);
    assert_true(rn_sockdiag_parse_unix(rn_view_of(bytes, 15), &sock) < 0);
    assert_true(rn_sockdiag_parse_packet(rn_view_of(bytes, 15), &sock) < 0);
}

static void test_socket_counts_add_up_over_both_families(void **state)
{
    const char v4[] =
        "sockets: used 25\nTCP: inuse 3 orphan 0 tw 2 alloc 5 mem 1\nUDP: inuse 1 mem 0\n"
        "RAW: inuse 0\nFRAG: inuse 0 memory 0\n";
    const char v6[] = "TCP6: inuse 4\nUDP6: inuse 2\nRAW6: inuse 1\n";
    struct rn_sockstat stat = { 0 };

    (void)state;
    rn_sockstat_parse(rn_view_of(v4, sizeof(v4) - 1), &stat);
    rn_sockstat_parse(rn_view_of(v6, sizeof(v6) - 1), &stat);
    assert_int_equal(stat.used, 25);
    assert_int_equal(stat.tcp, 7);
    assert_int_equal(stat.tcp_time_wait, 2);
    assert_int_equal(stat.udp, 3);
    assert_int_equal(stat.raw, 1);
}

static void test_sockets_are_counted_by_protocol(void **state)
{
    const char text[] = "protocol size sockets memory press maxhdr slab module\n"
                        "PACKET 1600 2 -1 NI 0 no kernel\n"
                        "MPTCPv6 2064 1 1304 no 0 yes kernel\n"
                        "MPTCP 1936 3 1304 no 0 yes kernel\n"
                        "UNIX-STREAM 1152 4 -1 NI 0 yes kernel\n"
                        "UNIX 1152 5 -1 NI 0 yes kernel\n"
                        "PING 1016 -1 -1 NI 0 yes kernel\n"
                        "TCP 2304";
    struct rn_protocols p = { 0 };

    (void)state;
    rn_protocols_parse(rn_view_of(text, sizeof(text) - 1), &p);
    assert_int_equal(p.packet, 2);
    assert_int_equal(p.mptcp, 4);
    assert_int_equal(p.local, 9);
    assert_int_equal(p.ping, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_broken_length_ends_the_walk),
        cmocka_unit_test(test_the_last_attribute_needs_no_padding),
        cmocka_unit_test(test_of_repeated_attributes_the_last_wins_and_high_ones_are_skipped),
        cmocka_unit_test(test_a_short_value_reads_as_zero),
        cmocka_unit_test(test_a_request_that_does_not_fit_latches),
        cmocka_unit_test(test_an_address_is_read_with_peer_label_flags_and_lifetimes),
        cmocka_unit_test(test_every_truncation_of_an_address_is_survived),
        cmocka_unit_test(test_a_route_with_two_ways_has_two_hops),
        cmocka_unit_test(test_a_default_route_has_the_zero_address_of_its_family),
        cmocka_unit_test(test_a_gateway_of_the_other_family_is_read),
        cmocka_unit_test(test_impossible_prefix_lengths_are_refused),
        cmocka_unit_test(test_parsers_refuse_what_is_shorter_than_their_header),
        cmocka_unit_test(test_socket_counts_add_up_over_both_families),
        cmocka_unit_test(test_sockets_are_counted_by_protocol),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
