#include "wire/ipv6.h"

#include "parse_check.h"
#include <runnel/err.h>

/* fe80::1 > ff02::1:ff00:2, ICMPv6, 24 bytes, hop limit 255, class a5, flow 12345 */
static const uint8_t golden[RN_IPV6_HDR_BYTES] = {
    0x6a, 0x51, 0x23, 0x45, 0x00, 0x18, 0x3a, 0xff, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0,    0, 0, 0,
    0,    0,    0,    1,    0xff, 0x02, 0,    0,    0,    0,    0, 0, 0, 0, 0, 1, 0xff, 0, 0, 2
};

static int parse_front(struct rn_view bytes)
{
    struct rn_ipv6_hdr hdr;

    return rn_ipv6_parse(&hdr, bytes, 64);
}

static void test_header_is_read(void **state)
{
    struct rn_ipv6_hdr hdr;

    assert_int_equal(rn_ipv6_parse(&hdr, rn_view_of(golden, sizeof(golden)), 64), RN_OK);

    assert_true(rn_addr_eq(hdr.src, rn_test_addr("fe80::1")));
    assert_true(rn_addr_eq(hdr.dst, rn_test_addr("ff02::1:ff00:2")));
    assert_int_equal(hdr.payload_len, 24);
    assert_int_equal(hdr.next, RN_PROTO_ICMP6);
    assert_int_equal(hdr.hop_limit, 255);
    assert_int_equal(hdr.traffic_class, 0xa5);
    assert_int_equal(hdr.flow_label, 0x12345);
    (void)state;
}

static void test_what_is_emitted_is_what_was_parsed(void **state)
{
    struct rn_ipv6_hdr hdr;
    uint8_t out[RN_IPV6_HDR_BYTES];

    assert_int_equal(rn_ipv6_parse(&hdr, rn_view_of(golden, sizeof(golden)), 64), RN_OK);
    rn_ipv6_emit(&hdr, out);

    assert_memory_equal(out, golden, sizeof(golden));
    (void)state;
}

static void test_a_payload_longer_than_the_packet_is_refused(void **state)
{
    struct rn_ipv6_hdr hdr;
    struct rn_view front = rn_view_of(golden, sizeof(golden));

    for (size_t pkt_len = 0; pkt_len < 64; pkt_len++)
        assert_int_equal(rn_ipv6_parse(&hdr, front, pkt_len), RN_E_MALFORMED);
    assert_int_equal(rn_ipv6_parse(&hdr, front, 65), RN_OK); /* link padding */
    (void)state;
}

static void test_other_versions_are_refused(void **state)
{
    for (unsigned version = 0; version < 16; version++) {
        uint8_t bytes[sizeof(golden)];

        memcpy(bytes, golden, sizeof(golden));
        bytes[0] = (uint8_t)(version << 4 | (golden[0] & 0x0f));
        assert_int_equal(parse_front(rn_view_of(bytes, sizeof(bytes))) == RN_OK, version == 6);
    }
    (void)state;
}

static void test_short_headers_are_refused(void **state)
{
    rn_test_all_truncations_fail(parse_front, golden, sizeof(golden));
    rn_test_mutations_are_survived(parse_front, golden, sizeof(golden));
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_is_read),
        cmocka_unit_test(test_what_is_emitted_is_what_was_parsed),
        cmocka_unit_test(test_a_payload_longer_than_the_packet_is_refused),
        cmocka_unit_test(test_other_versions_are_refused),
        cmocka_unit_test(test_short_headers_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
