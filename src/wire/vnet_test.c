#include "wire/vnet.h"

#include "parse_check.h"
#include <runnel/err.h>

/* A TSO super-segment as TUN gives it: NEEDS_CSUM, TCPv4 with ECN, 66 header bytes, MSS 1448, checksum at 34 + 16. */
static const uint8_t tso[RN_VNET_HDR_MRG_BYTES] = {
    1, 0x81, 66, 0, 0xa8, 0x05, 34, 0, 16, 0, 1, 0
};

static int parse10(struct rn_view bytes)
{
    struct rn_vnet_hdr hdr;

    return rn_vnet_parse(&hdr, bytes);
}

static void test_offload_fields_are_read(void **state)
{
    struct rn_vnet_hdr hdr;

    assert_int_equal(rn_vnet_parse(&hdr, rn_view_of(tso, RN_VNET_HDR_MRG_BYTES)), RN_OK);

    assert_int_equal(hdr.flags, RN_VNET_NEEDS_CSUM);
    assert_int_equal(hdr.gso, RN_VNET_GSO_TCP4);
    assert_true(hdr.gso_ecn);
    assert_int_equal(hdr.hdr_len, 66);
    assert_int_equal(hdr.gso_size, 1448);
    assert_int_equal(hdr.csum_start, 34);
    assert_int_equal(hdr.csum_offset, 16);
    assert_int_equal(hdr.num_buffers, 1);
    (void)state;
}

static void test_both_forms_survive_the_round_trip(void **state)
{
    static const size_t forms[] = { RN_VNET_HDR_BYTES, RN_VNET_HDR_MRG_BYTES };

    for (size_t i = 0; i < RN_ARRAY_LEN(forms); i++) {
        uint8_t out[RN_VNET_HDR_MRG_BYTES];
        struct rn_vnet_hdr hdr;

        assert_int_equal(rn_vnet_parse(&hdr, rn_view_of(tso, forms[i])), RN_OK);
        rn_vnet_emit(&hdr, out, forms[i]);
        assert_memory_equal(out, tso, forms[i]);
    }
    (void)state;
}

static void test_only_known_gso_types_are_taken(void **state)
{
    for (unsigned gso = 0; gso <= UINT8_MAX; gso++) {
        const uint8_t bytes[RN_VNET_HDR_BYTES] = { 1, (uint8_t)gso, 0, 0, 0xa8, 0x05 };
        bool is_known = gso == 0 || gso == 1 || gso == 4 || gso == 5 || gso == 0x81 || gso == 0x84;

        assert_int_equal(parse10(rn_view_of(bytes, sizeof(bytes))) == RN_OK, is_known);
    }
    (void)state;
}

static void test_impossible_gso_sizes_are_refused(void **state)
{
    uint8_t bytes[RN_VNET_HDR_BYTES] = { 1, RN_VNET_GSO_TCP6 };

    assert_int_equal(parse10(rn_view_of(bytes, sizeof(bytes))), RN_E_MALFORMED);
    bytes[4] = bytes[5] = 0xff;
    assert_int_equal(parse10(rn_view_of(bytes, sizeof(bytes))), RN_E_MALFORMED);
    bytes[1] = RN_VNET_GSO_NONE; /* then the size means nothing */
    assert_int_equal(parse10(rn_view_of(bytes, sizeof(bytes))), RN_OK);
    (void)state;
}

static void test_other_lengths_are_refused(void **state)
{
    for (size_t n = 0; n <= RN_VNET_HDR_MRG_BYTES; n++)
        assert_int_equal(rn_test_parse_exact(parse10, tso, n) == RN_OK,
                         n == RN_VNET_HDR_BYTES || n == RN_VNET_HDR_MRG_BYTES);
    rn_test_mutations_are_survived(parse10, tso, sizeof(tso));
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offload_fields_are_read),
        cmocka_unit_test(test_both_forms_survive_the_round_trip),
        cmocka_unit_test(test_only_known_gso_types_are_taken),
        cmocka_unit_test(test_impossible_gso_sizes_are_refused),
        cmocka_unit_test(test_other_lengths_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
