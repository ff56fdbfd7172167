#include "wire/arp.h"

#include "parse_check.h"
#include <runnel/err.h>

/* Who has 192.168.0.1? Tell 192.168.0.2. */
static const uint8_t request[RN_ARP_BYTES] = { 0,    1,    8, 0, 6,   4,   0, 1, 0x02, 0x42,
                                               0xac, 0x11, 0, 2, 192, 168, 0, 2, 0,    0,
                                               0,    0,    0, 0, 192, 168, 0, 1 };

static int parse(struct rn_view bytes)
{
    struct rn_arp arp;

    return rn_arp_parse(&arp, bytes);
}

static void test_request_is_read(void **state)
{
    static const uint8_t sender[] = { 0x02, 0x42, 0xac, 0x11, 0, 2 };
    struct rn_arp arp;

    assert_int_equal(rn_arp_parse(&arp, rn_view_of(request, sizeof(request))), RN_OK);

    assert_int_equal(arp.op, RN_ARP_REQUEST);
    assert_memory_equal(arp.sender_mac.b, sender, sizeof(sender));
    assert_true(rn_addr_eq(arp.sender_ip, rn_test_addr("192.168.0.2")));
    assert_true(rn_addr_eq(arp.target_ip, rn_test_addr("192.168.0.1")));
    (void)state;
}

static void test_what_is_emitted_is_what_was_parsed(void **state)
{
    struct rn_arp arp;
    uint8_t out[RN_ARP_BYTES];

    assert_int_equal(rn_arp_parse(&arp, rn_view_of(request, sizeof(request))), RN_OK);
    rn_arp_emit(&arp, out);

    assert_memory_equal(out, request, sizeof(request));
    (void)state;
}

static void test_link_padding_is_no_fault(void **state)
{
    uint8_t padded[46] = { 0 };

    memcpy(padded, request, sizeof(request));
    assert_int_equal(parse(rn_view_of(padded, sizeof(padded))), RN_OK);
    (void)state;
}

static void test_other_hardware_and_protocols_are_refused(void **state)
{
    /* hardware type, protocol type, their lengths: bytes 0..5. */
    for (size_t at = 0; at < 6; at++) {
        uint8_t other[RN_ARP_BYTES];

        memcpy(other, request, sizeof(request));
        other[at] ^= 0x10;
        assert_int_equal(parse(rn_view_of(other, sizeof(other))), RN_E_MALFORMED);
    }
    (void)state;
}

static void test_short_packets_are_refused(void **state)
{
    rn_test_all_truncations_fail(parse, request, sizeof(request));
    rn_test_mutations_are_survived(parse, request, sizeof(request));
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_is_read),
        cmocka_unit_test(test_what_is_emitted_is_what_was_parsed),
        cmocka_unit_test(test_link_padding_is_no_fault),
        cmocka_unit_test(test_other_hardware_and_protocols_are_refused),
        cmocka_unit_test(test_short_packets_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
