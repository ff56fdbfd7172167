#include "wire/ndp_opts.h"

#include "parse_check.h"
#include <runnel/err.h>

/* Source LLA, MTU 1500, an autonomous on-link /64, two name servers, a nonce, one unknown option. */
static const char all_text[] =
    "0101 0200000000aa 0501 0000 000005dc "
    "0304 40c0 00278d00 00093a80 00000000 fd000000000000010000000000000000 "
    "1905 0000 00000e10 fd000000000000010000000000000053 fd000000000000010000000000000054 "
    "0e01 010203040506 c801 000000000000";
enum { ALL_BYTES = 8 + 8 + 32 + 40 + 8 + 8, N_OPTIONS = 6 };

static int walk(struct rn_view bytes)
{
    struct rn_reader r = rn_reader_of(bytes);
    struct rn_ndp_opt opt;
    int n = 0;
    int more;

    while ((more = rn_ndp_opt_next(&r, &opt)) > 0) {
        n++;
        assert_true((size_t)n * 8 <= bytes.len);
        if (opt.type == RN_NDP_OPT_RDNSS)
            assert_in_range(opt.rdnss.n_servers, 1, RN_NDP_RDNSS_MAX);
        if (opt.type == RN_NDP_OPT_PREFIX)
            assert_in_range(opt.prefix.prefix.bits, 0, 128);
    }
    assert_int_equal(more == 0, rn_ndp_opts_ok(bytes));
    return more < 0 ? more : n;
}

static void test_every_kind_is_read(void **state)
{
    uint8_t bytes[ALL_BYTES];
    size_t len = rn_test_unhex(all_text, bytes, sizeof(bytes));
    struct rn_reader r = rn_reader_of(rn_view_of(bytes, len));
    struct rn_ndp_opt opt;

    assert_int_equal(rn_ndp_opt_next(&r, &opt), 1);
    assert_int_equal(opt.type, RN_NDP_OPT_SOURCE_LLA);
    assert_int_equal(opt.lla.b[5], 0xaa);
    assert_int_equal(rn_ndp_opt_next(&r, &opt), 1);
    assert_int_equal(opt.mtu, 1500);
    assert_int_equal(rn_ndp_opt_next(&r, &opt), 1);
    assert_int_equal(opt.prefix.prefix.bits, 64);
    assert_true(rn_addr_eq(opt.prefix.prefix.addr, rn_test_addr("fd00:0:0:1::")));
    assert_true(opt.prefix.on_link && opt.prefix.autonomous);
    assert_int_equal(opt.prefix.valid_s, 2592000);
    assert_int_equal(opt.prefix.preferred_s, 604800);
    assert_int_equal(rn_ndp_opt_next(&r, &opt), 1);
    assert_int_equal(opt.rdnss.n_servers, 2);
    assert_int_equal(opt.rdnss.lifetime_s, 3600);
    assert_true(rn_addr_eq(opt.rdnss.servers[1], rn_test_addr("fd00:0:0:1::54")));
    assert_int_equal(rn_ndp_opt_next(&r, &opt), 1);
    assert_int_equal(opt.nonce.len, RN_NDP_NONCE_BYTES);
    assert_int_equal(rn_ndp_opt_next(&r, &opt), 1);
    assert_int_equal(opt.type, 200);
    assert_int_equal(rn_ndp_opt_next(&r, &opt), 0);
    (void)state;
}

static void test_what_is_emitted_is_what_was_parsed(void **state)
{
    uint8_t bytes[ALL_BYTES];
    uint8_t out[ALL_BYTES];
    size_t len = rn_test_unhex(all_text, bytes, sizeof(bytes));
    struct rn_reader r = rn_reader_of(rn_view_of(bytes, len));
    struct rn_writer w = rn_writer_of(out, sizeof(out));
    struct rn_ndp_opt opt;

    while (rn_ndp_opt_next(&r, &opt) > 0) {
        if (opt.type == RN_NDP_OPT_SOURCE_LLA)
            rn_ndp_opt_lla_emit(RN_NDP_OPT_SOURCE_LLA, opt.lla, &w);
        else if (opt.type == RN_NDP_OPT_MTU)
            rn_ndp_opt_mtu_emit(opt.mtu, &w);
        else if (opt.type == RN_NDP_OPT_PREFIX)
            rn_ndp_opt_prefix_emit(&opt.prefix, &w);
        else if (opt.type == RN_NDP_OPT_RDNSS)
            rn_ndp_opt_rdnss_emit(&opt.rdnss, &w);
        else if (opt.type == RN_NDP_OPT_NONCE)
            rn_ndp_opt_nonce_emit(opt.nonce.ptr, &w);
    }

    assert_int_equal(w.len, len - 8); /* all but the unknown one */
    assert_memory_equal(out, bytes, w.len);
    (void)state;
}

static void test_unusable_options_are_passed_over(void **state)
{
    static const char *const unusable[] = {
        "0502 000000000000 0000000000000000", /* MTU of 16 bytes */
        "0304 81c0 00278d00 00093a80 00000000 fd000000000000010000000000000000", /* 129 bits */
        "0304 60c0 00278d00 00093a80 00000000 00000000000000000000ffff0a000000", /* v4-mapped */
        "0301 40c000000000",                   /* prefix of 8 bytes */
        "0102 0200000000aa 0000000000000000",  /* LLA of 14 bytes */
        "1901 0000 00000e10",                  /* no server */
        "1902 0000 00000e10 fd00000000000001", /* half a server */
    };

    for (size_t i = 0; i < RN_ARRAY_LEN(unusable); i++) {
        uint8_t bytes[64];
        size_t len = rn_test_unhex(unusable[i], bytes, sizeof(bytes));

        assert_int_equal(walk(rn_view_of(bytes, len)), 0);
        assert_true(rn_ndp_opts_ok(rn_view_of(bytes, len)));
    }
    (void)state;
}

static void test_more_servers_than_kept_are_cut(void **state)
{
    uint8_t bytes[8 + 20 * 16] = { RN_NDP_OPT_RDNSS, 1 + 20 * 2 };
    struct rn_reader r = rn_reader_of(rn_view_of(bytes, sizeof(bytes)));
    struct rn_ndp_opt opt;

    assert_int_equal(rn_ndp_opt_next(&r, &opt), 1);
    assert_int_equal(opt.rdnss.n_servers, RN_NDP_RDNSS_MAX);
    (void)state;
}

static void test_zero_length_is_refused(void **state)
{
    static const uint8_t zero[8] = { 1, 0 };

    assert_int_equal(walk(rn_view_of(zero, sizeof(zero))), RN_E_MALFORMED);
    (void)state;
}

static void test_cuts_inside_an_option_are_refused(void **state)
{
    static const size_t boundaries[] = { 0, 8, 16, 48, 88, 96, 104 };
    uint8_t bytes[ALL_BYTES];
    size_t len = rn_test_unhex(all_text, bytes, sizeof(bytes));
    size_t at = 0;

    for (size_t n = 0; n <= len; n++) {
        bool at_boundary = n == boundaries[at];

        assert_int_equal(rn_test_parse_exact(walk, bytes, n) >= 0, at_boundary);
        at += at_boundary;
    }
    assert_int_equal(walk(rn_view_of(bytes, len)), N_OPTIONS);
    rn_test_mutations_are_survived(walk, bytes, len);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_is_read),
        cmocka_unit_test(test_what_is_emitted_is_what_was_parsed),
        cmocka_unit_test(test_unusable_options_are_passed_over),
        cmocka_unit_test(test_more_servers_than_kept_are_cut),
        cmocka_unit_test(test_zero_length_is_refused),
        cmocka_unit_test(test_cuts_inside_an_option_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
