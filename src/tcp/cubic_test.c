/* CUBIC's integer arithmetic against the formulas of RFC 9438 in floating point. */
#include "tcp/cubic.h"

#include "test_alloc.h"

static void test_cube_root_is_the_floor(void **state)
{
    (void)state;
    for (uint64_t v = 0; v < 100000; v++) {
        uint64_t root = rn_cubic_root(v);

        assert_true(root * root * root <= v);
        assert_true((root + 1) * (root + 1) * (root + 1) > v);
    }
    assert_int_equal(rn_cubic_root(UINT64_MAX), 2642245);
    assert_int_equal(rn_cubic_root(2642245ull * 2642245 * 2642245 - 1), 2642244);
}

/* C t^3 in bytes. */
static double growth(double t_ms)
{
    return 0.4 * (t_ms / 1000) * (t_ms / 1000) * (t_ms / 1000) * 1460;
}

static double distance(double a, double b)
{
    return a < b ? b - a : a - b;
}

static void test_k_is_that_of_equation_2(void **state)
{
    static const uint32_t windows[] = { 14600, 100000, 1000000, 50000000, 1u << 30 };

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(windows); i++) {
        uint32_t cwnd = windows[i] / 10 * 7;
        uint32_t k_ms = rn_cubic_k_ms(windows[i], cwnd, 1460);

        assert_true(growth(k_ms) <= windows[i] - cwnd);
        assert_true(growth(k_ms + 1.01) > windows[i] - cwnd);
    }
    assert_int_equal(rn_cubic_k_ms(1000, 2000, 1460), 0);
}

static void test_window_follows_the_cubic_function(void **state)
{
    static const uint32_t maxima[] = { 20000, 200000, 5000000, 100000000 };

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(maxima); i++) {
        uint32_t cwnd = maxima[i] / 10 * 7;
        uint32_t k_ms = rn_cubic_k_ms(maxima[i], cwnd, 1460);

        for (int64_t t_ms = 0; t_ms < 60000; t_ms += 97) {
            double want = growth((double)(t_ms - k_ms)) + maxima[i];
            double got = rn_cubic_window(maxima[i], k_ms, t_ms, 1460);

            if (want > UINT32_MAX)
                continue;
            assert_true(distance(got, want) <= 2 + want * 1e-6);
        }
    }
}

static void test_window_starts_where_the_reduction_ended(void **state)
{
    uint32_t k_ms = rn_cubic_k_ms(1000000, 700000, 1460);
    uint32_t start = rn_cubic_window(1000000, k_ms, 0, 1460);

    (void)state;
    assert_true(start >= 700000 && start < 701000);
    assert_int_equal(rn_cubic_window(1000000, k_ms, k_ms, 1460), 1000000);
}

static void test_window_saturates(void **state)
{
    (void)state;
    assert_int_equal(rn_cubic_window(1000, 100000, 0, 65000), 0);
    assert_int_equal(rn_cubic_window(UINT32_MAX, 0, INT64_MAX / 2, 65000), UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cube_root_is_the_floor),
        cmocka_unit_test(test_k_is_that_of_equation_2),
        cmocka_unit_test(test_window_follows_the_cubic_function),
        cmocka_unit_test(test_window_starts_where_the_reduction_ended),
        cmocka_unit_test(test_window_saturates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
