#include "wire/tcp_opts.h"

#include "parse_check.h"
#include <runnel/err.h>

/* What Linux sends in a SYN: mss 1460, sackOK, TS val 0x01020304 ecr 0, nop, wscale 7. */
static const char linux_syn[] = "020405b4 0402 080a0102030400000000 01 030307";
/* And in an ACK that reports holes: nop nop TS, nop nop sack of two blocks. */
static const char linux_sack[] =
    "0101080a0000000100000002 0101 0512 00000064000000c8 0000012c00000190";

static bool parse_text(const char *text, struct rn_tcp_opts *ret)
{
    uint8_t bytes[RN_TCP_OPTS_MAX_BYTES];
    size_t len = rn_test_unhex(text, bytes, sizeof(bytes));

    return rn_tcp_opts_parse(ret, rn_view_of(bytes, len));
}

static void assert_emits(const struct rn_tcp_opts *opts, const char *text)
{
    uint8_t expected[RN_TCP_OPTS_MAX_BYTES];
    uint8_t out[RN_TCP_OPTS_MAX_BYTES];
    size_t len = rn_test_unhex(text, expected, sizeof(expected));
    struct rn_writer w = rn_writer_of(out, sizeof(out));

    rn_tcp_opts_emit(opts, &w);
    assert_false(w.overflow);
    assert_int_equal(w.len, len);
    assert_int_equal(rn_tcp_opts_bytes(opts), len);
    assert_memory_equal(out, expected, len);
}

static int parse(struct rn_view bytes)
{
    struct rn_tcp_opts opts;
    bool is_sound = rn_tcp_opts_parse(&opts, bytes);

    assert_in_range(opts.n_sack, 0, RN_TCP_SACK_MAX);
    assert_in_range(opts.cookie_len, 0, RN_TCP_COOKIE_MAX_BYTES);
    assert_in_range(opts.wscale, 0, RN_TCP_WSCALE_MAX);
    return is_sound ? 0 : -1;
}

static void test_a_linux_syn_is_read(void **state)
{
    struct rn_tcp_opts opts;

    assert_true(parse_text(linux_syn, &opts));

    assert_true(opts.has_mss && opts.sack_ok && opts.has_ts && opts.has_wscale);
    assert_false(opts.has_fastopen);
    assert_int_equal(opts.mss, 1460);
    assert_int_equal(opts.ts_val, 0x01020304);
    assert_int_equal(opts.ts_ecr, 0);
    assert_int_equal(opts.wscale, 7);
    assert_int_equal(opts.n_sack, 0);
    (void)state;
}

static void test_sack_blocks_are_read_beside_timestamps(void **state)
{
    struct rn_tcp_opts opts;

    assert_true(parse_text(linux_sack, &opts));

    assert_int_equal(opts.n_sack, 2);
    assert_int_equal(opts.sack[0].from.v, 100);
    assert_int_equal(opts.sack[0].to.v, 200);
    assert_int_equal(opts.sack[1].from.v, 300);
    assert_int_equal(opts.sack[1].to.v, 400);
    assert_int_equal(opts.ts_ecr, 2);
    (void)state;
}

static void test_options_are_laid_out_as_linux_does(void **state)
{
    static const char *const layouts[] = {
        "020405b4 0402 080a0102030400000000 01 030307", /* mss sackOK TS nop wscale */
        "020405b4 0101 0402 01 030307",                 /* mss nop nop sackOK nop wscale */
        "020405b4 01 030307",                           /* mss nop wscale */
        "020405b4 0101 080a0000000100000000 01 030307", /* mss nop nop TS nop wscale */
        "020405b4",
        "0101 080a 00000001 00000002",
        "0101 0512 00000064000000c8 0000012c00000190",
        "0101080a0000000100000002 0101 0512 00000064000000c8 0000012c00000190",
        "020405b4 0402 080a0102030400000000 01 030307 2202 0101", /* cookie request */
        "020405b4 0402 080a0102030400000000 01 030307 220a 0102030405060708 0101", /* cookie */
    };

    for (size_t i = 0; i < RN_ARRAY_LEN(layouts); i++) {
        struct rn_tcp_opts opts;

        assert_true(parse_text(layouts[i], &opts));
        assert_emits(&opts, layouts[i]);
    }
    (void)state;
}

static void test_the_fast_path_takes_its_layout_only(void **state)
{
    uint8_t bytes[RN_TCP_TS_BYTES];
    uint32_t val = 0;
    uint32_t ecr = 0;

    (void)rn_test_unhex("0101080a deadbeef 00c0ffee", bytes, sizeof(bytes));
    assert_true(rn_tcp_opts_parse_ts_only(&val, &ecr, rn_view_of(bytes, sizeof(bytes))));
    assert_int_equal(val, 0xdeadbeef);
    assert_int_equal(ecr, 0x00c0ffee);

    for (size_t n = 0; n < sizeof(bytes); n++)
        assert_false(rn_tcp_opts_parse_ts_only(&val, &ecr, rn_view_of(bytes, n)));
    for (size_t at = 0; at < 4; at++) {
        bytes[at] ^= 1;
        assert_false(rn_tcp_opts_parse_ts_only(&val, &ecr, rn_view_of(bytes, sizeof(bytes))));
        bytes[at] ^= 1;
    }
    (void)state;
}

static void test_unknown_options_are_skipped(void **state)
{
    struct rn_tcp_opts opts;

    assert_true(parse_text("fd04dead 020405b4 1e02", &opts));
    assert_true(opts.has_mss);
    assert_int_equal(opts.mss, 1460);
    (void)state;
}

static void test_nothing_behind_the_end_is_read(void **state)
{
    struct rn_tcp_opts opts;

    assert_true(parse_text("00 020405b4", &opts));
    assert_false(opts.has_mss);
    (void)state;
}

static void test_an_illegal_length_ends_the_reading(void **state)
{
    static const char *const bad[] = {
        "020405b4 0800",                 /* length zero: the endless loop of old */
        "020405b4 0801",                 /* length one */
        "020405b4 08",                   /* no length at all */
        "020405b4 080a0000",             /* past the end */
        "020405b4 03040101",             /* window scale of four bytes */
        "020405b4 040300",               /* SACK permitted with a body */
        "020405b4 0502",                 /* SACK without a block */
        "020405b4 05090000000000000000", /* SACK of seven bytes */
        "020405b4 08080000000000000000", /* short timestamps */
        "020405b4 02030500",             /* short MSS */
    };

    for (size_t i = 0; i < RN_ARRAY_LEN(bad); i++) {
        struct rn_tcp_opts opts;

        assert_false(parse_text(bad[i], &opts));
        assert_int_equal(opts.mss, 1460);
        assert_false(opts.has_wscale || opts.has_ts || opts.sack_ok);
        assert_int_equal(opts.n_sack, 0);
    }
    (void)state;
}

static void test_a_wild_window_scale_becomes_fourteen(void **state)
{
    struct rn_tcp_opts opts;

    assert_true(parse_text("0303ff", &opts));
    assert_int_equal(opts.wscale, 14);
    (void)state;
}

static void test_a_broken_cookie_is_no_cookie(void **state)
{
    struct rn_tcp_opts opts;

    assert_true(parse_text("2205 010203", &opts)); /* odd, and below four bytes */
    assert_false(opts.has_fastopen);
    assert_true(parse_text("2202", &opts));
    assert_true(opts.has_fastopen);
    assert_int_equal(opts.cookie_len, 0);
    (void)state;
}

static void test_accecn_counters_are_read_in_both_orders_and_all_lengths(void **state)
{
    static const uint8_t order0[] = { 172, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1 };
    static const uint8_t order1[] = { 174, 5, 0xff, 0xee, 0xdd, 1, 1, 1 };
    static const uint8_t empty[] = { 172, 2 };
    static const uint8_t odd[] = { 174, 7, 0, 0, 1, 9, 9, 0 };
    static const uint8_t longer[] = { 172, 12, 0, 0, 1, 0, 0, 2, 0, 0, 3, 9 };
    struct rn_tcp_opts opts;

    (void)state;
    assert_true(rn_tcp_opts_parse(&opts, rn_view_of(order0, sizeof(order0))));
    assert_true(opts.has_accecn);
    assert_int_equal(opts.accecn_order, 0);
    assert_int_equal(opts.n_accecn, 3);
    assert_int_equal(opts.accecn[0], 0x010203);
    assert_int_equal(opts.accecn[2], 0x070809);
    assert_true(rn_tcp_opts_parse(&opts, rn_view_of(order1, sizeof(order1))));
    assert_int_equal(opts.accecn_order, 1);
    assert_int_equal(opts.n_accecn, 1);
    assert_int_equal(opts.accecn[0], 0xffeedd);
    assert_true(rn_tcp_opts_parse(&opts, rn_view_of(empty, sizeof(empty))));
    assert_true(opts.has_accecn);
    assert_int_equal(opts.n_accecn, 0);
    assert_true(rn_tcp_opts_parse(&opts, rn_view_of(odd, sizeof(odd))));
    assert_int_equal(opts.n_accecn, 1);
    assert_true(rn_tcp_opts_parse(&opts, rn_view_of(longer, sizeof(longer))));
    assert_int_equal(opts.n_accecn, 3);
    for (size_t cut = 1; cut < sizeof(order0) - 1; cut++)
        assert_false(rn_tcp_opts_parse(&opts, rn_view_of(order0, cut)));
}

static void test_accecn_counters_are_written_as_they_are_read(void **state)
{
    (void)state;
    for (unsigned n = 0; n <= RN_TCP_ACCECN_MAX; n++) {
        struct rn_tcp_opts opts = { .has_accecn = true,
                                    .accecn_order = n % 2,
                                    .n_accecn = (uint8_t)n,
                                    .accecn = { 0xabcdef, 1, 0x800000 } };
        struct rn_tcp_opts again;
        uint8_t bytes[40];
        struct rn_writer w = rn_writer_of(bytes, sizeof(bytes));

        rn_tcp_opts_emit(&opts, &w);
        assert_int_equal(w.len, rn_tcp_opts_bytes(&opts));
        assert_int_equal(w.len % 4, 0);
        assert_true(rn_tcp_opts_parse(&again, rn_view_of(bytes, w.len)));
        assert_int_equal(again.n_accecn, n);
        assert_int_equal(again.accecn_order, n % 2);
        assert_memory_equal(again.accecn, opts.accecn, n * sizeof(opts.accecn[0]));
    }
}

static void test_emitting_too_much_overflows_the_writer(void **state)
{
    const struct rn_tcp_opts opts = { .has_ts = true, .n_sack = 4 };
    uint8_t out[RN_TCP_OPTS_MAX_BYTES];
    struct rn_writer w = rn_writer_of(out, sizeof(out));

    rn_tcp_opts_emit(&opts, &w);

    assert_true(w.overflow);
    assert_true(rn_tcp_opts_bytes(&opts) > RN_TCP_OPTS_MAX_BYTES);
    (void)state;
}

/* Cuts may fall between options, where the rest is sound; each must agree with what was whole before the cut. */
static void test_cuts_never_read_past_the_end(void **state)
{
    uint8_t bytes[RN_TCP_OPTS_MAX_BYTES];
    size_t len = rn_test_unhex(linux_syn, bytes, sizeof(bytes));

    for (size_t n = 0; n <= len; n++) {
        bool at_boundary = n == 0 || n == 4 || n == 6 || n == 16 || n == 17 || n == 20;

        assert_int_equal(rn_test_parse_exact(parse, bytes, n) == 0, at_boundary);
    }
    rn_test_mutations_are_survived(parse, bytes, len);
    len = rn_test_unhex(linux_sack, bytes, sizeof(bytes));
    rn_test_mutations_are_survived(parse, bytes, len);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_linux_syn_is_read),
        cmocka_unit_test(test_sack_blocks_are_read_beside_timestamps),
        cmocka_unit_test(test_options_are_laid_out_as_linux_does),
        cmocka_unit_test(test_the_fast_path_takes_its_layout_only),
        cmocka_unit_test(test_unknown_options_are_skipped),
        cmocka_unit_test(test_nothing_behind_the_end_is_read),
        cmocka_unit_test(test_an_illegal_length_ends_the_reading),
        cmocka_unit_test(test_a_wild_window_scale_becomes_fourteen),
        cmocka_unit_test(test_a_broken_cookie_is_no_cookie),
        cmocka_unit_test(test_accecn_counters_are_read_in_both_orders_and_all_lengths),
        cmocka_unit_test(test_accecn_counters_are_written_as_they_are_read),
        cmocka_unit_test(test_emitting_too_much_overflows_the_writer),
        cmocka_unit_test(test_cuts_never_read_past_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
