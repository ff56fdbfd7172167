#include "wire/udp.h"

#include "parse_check.h"
#include <runnel/err.h>

static const uint8_t golden[] = { 0xd4, 0x31, 0x00, 0x35, 0x00, 0x0a, 0x12, 0x34, 0xaa, 0xbb };

static int parse_whole(struct rn_view bytes)
{
    struct rn_udp_hdr hdr;

    return rn_udp_parse(&hdr, bytes, bytes.len);
}

static int parse_front(struct rn_view bytes)
{
    struct rn_udp_hdr hdr;

    return rn_udp_parse(&hdr, bytes, sizeof(golden));
}

static void test_header_is_read_and_emitted(void **state)
{
    struct rn_udp_hdr hdr;
    uint8_t out[RN_UDP_HDR_BYTES];

    assert_int_equal(rn_udp_parse(&hdr, rn_view_of(golden, sizeof(golden)), sizeof(golden)), RN_OK);
    rn_udp_emit(&hdr, out);

    assert_int_equal(hdr.src_port, 54321);
    assert_int_equal(hdr.dst_port, 53);
    assert_int_equal(hdr.len_bytes, 10);
    assert_int_equal(hdr.checksum, 0x1234);
    assert_memory_equal(out, golden, sizeof(out));
    (void)state;
}

static void test_every_length_field_is_held_against_the_datagram(void **state)
{
    for (unsigned len = 0; len <= UINT16_MAX; len++) {
        const uint8_t bytes[10] = { 0, 1, 0, 2, (uint8_t)(len >> 8), (uint8_t)len };

        assert_int_equal(parse_whole(rn_view_of(bytes, sizeof(bytes))) == RN_OK,
                         len >= RN_UDP_HDR_BYTES && len <= sizeof(bytes));
    }
    (void)state;
}

static void test_computed_zero_is_sent_as_all_ones(void **state)
{
    assert_int_equal(rn_udp_checksum_field(0xffff), 0xffff);
    assert_int_equal(rn_udp_checksum_field(0x1234), 0xedcb);
    (void)state;
}

static void test_short_datagrams_are_refused(void **state)
{
    rn_test_all_truncations_fail(parse_whole, golden, sizeof(golden));
    rn_test_all_truncations_fail(parse_front, golden, RN_UDP_HDR_BYTES);
    rn_test_mutations_are_survived(parse_whole, golden, sizeof(golden));
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_is_read_and_emitted),
        cmocka_unit_test(test_every_length_field_is_held_against_the_datagram),
        cmocka_unit_test(test_computed_zero_is_sent_as_all_ones),
        cmocka_unit_test(test_short_datagrams_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
