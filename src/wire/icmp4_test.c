#include "wire/icmp4.h"

#include "base/checksum.h"
#include "parse_check.h"
#include <runnel/err.h>

/* A ping: echo request, id 0x1234, seq 1, payload "abcd"; the checksum is a real one. */
static const uint8_t echo[] = { 8, 0, 0x21, 0x04, 0x12, 0x34, 0x00, 0x01, 'a', 'b', 'c', 'd' };

static int parse(struct rn_view bytes)
{
    struct rn_icmp4_hdr hdr;
    struct rn_view payload;

    return rn_icmp4_parse(&hdr, &payload, bytes);
}

static void test_echo_is_read(void **state)
{
    struct rn_icmp4_hdr hdr;
    struct rn_view payload;

    assert_int_equal(rn_checksum(echo, sizeof(echo), 0), 0xffff);
    assert_int_equal(rn_icmp4_parse(&hdr, &payload, rn_view_of(echo, sizeof(echo))), RN_OK);

    assert_int_equal(hdr.type, RN_ICMP4_ECHO);
    assert_int_equal(hdr.id, 0x1234);
    assert_int_equal(hdr.seq, 1);
    assert_int_equal(payload.len, 4);
    assert_false(rn_icmp4_is_error(hdr.type));
    (void)state;
}

static void test_fields_follow_the_type(void **state)
{
    static const uint8_t frag_needed[] = { 3, 4, 0, 0, 0, 0, 0x05, 0x14 };
    static const uint8_t redirect[] = { 5, 1, 0, 0, 10, 0, 0, 254 };
    static const uint8_t param[] = { 12, 0, 0, 0, 20, 0, 0, 0 };
    struct rn_icmp4_hdr hdr;
    struct rn_view payload;

    assert_int_equal(rn_icmp4_parse(&hdr, &payload, rn_view_of(frag_needed, 8)), RN_OK);
    assert_int_equal(hdr.mtu, 1300);
    assert_int_equal(hdr.id, 0);
    assert_int_equal(rn_icmp4_parse(&hdr, &payload, rn_view_of(redirect, 8)), RN_OK);
    assert_true(rn_addr_eq(hdr.gateway, rn_test_addr("10.0.0.254")));
    assert_int_equal(rn_icmp4_parse(&hdr, &payload, rn_view_of(param, 8)), RN_OK);
    assert_int_equal(hdr.pointer, 20);
    assert_true(rn_icmp4_is_error(hdr.type));
    (void)state;
}

static void test_what_is_emitted_is_what_was_parsed(void **state)
{
    static const uint8_t messages[][RN_ICMP4_HDR_BYTES] = {
        { 8, 0, 1, 2, 3, 4, 5, 6 },  { 0, 0, 1, 2, 3, 4, 5, 6 },  { 3, 4, 1, 2, 0, 0, 5, 6 },
        { 3, 3, 1, 2, 0, 0, 0, 0 },  { 5, 1, 1, 2, 3, 4, 5, 6 },  { 11, 0, 1, 2, 0, 0, 0, 0 },
        { 12, 0, 1, 2, 3, 0, 0, 0 }, { 13, 0, 1, 2, 3, 4, 5, 6 },
    };

    for (size_t i = 0; i < RN_ARRAY_LEN(messages); i++) {
        struct rn_icmp4_hdr hdr;
        struct rn_view payload;
        uint8_t out[RN_ICMP4_HDR_BYTES];

        assert_int_equal(rn_icmp4_parse(&hdr, &payload, rn_view_of(messages[i], 8)), RN_OK);
        rn_icmp4_emit(&hdr, out);
        assert_memory_equal(out, messages[i], sizeof(out));
    }
    (void)state;
}

static void test_short_messages_are_refused(void **state)
{
    rn_test_all_truncations_fail(parse, echo, RN_ICMP4_HDR_BYTES);
    rn_test_mutations_are_survived(parse, echo, sizeof(echo));
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo_is_read),
        cmocka_unit_test(test_fields_follow_the_type),
        cmocka_unit_test(test_what_is_emitted_is_what_was_parsed),
        cmocka_unit_test(test_short_messages_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
