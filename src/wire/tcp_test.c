#include "wire/tcp.h"

#include "parse_check.h"
#include <runnel/err.h>

/* 43210 > 80, SYN ECE CWR AE, window 64240, with an MSS option and two bytes behind it */
static const uint8_t golden[] = { 0xa8, 0xca, 0x00, 0x50, 0x12, 0x34, 0x56, 0x78, 0x9a,
                                  0xbc, 0xde, 0xf0, 0x61, 0xc2, 0xfa, 0xf0, 0xab, 0xcd,
                                  0x00, 0x07, 0x02, 0x04, 0x05, 0xb4, 0xaa, 0xbb };
enum { GOLDEN_HDR = 24 };

static int parse_front(struct rn_view bytes)
{
    struct rn_tcp_hdr hdr;

    return rn_tcp_parse(&hdr, bytes, sizeof(golden));
}

static int parse_whole(struct rn_view bytes)
{
    struct rn_tcp_hdr hdr;
    int err = rn_tcp_parse(&hdr, bytes, bytes.len);

    if (err == RN_OK)
        assert_int_equal(rn_tcp_options(bytes, &hdr).len, hdr.hdr_len - RN_TCP_HDR_BYTES);
    return err;
}

static void test_header_is_read(void **state)
{
    struct rn_view front = rn_view_of(golden, sizeof(golden));
    struct rn_tcp_hdr hdr;

    assert_int_equal(rn_tcp_parse(&hdr, front, sizeof(golden)), RN_OK);

    assert_int_equal(hdr.src_port, 43210);
    assert_int_equal(hdr.dst_port, 80);
    assert_int_equal(hdr.seq.v, 0x12345678);
    assert_int_equal(hdr.ack.v, 0x9abcdef0);
    assert_int_equal(hdr.hdr_len, GOLDEN_HDR);
    assert_int_equal(hdr.flags, RN_TCP_SYN | RN_TCP_ECE | RN_TCP_CWR | RN_TCP_AE);
    assert_int_equal(hdr.window, 64240);
    assert_int_equal(hdr.checksum, 0xabcd);
    assert_int_equal(hdr.urgent, 7);
    assert_int_equal(rn_tcp_options(front, &hdr).len, 4);
    assert_ptr_equal(rn_tcp_options(front, &hdr).ptr, golden + RN_TCP_HDR_BYTES);
    (void)state;
}

static void test_what_is_emitted_is_what_was_parsed(void **state)
{
    struct rn_tcp_hdr hdr;
    uint8_t out[RN_TCP_HDR_BYTES];

    assert_int_equal(rn_tcp_parse(&hdr, rn_view_of(golden, sizeof(golden)), sizeof(golden)), RN_OK);
    rn_tcp_emit(&hdr, out);

    assert_memory_equal(out, golden, sizeof(out));
    (void)state;
}

static void test_every_data_offset_is_held_against_the_segment(void **state)
{
    for (unsigned words = 0; words < 16; words++) {
        uint8_t bytes[32] = { 0 };

        bytes[12] = (uint8_t)(words << 4);
        assert_int_equal(parse_whole(rn_view_of(bytes, sizeof(bytes))) == RN_OK,
                         words >= 5 && words * 4 <= sizeof(bytes));
    }
    (void)state;
}

static void test_a_header_longer_than_its_segment_is_refused(void **state)
{
    struct rn_tcp_hdr hdr;
    struct rn_view front = rn_view_of(golden, sizeof(golden));

    assert_int_equal(rn_tcp_parse(&hdr, front, GOLDEN_HDR - 1), RN_E_MALFORMED);
    assert_int_equal(rn_tcp_parse(&hdr, front, GOLDEN_HDR), RN_OK);
    (void)state;
}

static void test_short_segments_are_refused(void **state)
{
    rn_test_all_truncations_fail(parse_front, golden, GOLDEN_HDR);
    rn_test_all_truncations_fail(parse_whole, golden, GOLDEN_HDR);
    rn_test_mutations_are_survived(parse_whole, golden, sizeof(golden));
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_is_read),
        cmocka_unit_test(test_what_is_emitted_is_what_was_parsed),
        cmocka_unit_test(test_every_data_offset_is_held_against_the_segment),
        cmocka_unit_test(test_a_header_longer_than_its_segment_is_refused),
        cmocka_unit_test(test_short_segments_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
