#include "base/bucket.h"
#include "base/bytes.h"
#include "base/rand.h"
#include "test_alloc.h"

static unsigned take_many(struct rn_bucket *b, unsigned tries, int64_t now_ns)
{
    unsigned n = 0;

    while (tries-- > 0)
        n += rn_bucket_take(b, 1, now_ns);
    return n;
}

static void test_a_bucket_starts_full_and_refills_at_its_rate(void **state)
{
    struct rn_bucket b;

    (void)state;
    rn_bucket_init(&b, 10, 5, 0);

    assert_int_equal(take_many(&b, 100, 0), 5);
    assert_int_equal(take_many(&b, 100, 99 * RN_NS_PER_MS), 0);
    assert_int_equal(take_many(&b, 100, 100 * RN_NS_PER_MS), 1);
    assert_int_equal(take_many(&b, 100, 10 * RN_NS_PER_S), 5);
}

static void test_a_rate_of_zero_is_unlimited(void **state)
{
    struct rn_bucket b;

    (void)state;
    rn_bucket_init(&b, 0, 0, 0);
    assert_true(rn_bucket_take(&b, UINT64_MAX, 0));
    assert_int_equal(rn_bucket_ready_ns(&b, 1000, 42), 42);
}

static void test_asking_often_does_not_round_the_earnings_away(void **state)
{
    struct rn_bucket b;
    unsigned n = 0;

    (void)state;
    rn_bucket_init(&b, 1, 1, 0);
    assert_true(rn_bucket_take(&b, 1, 0));
    for (int64_t now_ns = 1; now_ns <= 3 * RN_NS_PER_S; now_ns += 333)
        n += rn_bucket_take(&b, 1, now_ns);
    assert_in_range(n, 2, 3);
}

static void test_ready_time_is_exact_to_the_ns(void **state)
{
    static const uint64_t rates[] = { 1, 3, 1000, 999983, 125000000, 12500000000u };
    struct rn_rand rand;

    (void)state;
    rn_rand_init_u64(&rand, 2);
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t rate = rates[i % RN_ARRAY_LEN(rates)];
        uint64_t n = 1 + rn_rand_below(&rand, 70000);
        struct rn_bucket b;
        struct rn_bucket early;
        int64_t ready_ns;

        rn_bucket_init(&b, rate, 70000, 1000);
        assert_true(rn_bucket_take(&b, 70000 - rn_rand_below(&rand, n), 1000));
        ready_ns = rn_bucket_ready_ns(&b, n, 1000);
        early = b;
        assert_true(rn_bucket_take(&b, n, ready_ns));
        assert_true(ready_ns <= 1002 || !rn_bucket_take(&early, n, ready_ns - 3));
    }
}

static void test_more_than_the_burst_is_never_there(void **state)
{
    struct rn_bucket b;

    (void)state;
    rn_bucket_init(&b, 10, 5, 0);
    assert_false(rn_bucket_take(&b, 6, 0));
    assert_int_equal(rn_bucket_ready_ns(&b, 6, 0), INT64_MAX);
}

static void test_extreme_values_saturate(void **state)
{
    struct rn_bucket b;

    (void)state;
    rn_bucket_init(&b, UINT64_MAX, UINT64_MAX, 0);
    assert_true(rn_bucket_take(&b, UINT64_MAX, 0));
    assert_true(rn_bucket_take(&b, UINT64_MAX, INT64_MAX));
    rn_bucket_init(&b, 1, UINT64_MAX, 0);
    assert_true(rn_bucket_take(&b, UINT64_MAX, 0));
    assert_int_equal(rn_bucket_ready_ns(&b, UINT64_MAX, 0), INT64_MAX);
}

static void test_time_running_backwards_earns_nothing(void **state)
{
    struct rn_bucket b;

    (void)state;
    rn_bucket_init(&b, 10, 1, RN_NS_PER_S);
    assert_true(rn_bucket_take(&b, 1, RN_NS_PER_S));
    assert_false(rn_bucket_take(&b, 1, 0));
    assert_int_equal(rn_bucket_ready_ns(&b, 1, 0), RN_NS_PER_S + 100 * RN_NS_PER_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_bucket_starts_full_and_refills_at_its_rate),
        cmocka_unit_test(test_a_rate_of_zero_is_unlimited),
        cmocka_unit_test(test_asking_often_does_not_round_the_earnings_away),
        cmocka_unit_test(test_ready_time_is_exact_to_the_ns),
        cmocka_unit_test(test_more_than_the_burst_is_never_there),
        cmocka_unit_test(test_extreme_values_saturate),
        cmocka_unit_test(test_time_running_backwards_earns_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
