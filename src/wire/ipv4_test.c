#include "wire/ipv4.h"

#include "base/checksum.h"
#include "parse_check.h"
#include <runnel/err.h>

/* The example of RFC 1071's many tellers: 192.168.0.1 > 192.168.0.199, UDP, DF, checksum b861. */
static const uint8_t golden[RN_IPV4_HDR_BYTES] = { 0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40,
                                                   0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8,
                                                   0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7 };
enum { GOLDEN_TOTAL = 0x73 };

static int parse_golden_front(struct rn_view bytes)
{
    struct rn_ipv4_hdr hdr;

    return rn_ipv4_parse(&hdr, bytes, GOLDEN_TOTAL);
}

/* As it must be used on a packet that lies in one piece. */
static int parse_whole(struct rn_view bytes)
{
    struct rn_ipv4_hdr hdr;
    int err = rn_ipv4_parse(&hdr, bytes, bytes.len);

    if (err < 0)
        return err;
    assert_in_range(hdr.hdr_len, RN_IPV4_HDR_BYTES, bytes.len);
    assert_int_equal(rn_ipv4_options(bytes, &hdr).len, hdr.hdr_len - RN_IPV4_HDR_BYTES);
    (void)rn_ipv4_checksum_ok(bytes, hdr.hdr_len);
    return RN_OK;
}

static void test_header_is_read(void **state)
{
    struct rn_ipv4_hdr hdr;

    assert_int_equal(rn_ipv4_parse(&hdr, rn_view_of(golden, sizeof(golden)), GOLDEN_TOTAL), RN_OK);

    assert_true(rn_addr_eq(hdr.src, rn_test_addr("192.168.0.1")));
    assert_true(rn_addr_eq(hdr.dst, rn_test_addr("192.168.0.199")));
    assert_int_equal(hdr.total_len, GOLDEN_TOTAL);
    assert_int_equal(hdr.hdr_len, 20);
    assert_int_equal(hdr.ttl, 64);
    assert_int_equal(hdr.proto, RN_PROTO_UDP);
    assert_int_equal(hdr.checksum, 0xb861);
    assert_true(hdr.dont_fragment);
    assert_false(rn_ipv4_is_fragment(&hdr));
    assert_true(rn_ipv4_checksum_ok(rn_view_of(golden, sizeof(golden)), hdr.hdr_len));
    (void)state;
}

static void test_emitter_computes_the_checksum(void **state)
{
    struct rn_ipv4_hdr hdr;
    uint8_t out[RN_IPV4_HDR_BYTES];

    assert_int_equal(rn_ipv4_parse(&hdr, rn_view_of(golden, sizeof(golden)), GOLDEN_TOTAL), RN_OK);
    hdr.checksum = 0;
    rn_ipv4_emit(&hdr, out);

    assert_memory_equal(out, golden, sizeof(golden));
    (void)state;
}

static void test_every_single_bit_error_breaks_the_checksum(void **state)
{
    for (size_t bit = 0; bit < sizeof(golden) * 8; bit++) {
        uint8_t bad[sizeof(golden)];

        memcpy(bad, golden, sizeof(golden));
        bad[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(rn_ipv4_checksum_ok(rn_view_of(bad, sizeof(bad)), sizeof(bad)));
    }
    (void)state;
}

/* Bytes of which sums carry as often as they can. */
static void test_plain_header_sums_as_any_bytes_do(void **state)
{
    uint32_t random = 1;

    for (unsigned i = 0; i < 20000; i++) {
        uint8_t header[RN_IPV4_HDR_BYTES];
        uint16_t sum;

        for (size_t b = 0; b < sizeof(header); b++) {
            random = random * 1664525 + 1013904223; /* Numerical Recipes */
            header[b] = random >> 30 != 0 ? 0xff : (uint8_t)(random >> 16);
        }
        sum = rn_checksum(header, sizeof(header), 0);
        assert_int_equal(rn_ipv4_checksum_ok(rn_view_of(header, sizeof(header)), sizeof(header)),
                         sum == 0xffff);
        rn_put_be16(header + 10, 0);
        rn_put_be16(header + 10, (uint16_t)~rn_checksum(header, sizeof(header), 0));
        assert_true(rn_ipv4_checksum_ok(rn_view_of(header, sizeof(header)), sizeof(header)));
    }
    (void)state;
}

static void test_fragment_fields_survive_the_round_trip(void **state)
{
    const struct rn_ipv4_hdr hdr = { .src = rn_test_addr("10.0.0.1"),
                                     .dst = rn_test_addr("10.0.0.2"),
                                     .total_len = 28,
                                     .id = 0xbeef,
                                     .frag_off_bytes = 65528,
                                     .tos = 0xb9,
                                     .ttl = 1,
                                     .proto = RN_PROTO_ICMP4,
                                     .more_fragments = true };
    uint8_t out[RN_IPV4_HDR_BYTES];
    struct rn_ipv4_hdr back;

    rn_ipv4_emit(&hdr, out);
    assert_int_equal(rn_ipv4_parse(&back, rn_view_of(out, sizeof(out)), 28), RN_OK);

    assert_int_equal(back.id, 0xbeef);
    assert_int_equal(back.frag_off_bytes, 65528);
    assert_int_equal(back.tos, 0xb9);
    assert_true(back.more_fragments);
    assert_false(back.dont_fragment);
    assert_true(rn_ipv4_is_fragment(&back));
    (void)state;
}

static void test_lengths_that_contradict_are_refused(void **state)
{
    static const struct {
        uint8_t at;
        uint8_t value;
    } lies[] = {
        { 0, 0x55 }, /* version 5 */
        { 0, 0x44 }, /* header of 16 bytes */
        { 0, 0x4f }, /* header of 60 bytes, 20 held */
        { 3, 0x13 }, /* total length 19, below the header */
        { 3, 0x74 }, /* total length 116, beyond the packet */
        { 2, 0xff },
    };

    for (size_t i = 0; i < RN_ARRAY_LEN(lies); i++) {
        uint8_t bad[sizeof(golden)];

        memcpy(bad, golden, sizeof(golden));
        bad[lies[i].at] = lies[i].value;
        assert_int_equal(parse_golden_front(rn_view_of(bad, sizeof(bad))), RN_E_MALFORMED);
    }
    (void)state;
}

static void test_outputs_stay_untouched_when_refused(void **state)
{
    struct rn_ipv4_hdr hdr = { .id = 77 };

    assert_int_equal(rn_ipv4_parse(&hdr, rn_view_of(golden, 19), GOLDEN_TOTAL), RN_E_MALFORMED);
    assert_int_equal(hdr.id, 77);
    (void)state;
}

static void test_options_are_padded_and_found_again(void **state)
{
    static const uint8_t alert[] = { 148, 4, 0, 0, 1 };
    const struct rn_ipv4_hdr hdr = { .src = rn_test_addr("10.0.0.1"),
                                     .dst = rn_test_addr("224.0.0.22"),
                                     .total_len = 28,
                                     .proto = RN_PROTO_IGMP };
    static const uint8_t padded[] = { 148, 4, 0, 0, 1, 0, 0, 0 };
    uint8_t out[RN_IPV4_HDR_MAX_BYTES];
    struct rn_ipv4_hdr back;
    struct rn_view options;

    assert_int_equal(rn_ipv4_emit_options(&hdr, rn_view_of(alert, sizeof(alert)), out, sizeof(out)),
                     28);
    assert_int_equal(rn_ipv4_parse(&back, rn_view_of(out, 28), 28), RN_OK);
    options = rn_ipv4_options(rn_view_of(out, 28), &back);

    assert_int_equal(options.len, sizeof(padded));
    assert_memory_equal(options.ptr, padded, sizeof(padded));
    assert_true(rn_ipv4_checksum_ok(rn_view_of(out, 28), 28));
    rn_test_all_truncations_fail(parse_whole, out, 28);
    (void)state;
}

static void test_too_many_options_are_refused(void **state)
{
    static const uint8_t nops[41] = { 1 };
    const struct rn_ipv4_hdr hdr = { .ttl = 1 };
    uint8_t out[64];

    assert_int_equal(rn_ipv4_emit_options(&hdr, rn_view_of(nops, 41), out, sizeof(out)),
                     RN_E_MSG_TOO_LONG);
    assert_int_equal(rn_ipv4_emit_options(&hdr, rn_view_of(nops, 4), out, 23), RN_E_MSG_TOO_LONG);
    (void)state;
}

static void test_short_headers_are_refused(void **state)
{
    rn_test_all_truncations_fail(parse_golden_front, golden, sizeof(golden));
    rn_test_mutations_are_survived(parse_whole, golden, sizeof(golden));
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_is_read),
        cmocka_unit_test(test_emitter_computes_the_checksum),
        cmocka_unit_test(test_every_single_bit_error_breaks_the_checksum),
        cmocka_unit_test(test_plain_header_sums_as_any_bytes_do),
        cmocka_unit_test(test_fragment_fields_survive_the_round_trip),
        cmocka_unit_test(test_lengths_that_contradict_are_refused),
        cmocka_unit_test(test_outputs_stay_untouched_when_refused),
        cmocka_unit_test(test_options_are_padded_and_found_again),
        cmocka_unit_test(test_too_many_options_are_refused),
        cmocka_unit_test(test_short_headers_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
