#include "base/pkt.h"
#include "base/pool.h"
#include "test_alloc.h"

#include <runnel/err.h>

static struct rn_pool *pool_of(struct rn_test_alloc *a, size_t max_bytes)
{
    struct rn_pool_limits limits = { .max_bytes = max_bytes };
    struct rn_pool *pool;

    assert_int_equal(rn_pool_new(&pool, &a->alloc, &limits), RN_OK);
    return pool;
}

static struct rn_pool_stats stats_of(const struct rn_pool *pool)
{
    struct rn_pool_stats stats;

    rn_pool_get_stats(pool, &stats);
    return stats;
}

static void test_one_chunk_serves_many_and_comes_back_by_trim(void **state)
{
    struct rn_test_alloc a;
    struct rn_pool *pool;
    struct rn_pkt *pkts[64];
    uint64_t n_calls;

    (void)state;
    rn_test_alloc_init(&a);
    pool = pool_of(&a, 0);
    n_calls = a.n_calls;
    for (unsigned i = 0; i < 64; i++)
        pkts[i] = rn_pkt_new(pool);
    assert_int_equal(a.n_calls, n_calls + 1);
    assert_int_equal(stats_of(pool).pkts_in_use, 64);
    for (unsigned i = 0; i < 64; i++)
        rn_pkt_free(pkts[i]);
    assert_int_equal(stats_of(pool).bytes_in_use, 0);
    assert_true(stats_of(pool).bytes_held > 0);

    rn_pool_trim(pool);

    assert_int_equal(stats_of(pool).bytes_held, 0);
    assert_null(rn_pool_free(pool));
    rn_test_alloc_fini(&a);
}

static void test_trim_keeps_chunks_that_are_partly_in_use(void **state)
{
    struct rn_test_alloc a;
    struct rn_pool *pool;
    struct rn_buf *bufs[200];
    size_t held;

    (void)state;
    rn_test_alloc_init(&a);
    pool = pool_of(&a, 0);
    for (unsigned i = 0; i < 200; i++)
        bufs[i] = rn_buf_new(pool, RN_BUF_SMALL);
    held = stats_of(pool).bytes_held;
    for (unsigned i = 0; i < 200; i++) {
        if (i != 100)
            rn_buf_unref(bufs[i]);
    }

    rn_pool_trim(pool);

    assert_int_equal(stats_of(pool).bytes_held, held / 4);
    for (unsigned i = 0; i < 64; i++) {
        if (i != 0)
            bufs[i] = rn_buf_new(pool, RN_BUF_SMALL); /* 63 are left in the chunk */
    }
    assert_int_equal(stats_of(pool).bytes_held, held / 4);
    for (unsigned i = 1; i < 64; i++)
        rn_buf_unref(bufs[i]);
    rn_buf_unref(bufs[100]);
    assert_null(rn_pool_free(pool));
    rn_test_alloc_fini(&a);
}

static void test_the_budget_is_never_exceeded_and_used_to_the_end(void **state)
{
    static const size_t budgets[] = { 1, 4096, 70000, 200000, 500000 };
    struct rn_test_alloc a;

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(budgets); i++) {
        struct rn_pool *pool;
        struct rn_buf *bufs[512];
        unsigned n = 0;

        rn_test_alloc_init(&a);
        pool = pool_of(&a, budgets[i]);
        while ((bufs[n] = rn_buf_new(pool, n % 8 == 7 ? RN_BUF_BIG : RN_BUF_SMALL)) != NULL)
            n++;
        assert_true(stats_of(pool).bytes_held <= budgets[i]);
        assert_int_equal(stats_of(pool).failures, 1);
        assert_int_equal(n > 0, budgets[i] >= 4096);
        while (n > 0)
            rn_buf_unref(bufs[--n]);
        assert_null(rn_pool_free(pool));
        rn_test_alloc_fini(&a);
    }
}

static void test_failures_of_the_allocator_are_told_and_leave_no_trace(void **state)
{
    struct rn_test_alloc a;
    struct rn_pool *pool;
    struct rn_pkt *pkt;

    (void)state;
    rn_test_alloc_init(&a);
    a.fail_at = 1;
    assert_int_equal(rn_pool_new(&pool, &a.alloc, NULL), RN_E_NOMEM);
    pool = pool_of(&a, 0);
    a.fail_at = 1;
    assert_null(rn_pkt_new(pool));
    assert_int_equal(stats_of(pool).failures, 1);
    pkt = rn_pkt_new(pool);
    assert_non_null(pkt);
    rn_pkt_free(pkt);
    assert_null(rn_pool_free(pool));
    assert_null(rn_pool_free(NULL));
    rn_test_alloc_fini(&a);
}

static void test_slabs_are_aligned_writable_and_apart(void **state)
{
    struct rn_test_alloc a;
    struct rn_pool *pool;
    struct rn_buf *bufs[10];

    (void)state;
    rn_test_alloc_init(&a);
    pool = pool_of(&a, 0);
    for (unsigned i = 0; i < 10; i++) {
        bufs[i] = rn_buf_new(pool, i < 5 ? RN_BUF_SMALL : RN_BUF_BIG);
        assert_int_equal((uintptr_t)bufs[i]->data % 64, 0);
        assert_true(rn_buf_true_bytes(bufs[i]) > bufs[i]->cap_bytes);
        memset(bufs[i]->data, (int)i + 1, bufs[i]->cap_bytes);
    }
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(bufs[i]->data[0], i + 1);
        assert_int_equal(bufs[i]->data[bufs[i]->cap_bytes - 1], i + 1);
        rn_buf_unref(bufs[i]);
    }
    assert_null(rn_pool_free(pool));
    rn_test_alloc_fini(&a);
}

static void test_the_smallest_class_that_fits_is_chosen(void **state)
{
    struct rn_test_alloc a;
    struct rn_pool *pool;
    struct rn_buf *small;
    struct rn_buf *big;

    (void)state;
    rn_test_alloc_init(&a);
    pool = pool_of(&a, 0);
    small = rn_buf_new_for(pool, RN_BUF_SMALL_BYTES);
    big = rn_buf_new_for(pool, RN_BUF_SMALL_BYTES + 1);
    assert_int_equal(small->class, RN_BUF_SMALL);
    assert_int_equal(big->class, RN_BUF_BIG);
    assert_null(rn_buf_new_for(pool, RN_BUF_BIG_BYTES + 1));
    rn_buf_unref(small);
    rn_buf_unref(big);
    rn_buf_unref(NULL);
    assert_null(rn_pool_free(pool));
    rn_test_alloc_fini(&a);
}

static void count(void *arg)
{
    ++*(unsigned *)arg;
}

static void test_lent_memory_is_released_once_with_its_last_reference(void **state)
{
    struct rn_test_alloc a;
    struct rn_pool *pool;
    unsigned n_released = 0;
    struct rn_buf *buf;
    struct rn_pkt *pkt;

    (void)state;
    rn_test_alloc_init(&a);
    pool = pool_of(&a, 0);
    buf = rn_buf_lend(pool, "lent bytes", 10, NULL, NULL);
    rn_buf_unref(buf);
    buf = rn_buf_lend(pool, "lent bytes", 10, count, &n_released);
    assert_false(rn_buf_is_writable(buf));
    pkt = rn_pkt_new(pool);
    assert_true(rn_pkt_append_ref(pkt, buf, 0, 10));
    assert_int_equal(stats_of(pool).lent_in_use, 1);
    rn_buf_unref(buf);
    assert_int_equal(n_released, 0);

    rn_pkt_free(pkt);

    assert_int_equal(n_released, 1);
    assert_int_equal(stats_of(pool).lent_in_use, 0);
    assert_null(rn_pool_free(pool));
    rn_test_alloc_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_chunk_serves_many_and_comes_back_by_trim),
        cmocka_unit_test(test_trim_keeps_chunks_that_are_partly_in_use),
        cmocka_unit_test(test_the_budget_is_never_exceeded_and_used_to_the_end),
        cmocka_unit_test(test_failures_of_the_allocator_are_told_and_leave_no_trace),
        cmocka_unit_test(test_slabs_are_aligned_writable_and_apart),
        cmocka_unit_test(test_the_smallest_class_that_fits_is_chosen),
        cmocka_unit_test(test_lent_memory_is_released_once_with_its_last_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
