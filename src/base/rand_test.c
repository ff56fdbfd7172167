#include "base/rand.h"
#include "test_alloc.h"

static void test_the_stream_is_that_of_the_reference(void **state)
{
    static const uint64_t want[] = { 11520, 0, 1509978240, 1215971899390074240u };
    struct rn_rand r = { { 1, 2, 3, 4 } };

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(want); i++)
        assert_true(rn_rand_u64(&r) == want[i]);
}

static void test_the_same_seed_gives_the_same_stream(void **state)
{
    struct rn_rand a;
    struct rn_rand b;
    struct rn_rand c;

    (void)state;
    rn_rand_init_u64(&a, 42);
    rn_rand_init_u64(&b, 42);
    rn_rand_init_u64(&c, 43);
    for (unsigned i = 0; i < 100; i++) {
        uint64_t v = rn_rand_u64(&a);

        assert_true(v == rn_rand_u64(&b));
        assert_true(v != rn_rand_u64(&c));
    }
}

static void test_a_seed_of_zeros_works(void **state)
{
    static const uint8_t zeros[16];
    struct rn_rand r;

    (void)state;
    rn_rand_init(&r, zeros);
    assert_true((rn_rand_u64(&r) | rn_rand_u64(&r)) != 0);
}

static void test_below_is_uniform_and_in_range(void **state)
{
    unsigned n_of[7] = { 0 };
    struct rn_rand r;

    (void)state;
    rn_rand_init_u64(&r, 1);
    assert_int_equal(rn_rand_below(&r, 0), 0);
    assert_int_equal(rn_rand_below(&r, 1), 0);
    for (unsigned i = 0; i < 70000; i++) {
        uint64_t v = rn_rand_below(&r, 7);

        assert_true(v < 7);
        n_of[v]++;
    }
    for (unsigned i = 0; i < 7; i++)
        assert_in_range(n_of[i], 9600, 10400); /* over four standard deviations */
    for (unsigned i = 0; i < 1000; i++)
        assert_true(rn_rand_below(&r, (1ULL << 63) + 1) <= 1ULL << 63);
}

/* 3 * 2^62 does not divide 2^64: taken modulo, the lowest third would come up half of the time. */
static void test_below_favours_no_remainder(void **state)
{
    unsigned n_low = 0;
    struct rn_rand r;

    (void)state;
    rn_rand_init_u64(&r, 2);
    for (unsigned i = 0; i < 30000; i++)
        n_low += rn_rand_below(&r, 3ULL << 62) < 1ULL << 62;
    assert_in_range(n_low, 9600, 10400);
}

static void test_bytes_fill_exactly_what_was_asked(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 20; len++) {
        uint8_t out[24] = { 0 };
        struct rn_rand r;

        rn_rand_init_u64(&r, len);
        rn_rand_bytes(&r, out, len);
        for (size_t i = len; i < sizeof(out); i++)
            assert_int_equal(out[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_stream_is_that_of_the_reference),
        cmocka_unit_test(test_the_same_seed_gives_the_same_stream),
        cmocka_unit_test(test_a_seed_of_zeros_works),
        cmocka_unit_test(test_below_is_uniform_and_in_range),
        cmocka_unit_test(test_below_favours_no_remainder),
        cmocka_unit_test(test_bytes_fill_exactly_what_was_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
