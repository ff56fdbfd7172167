#include "base/rand.h"
#include "base/ranges.h"
#include "test_alloc.h"

#include <runnel/err.h>

#define SPACE 96u

static void expect(const struct rn_ranges *r, const struct rn_range *want, uint32_t n)
{
    assert_int_equal(r->n, n);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(r->items[i].from, want[i].from);
        assert_int_equal(r->items[i].to, want[i].to);
    }
}

static void test_touching_and_overlapping_ranges_merge(void **state)
{
    struct rn_test_alloc a;
    struct rn_ranges r;

    (void)state;
    rn_test_alloc_init(&a);
    rn_ranges_init(&r, &a.alloc, 0);
    assert_int_equal(rn_ranges_add(&r, 10, 20), RN_OK);
    assert_int_equal(rn_ranges_add(&r, 30, 40), RN_OK);
    assert_int_equal(rn_ranges_add(&r, 5, 5), RN_OK);
    expect(&r, (struct rn_range[]){ { 10, 20 }, { 30, 40 } }, 2);

    assert_int_equal(rn_ranges_add(&r, 20, 25), RN_OK);
    expect(&r, (struct rn_range[]){ { 10, 25 }, { 30, 40 } }, 2);
    assert_int_equal(rn_ranges_add(&r, 25, 30), RN_OK);

    expect(&r, (struct rn_range[]){ { 10, 40 } }, 1);
    assert_int_equal(rn_ranges_total(&r), 30);
    rn_ranges_fini(&r);
    rn_test_alloc_fini(&a);
}

static void test_removing_the_middle_splits(void **state)
{
    struct rn_test_alloc a;
    struct rn_ranges r;

    (void)state;
    rn_test_alloc_init(&a);
    rn_ranges_init(&r, &a.alloc, 0);
    assert_int_equal(rn_ranges_add(&r, 0, 100), RN_OK);

    assert_int_equal(rn_ranges_remove(&r, 40, 60), RN_OK);
    expect(&r, (struct rn_range[]){ { 0, 40 }, { 60, 100 } }, 2);
    assert_int_equal(rn_ranges_remove(&r, 30, 70), RN_OK);
    expect(&r, (struct rn_range[]){ { 0, 30 }, { 70, 100 } }, 2);
    assert_int_equal(rn_ranges_remove(&r, 0, 100), RN_OK);

    assert_int_equal(r.n, 0);
    rn_ranges_fini(&r);
    rn_test_alloc_fini(&a);
}

static void test_the_ends_of_the_number_line_are_usable(void **state)
{
    struct rn_test_alloc a;
    struct rn_ranges r;

    (void)state;
    rn_test_alloc_init(&a);
    rn_ranges_init(&r, &a.alloc, 0);
    assert_int_equal(rn_ranges_add(&r, 0, 1), RN_OK);
    assert_int_equal(rn_ranges_add(&r, UINT64_MAX - 1, UINT64_MAX), RN_OK);

    assert_true(rn_ranges_contains(&r, 0, 1));
    assert_true(rn_ranges_contains(&r, UINT64_MAX - 1, UINT64_MAX));
    assert_false(rn_ranges_overlaps(&r, 1, UINT64_MAX - 1));
    rn_ranges_fini(&r);
    rn_test_alloc_fini(&a);
}

static void test_a_full_set_refuses_and_stays_as_it_was(void **state)
{
    struct rn_test_alloc a;
    struct rn_ranges r;

    (void)state;
    rn_test_alloc_init(&a);
    rn_ranges_init(&r, &a.alloc, 2);
    assert_int_equal(rn_ranges_add(&r, 0, 10), RN_OK);
    assert_int_equal(rn_ranges_add(&r, 20, 30), RN_OK);

    assert_int_equal(rn_ranges_add(&r, 40, 50), RN_E_LIMIT);
    assert_int_equal(rn_ranges_remove(&r, 4, 6), RN_E_LIMIT);
    expect(&r, (struct rn_range[]){ { 0, 10 }, { 20, 30 } }, 2);

    assert_int_equal(rn_ranges_add(&r, 10, 20), RN_OK);
    assert_int_equal(r.n, 1);
    rn_ranges_fini(&r);
    rn_test_alloc_fini(&a);
}

static void test_without_memory_nothing_changes(void **state)
{
    struct rn_test_alloc a;
    struct rn_ranges r;

    (void)state;
    rn_test_alloc_init(&a);
    rn_ranges_init(&r, &a.alloc, 0);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(rn_ranges_add(&r, 10 * i, 10 * i + 4), RN_OK);

    a.fail_at = 1;
    assert_int_equal(rn_ranges_add(&r, 100, 101), RN_E_NOMEM);
    a.fail_at = 1;
    assert_int_equal(rn_ranges_remove(&r, 1, 2), RN_E_NOMEM);

    assert_int_equal(r.n, 4);
    assert_int_equal(rn_ranges_total(&r), 16);
    rn_ranges_fini(&r);
    rn_test_alloc_fini(&a);
}

static bool all_are(const bool *model, uint64_t from, uint64_t to, bool want)
{
    for (uint64_t i = from; i < to; i++) {
        if (model[i] != want)
            return false;
    }
    return true;
}

static void check_against(const struct rn_ranges *r, const bool *model)
{
    uint64_t total = 0;

    for (uint64_t i = 0; i < SPACE; i++) {
        uint32_t at = rn_ranges_find(r, i);

        total += model[i];
        assert_int_equal(rn_ranges_contains(r, i, i + 1), model[i]);
        assert_true(at == r->n || r->items[at].to > i);
        assert_true(at == 0 || r->items[at - 1].to <= i);
    }
    assert_int_equal(rn_ranges_total(r), total);
    for (uint32_t i = 0; i < r->n; i++) {
        assert_true(r->items[i].from < r->items[i].to);
        assert_true(i == 0 || r->items[i - 1].to < r->items[i].from);
    }
}

static void test_random_use_agrees_with_a_bitmap(void **state)
{
    struct rn_test_alloc a;
    struct rn_rand rand;
    struct rn_ranges r;
    bool model[SPACE] = { false };

    (void)state;
    rn_test_alloc_init(&a);
    rn_rand_init_u64(&rand, 11);
    rn_ranges_init(&r, &a.alloc, 0);
    for (unsigned step = 0; step < 20000; step++) {
        uint64_t from = rn_rand_below(&rand, SPACE);
        uint64_t to = from + rn_rand_below(&rand, rn_min_u64(SPACE - from + 1, 12));
        bool is_add = rn_rand_below(&rand, 2) == 0;

        assert_int_equal(rn_ranges_overlaps(&r, from, to), !all_are(model, from, to, false));
        assert_int_equal(rn_ranges_contains(&r, from, to), all_are(model, from, to, true));
        if (is_add)
            assert_int_equal(rn_ranges_add(&r, from, to), RN_OK);
        else
            assert_int_equal(rn_ranges_remove(&r, from, to), RN_OK);
        for (uint64_t i = from; i < to; i++)
            model[i] = is_add;
        check_against(&r, model);
    }
    rn_ranges_fini(&r);
    rn_test_alloc_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_touching_and_overlapping_ranges_merge),
        cmocka_unit_test(test_removing_the_middle_splits),
        cmocka_unit_test(test_the_ends_of_the_number_line_are_usable),
        cmocka_unit_test(test_a_full_set_refuses_and_stays_as_it_was),
        cmocka_unit_test(test_without_memory_nothing_changes),
        cmocka_unit_test(test_random_use_agrees_with_a_bitmap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
