#include "wire/ipv4_opts.h"

#include "parse_check.h"
#include <runnel/err.h>

/* NOP, record route with two slots, NOP, timestamps with one address slot, router alert, end, and junk behind it. */
static const uint8_t options[] = { 1,    7, 11, 4, 0, 0, 0, 0, 0, 0,   0, 0, 1, 68, 12,   5,
                                   0x21, 0, 0,  0, 0, 0, 0, 0, 0, 148, 4, 0, 0, 0,  0xff, 0xff };

/* Number of options; no option at all counts as refused, so that a cut to nothing does. */
static int walk(struct rn_view bytes)
{
    struct rn_ipv4_opt_iter it = rn_ipv4_opt_iter_of(bytes);
    struct rn_ipv4_opt opt;
    struct rn_ipv4_opt_route route;
    struct rn_ipv4_opt_ts ts;
    uint16_t alert;
    int n = 0;
    int more;

    while ((more = rn_ipv4_opt_next(&it, &opt)) > 0) {
        n++;
        assert_true(n <= (int)RN_IPV4_OPTS_MAX_BYTES);
        if (rn_ipv4_opt_route_parse(&route, &opt) == RN_OK && !route.is_full)
            assert_true(route.pointer + 3u <= route.slots.len + 3);
        if (rn_ipv4_opt_ts_parse(&ts, &opt) == RN_OK && !ts.is_full)
            assert_true(ts.pointer + 3u <= ts.slots.len + 4);
        if (rn_ipv4_opt_alert_parse(&alert, &opt) == RN_OK)
            assert_int_equal(opt.data.len, 2);
    }
    return more < 0 || n == 0 ? RN_E_MALFORMED : n;
}

static void test_known_options_are_read_in_order(void **state)
{
    struct rn_ipv4_opt_iter it = rn_ipv4_opt_iter_of(rn_view_of(options, sizeof(options)));
    struct rn_ipv4_opt opt;
    struct rn_ipv4_opt_route route;
    struct rn_ipv4_opt_ts ts;
    uint16_t alert = 99;

    assert_int_equal(rn_ipv4_opt_next(&it, &opt), 1);
    assert_int_equal(opt.type, RN_IPV4_OPT_RECORD_ROUTE);
    assert_int_equal(opt.at, 1);
    assert_int_equal(rn_ipv4_opt_route_parse(&route, &opt), RN_OK);
    assert_int_equal(route.slots.len, 8);
    assert_false(route.is_full);

    assert_int_equal(rn_ipv4_opt_next(&it, &opt), 1);
    assert_int_equal(opt.type, RN_IPV4_OPT_TIMESTAMP);
    assert_int_equal(opt.at, 13);
    assert_int_equal(rn_ipv4_opt_ts_parse(&ts, &opt), RN_OK);
    assert_int_equal(ts.kind, RN_IPV4_TS_ADDR);
    assert_int_equal(ts.overflow, 2);

    assert_int_equal(rn_ipv4_opt_next(&it, &opt), 1);
    assert_int_equal(rn_ipv4_opt_alert_parse(&alert, &opt), RN_OK);
    assert_int_equal(alert, 0);
    assert_true(rn_ipv4_opt_is_copied(opt.type));

    assert_int_equal(rn_ipv4_opt_next(&it, &opt), 0);
    (void)state;
}

static void test_a_length_of_zero_or_one_ends_the_walk(void **state)
{
    static const uint8_t zero[] = { 7, 0, 0, 0 };
    static const uint8_t one[] = { 1, 7, 1, 0 };

    assert_int_equal(walk(rn_view_of(zero, sizeof(zero))), RN_E_MALFORMED);
    assert_int_equal(walk(rn_view_of(one, sizeof(one))), RN_E_MALFORMED);
    (void)state;
}

static void test_a_truncated_option_is_refused(void **state)
{
    rn_test_all_truncations_fail(walk, options + 13, 12);
    rn_test_mutations_are_survived(walk, options, sizeof(options));
    (void)state;
}

static void test_pointers_between_slots_are_refused(void **state)
{
    uint8_t data[] = { 4, 0, 0, 0, 0, 0, 0, 0, 0 };
    const struct rn_ipv4_opt opt = { .type = RN_IPV4_OPT_LOOSE_ROUTE,
                                     .data = rn_view_of(data, sizeof(data)) };
    struct rn_ipv4_opt_route route;

    for (unsigned pointer = 0; pointer <= UINT8_MAX; pointer++) {
        bool is_at_slot = pointer >= 4 && pointer % 4 == 0;

        data[0] = (uint8_t)pointer;
        assert_int_equal(rn_ipv4_opt_route_parse(&route, &opt) == RN_OK, is_at_slot);
        if (is_at_slot)
            assert_int_equal(route.is_full, pointer > 11);
    }
    (void)state;
}

static void test_what_is_emitted_is_what_was_parsed(void **state)
{
    struct rn_ipv4_opt_iter it = rn_ipv4_opt_iter_of(rn_view_of(options, sizeof(options)));
    struct rn_ipv4_opt opt;
    struct rn_ipv4_opt_route route;
    struct rn_ipv4_opt_ts ts;
    uint8_t out[RN_IPV4_OPTS_MAX_BYTES];
    struct rn_writer w = rn_writer_of(out, sizeof(out));

    assert_int_equal(rn_ipv4_opt_next(&it, &opt), 1);
    assert_int_equal(rn_ipv4_opt_route_parse(&route, &opt), RN_OK);
    rn_ipv4_opt_route_emit(opt.type, &route, &w);
    assert_memory_equal(out, options + 1, 11);

    assert_int_equal(rn_ipv4_opt_next(&it, &opt), 1);
    assert_int_equal(rn_ipv4_opt_ts_parse(&ts, &opt), RN_OK);
    w = rn_writer_of(out, sizeof(out));
    rn_ipv4_opt_ts_emit(&ts, &w);
    assert_memory_equal(out, options + 13, 12);
    w = rn_writer_of(out, sizeof(out));
    rn_ipv4_opt_emit(&opt, &w);
    assert_memory_equal(out, options + 13, 12);

    w = rn_writer_of(out, sizeof(out));
    rn_ipv4_opt_alert_emit(0, &w);
    assert_memory_equal(out, options + 25, 4);
    assert_false(w.overflow);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_options_are_read_in_order),
        cmocka_unit_test(test_a_length_of_zero_or_one_ends_the_walk),
        cmocka_unit_test(test_a_truncated_option_is_refused),
        cmocka_unit_test(test_pointers_between_slots_are_refused),
        cmocka_unit_test(test_what_is_emitted_is_what_was_parsed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
