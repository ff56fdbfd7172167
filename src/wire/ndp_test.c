#include "wire/ndp.h"

#include "parse_check.h"
#include "wire/ndp_opts.h"
#include <runnel/err.h>

static const char ns_text[] =
    "87000000 00000000 fe800000000000000000000000000002 0101 020000000001";
static const char na_text[] =
    "88000000 60000000 fe800000000000000000000000000002 0201 020000000002";
static const char rs_text[] = "85000000 00000000 0101 020000000001";
static const char ra_text[] = "86000000 40c80708 00007530 000003e8 0501 0000 000005dc";
static const char redirect_text[] = "89000000 00000000 fe800000000000000000000000000003 "
                                    "fd000000000000000000000000000009 0201 020000000003";

static int parse_ns(struct rn_view bytes)
{
    struct rn_ndp_ns ns;
    struct rn_view options;

    return rn_ndp_ns_parse(&ns, &options, bytes);
}

static int parse_na(struct rn_view bytes)
{
    struct rn_ndp_na na;
    struct rn_view options;

    return rn_ndp_na_parse(&na, &options, bytes);
}

static int parse_rs(struct rn_view bytes)
{
    struct rn_view options;

    return rn_ndp_rs_parse(&options, bytes);
}

static int parse_ra(struct rn_view bytes)
{
    struct rn_ndp_ra ra;
    struct rn_view options;

    return rn_ndp_ra_parse(&ra, &options, bytes);
}

static int parse_redirect(struct rn_view bytes)
{
    struct rn_ndp_redirect rd;
    struct rn_view options;

    return rn_ndp_redirect_parse(&rd, &options, bytes);
}

static const struct {
    const char *text;
    rn_test_parse_fn parse;
    size_t body_bytes; /* where the options start */
} messages[] = {
    { ns_text, parse_ns, 24 },
    { na_text, parse_na, 24 },
    { rs_text, parse_rs, 8 },
    { ra_text, parse_ra, 16 },
    { redirect_text, parse_redirect, 40 },
};

static void test_neighbour_messages_are_read(void **state)
{
    uint8_t bytes[64];
    size_t len = rn_test_unhex(ns_text, bytes, sizeof(bytes));
    struct rn_ndp_ns ns;
    struct rn_ndp_na na;
    struct rn_view options;

    assert_int_equal(rn_ndp_ns_parse(&ns, &options, rn_view_of(bytes, len)), RN_OK);
    assert_true(rn_addr_eq(ns.target, rn_test_addr("fe80::2")));
    assert_int_equal(options.len, 8);
    len = rn_test_unhex(na_text, bytes, sizeof(bytes));
    assert_int_equal(rn_ndp_na_parse(&na, &options, rn_view_of(bytes, len)), RN_OK);
    assert_true(na.is_solicited && na.may_override);
    assert_false(na.is_router);
    (void)state;
}

static void test_router_advertisement_is_read(void **state)
{
    uint8_t bytes[64];
    size_t len = rn_test_unhex(ra_text, bytes, sizeof(bytes));
    struct rn_ndp_ra ra;
    struct rn_view options;

    assert_int_equal(rn_ndp_ra_parse(&ra, &options, rn_view_of(bytes, len)), RN_OK);

    assert_int_equal(ra.hop_limit, 64);
    assert_true(ra.is_managed && ra.has_other_config);
    assert_int_equal(ra.preference, RN_NDP_PREF_HIGH);
    assert_int_equal(ra.lifetime_s, 1800);
    assert_int_equal(ra.reachable_ms, 30000);
    assert_int_equal(ra.retrans_ms, 1000);
    (void)state;
}

static void test_the_reserved_preference_is_medium(void **state)
{
    uint8_t bytes[64];
    size_t len = rn_test_unhex(ra_text, bytes, sizeof(bytes));
    struct rn_ndp_ra ra;
    struct rn_view options;

    bytes[5] = 2 << 3;
    assert_int_equal(rn_ndp_ra_parse(&ra, &options, rn_view_of(bytes, len)), RN_OK);
    assert_int_equal(ra.preference, RN_NDP_PREF_MEDIUM);
    (void)state;
}

static size_t emit_again(size_t which, const uint8_t *bytes, size_t len, uint8_t *out, size_t cap)
{
    struct rn_view msg = rn_view_of(bytes, len);
    struct rn_writer w = rn_writer_of(out, cap);
    struct rn_view options = { 0 };
    struct rn_ndp_ns ns;
    struct rn_ndp_na na;
    struct rn_ndp_ra ra;
    struct rn_ndp_redirect rd;

    if (which == 0 && rn_ndp_ns_parse(&ns, &options, msg) == RN_OK)
        rn_ndp_ns_emit(&ns, &w);
    if (which == 1 && rn_ndp_na_parse(&na, &options, msg) == RN_OK)
        rn_ndp_na_emit(&na, &w);
    if (which == 2 && rn_ndp_rs_parse(&options, msg) == RN_OK)
        rn_ndp_rs_emit(&w);
    if (which == 3 && rn_ndp_ra_parse(&ra, &options, msg) == RN_OK)
        rn_ndp_ra_emit(&ra, &w);
    if (which == 4 && rn_ndp_redirect_parse(&rd, &options, msg) == RN_OK)
        rn_ndp_redirect_emit(&rd, &w);
    rn_write_bytes(&w, options.ptr, options.len);
    assert_false(w.overflow);
    return w.len;
}

static void test_what_is_emitted_is_what_was_parsed(void **state)
{
    for (size_t i = 0; i < RN_ARRAY_LEN(messages); i++) {
        uint8_t bytes[64];
        uint8_t out[64];
        size_t len = rn_test_unhex(messages[i].text, bytes, sizeof(bytes));

        assert_int_equal(emit_again(i, bytes, len, out, sizeof(out)), len);
        assert_memory_equal(out, bytes, len);
    }
    (void)state;
}

static void test_multicast_targets_are_refused(void **state)
{
    uint8_t bytes[64];
    size_t len = rn_test_unhex(ns_text, bytes, sizeof(bytes));

    bytes[8] = 0xff;
    assert_int_equal(parse_ns(rn_view_of(bytes, len)), RN_E_MALFORMED);
    len = rn_test_unhex(na_text, bytes, sizeof(bytes));
    bytes[8] = 0xff;
    assert_int_equal(parse_na(rn_view_of(bytes, len)), RN_E_MALFORMED);
    (void)state;
}

static void test_other_codes_and_empty_options_are_refused(void **state)
{
    for (size_t i = 0; i < RN_ARRAY_LEN(messages); i++) {
        uint8_t bytes[64];
        size_t len = rn_test_unhex(messages[i].text, bytes, sizeof(bytes));

        bytes[1] = 1;
        assert_int_equal(messages[i].parse(rn_view_of(bytes, len)), RN_E_MALFORMED);
        bytes[1] = 0;
        bytes[messages[i].body_bytes + 1] = 0; /* the option's length */
        assert_int_equal(messages[i].parse(rn_view_of(bytes, len)), RN_E_MALFORMED);
    }
    (void)state;
}

static void test_short_messages_are_refused(void **state)
{
    for (size_t i = 0; i < RN_ARRAY_LEN(messages); i++) {
        uint8_t bytes[64];
        size_t len = rn_test_unhex(messages[i].text, bytes, sizeof(bytes));

        /* Without its options a message is whole too; every other length is not. */
        for (size_t n = 0; n <= len; n++)
            assert_int_equal(rn_test_parse_exact(messages[i].parse, bytes, n) == RN_OK,
                             n == len || n == messages[i].body_bytes);
        rn_test_mutations_are_survived(messages[i].parse, bytes, len);
    }
    (void)state;
}

static void test_solicited_node_takes_the_last_three_bytes(void **state)
{
    struct rn_addr group = rn_ndp_solicited_node(rn_test_addr("fd00::1234:5678:9abc"));

    assert_true(rn_addr_eq(group, rn_test_addr("ff02::1:ff78:9abc")));
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_neighbour_messages_are_read),
        cmocka_unit_test(test_router_advertisement_is_read),
        cmocka_unit_test(test_the_reserved_preference_is_medium),
        cmocka_unit_test(test_what_is_emitted_is_what_was_parsed),
        cmocka_unit_test(test_multicast_targets_are_refused),
        cmocka_unit_test(test_other_codes_and_empty_options_are_refused),
        cmocka_unit_test(test_short_messages_are_refused),
        cmocka_unit_test(test_solicited_node_takes_the_last_three_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
