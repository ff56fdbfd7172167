#include "wire/icmp6.h"

#include "parse_check.h"
#include <runnel/err.h>

static const uint8_t messages[][RN_ICMP6_HDR_BYTES] = {
    { 128, 0, 1, 2, 3, 4, 5, 6 }, { 129, 0, 1, 2, 3, 4, 5, 6 }, { 2, 0, 1, 2, 0, 0, 5, 0 },
    { 4, 1, 1, 2, 0, 0, 0, 40 },  { 1, 4, 1, 2, 0, 0, 0, 0 },   { 3, 0, 1, 2, 0, 0, 0, 0 },
};

static int parse(struct rn_view bytes)
{
    struct rn_icmp6_hdr hdr;
    struct rn_view payload;

    return rn_icmp6_parse(&hdr, &payload, bytes);
}

static void test_fields_follow_the_type(void **state)
{
    struct rn_icmp6_hdr hdr;
    struct rn_view payload;

    assert_int_equal(rn_icmp6_parse(&hdr, &payload, rn_view_of(messages[0], 8)), RN_OK);
    assert_int_equal(hdr.id, 0x0304);
    assert_int_equal(hdr.seq, 0x0506);
    assert_false(rn_icmp6_is_error(hdr.type));
    assert_int_equal(rn_icmp6_parse(&hdr, &payload, rn_view_of(messages[2], 8)), RN_OK);
    assert_int_equal(hdr.mtu, 1280);
    assert_int_equal(hdr.id, 0);
    assert_true(rn_icmp6_is_error(hdr.type));
    assert_int_equal(rn_icmp6_parse(&hdr, &payload, rn_view_of(messages[3], 8)), RN_OK);
    assert_int_equal(hdr.pointer, 40);
    (void)state;
}

static void test_what_is_emitted_is_what_was_parsed(void **state)
{
    for (size_t i = 0; i < RN_ARRAY_LEN(messages); i++) {
        struct rn_icmp6_hdr hdr;
        struct rn_view payload;
        uint8_t out[RN_ICMP6_HDR_BYTES];

        assert_int_equal(rn_icmp6_parse(&hdr, &payload, rn_view_of(messages[i], 8)), RN_OK);
        rn_icmp6_emit(&hdr, out);
        assert_memory_equal(out, messages[i], sizeof(out));
    }
    (void)state;
}

static void test_short_messages_are_refused(void **state)
{
    rn_test_all_truncations_fail(parse, messages[0], RN_ICMP6_HDR_BYTES);
    rn_test_mutations_are_survived(parse, messages[0], RN_ICMP6_HDR_BYTES);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_follow_the_type),
        cmocka_unit_test(test_what_is_emitted_is_what_was_parsed),
        cmocka_unit_test(test_short_messages_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
