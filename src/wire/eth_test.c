#include "wire/eth.h"

#include "parse_check.h"
#include <runnel/err.h>

static const uint8_t frame[] = { 0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 0x01, 0x86, 0xdd };

static int parse(struct rn_view bytes)
{
    struct rn_eth_hdr hdr;
    struct rn_view payload;

    return rn_eth_parse(&hdr, &payload, bytes);
}

static void test_header_is_read(void **state)
{
    static const uint8_t with_payload[] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x06, 0xaa };
    struct rn_eth_hdr hdr;
    struct rn_view payload;

    assert_int_equal(rn_eth_parse(&hdr, &payload, rn_view_of(with_payload, sizeof(with_payload))),
                     RN_OK);

    assert_int_equal(hdr.dst.b[5], 2);
    assert_int_equal(hdr.src.b[5], 1);
    assert_int_equal(hdr.type, RN_ETHERTYPE_ARP);
    assert_int_equal(payload.len, 1);
    assert_int_equal(payload.ptr[0], 0xaa);
    (void)state;
}

static void test_what_is_emitted_is_what_was_parsed(void **state)
{
    struct rn_eth_hdr hdr;
    struct rn_view payload;
    uint8_t out[RN_ETH_HDR_BYTES];

    assert_int_equal(rn_eth_parse(&hdr, &payload, rn_view_of(frame, sizeof(frame))), RN_OK);
    rn_eth_emit(&hdr, out);

    assert_memory_equal(out, frame, sizeof(frame));
    (void)state;
}

static void test_short_frames_are_refused(void **state)
{
    rn_test_all_truncations_fail(parse, frame, sizeof(frame));
    rn_test_mutations_are_survived(parse, frame, sizeof(frame));
    (void)state;
}

static void test_groups_map_to_their_addresses(void **state)
{
    static const struct rn_mac mdns4 = { { 0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb } };
    static const struct rn_mac nodes6 = { { 0x33, 0x33, 0x00, 0x00, 0x00, 0x01 } };

    assert_true(rn_mac_eq(rn_mac_of_group(rn_test_addr("224.0.0.251")), mdns4));
    /* Only 23 bits are carried over (RFC 1112): 224.128.0.251 shares the address. */
    assert_true(rn_mac_eq(rn_mac_of_group(rn_test_addr("224.128.0.251")), mdns4));
    assert_true(rn_mac_eq(rn_mac_of_group(rn_test_addr("ff02::1")), nodes6));
    assert_true(rn_mac_is_group(mdns4));
    assert_true(rn_mac_is_group(rn_mac_broadcast()));
    assert_true(rn_mac_is_zero((struct rn_mac){ { 0 } }));
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_is_read),
        cmocka_unit_test(test_what_is_emitted_is_what_was_parsed),
        cmocka_unit_test(test_short_frames_are_refused),
        cmocka_unit_test(test_groups_map_to_their_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
