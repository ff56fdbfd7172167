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

/* Takes small slabs until there are no more, chained by their own next_free. Returns the first. */
static struct rn_buf *take_all(struct rn_pool *pool, enum rn_buf_class class)
{
    struct rn_buf *taken = NULL;
    struct rn_buf *buf;

    while ((buf = rn_buf_new(pool, class)) != NULL) {
        buf->next_free = taken;
        taken = buf;
    }
    return taken;
}

static void give_all(struct rn_buf *taken)
{
    while (taken != NULL) {
        struct rn_buf *next = taken->next_free;

        rn_buf_unref(taken);
        taken = next;
    }
}

static void test_no_class_can_starve_the_others(void **state)
{
    static const enum rn_buf_class classes[] = { RN_BUF_SMALL, RN_BUF_BIG };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct rn_test_alloc a;
        struct rn_pool *pool;
        struct rn_buf *hog;
        struct rn_buf *other;
        struct rn_pkt *pkt;

        rn_test_alloc_init(&a);
        pool = pool_of(&a, (size_t)32 << 20);
        hog = take_all(pool, classes[i]);
        other = rn_buf_new(pool, classes[1 - i]);
        pkt = rn_pkt_new(pool);

        assert_true(stats_of(pool).bytes_held > (size_t)24 << 20);
        assert_non_null(other);
        assert_non_null(pkt);
        give_all(hog);
        rn_buf_unref(other);
        rn_pkt_free(pkt);
        (void)rn_pool_free(pool);
        rn_test_alloc_fini(&a);
    }
}

static void test_what_lies_free_in_one_class_is_given_to_another(void **state)
{
    struct rn_test_alloc a;
    struct rn_pool *pool;
    struct rn_buf *big;
    size_t bytes;

    (void)state;
    rn_test_alloc_init(&a);
    pool = pool_of(&a, (size_t)32 << 20);
    give_all(take_all(pool, RN_BUF_SMALL));
    big = take_all(pool, RN_BUF_BIG);
    bytes = stats_of(pool).bytes_in_use;

    assert_true(bytes > (size_t)24 << 20);
    assert_true(stats_of(pool).bytes_held <= (size_t)32 << 20);
    give_all(big);
    rn_pool_free(pool);
    rn_test_alloc_fini(&a);
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
        cmocka_unit_test(test_no_class_can_starve_the_others),
        cmocka_unit_test(test_what_lies_free_in_one_class_is_given_to_another),
        cmocka_unit_test(test_failures_of_the_allocator_are_told_and_leave_no_trace),
        cmocka_unit_test(test_slabs_are_aligned_writable_and_apart),
        cmocka_unit_test(test_the_smallest_class_that_fits_is_chosen),
        cmocka_unit_test(test_lent_memory_is_released_once_with_its_last_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
