/* The table in which visits leave what leads elsewhere. */
#include "discovery/broker.h"

#include "test_alloc.h"

#include <sys/mman.h>

static void setup(struct rn_broker *b)
{
    *b = (struct rn_broker){ 0 };
    b->watch =
        mmap(NULL, sizeof(*b->watch), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(b->watch != MAP_FAILED);
    rn_far_links_init(b);
    assert_non_null(b->far);
}

static void teardown(struct rn_broker *b)
{
    rn_far_links_fini(b);
    munmap(b->watch, sizeof(*b->watch));
}

static void add(struct rn_broker *b, uint32_t seq, int32_t nsid, uint32_t index)
{
    rn_far_links_add(b, &(struct rn_far_link){ .seq = seq, .nsid = nsid, .index = index });
}

static void test_links_are_found_by_namespace_in_order_of_number_and_index(void **state)
{
    struct rn_far_links got;
    struct rn_broker b;
    (void)state;
    setup(&b);

    add(&b, 7, 2, 1);
    add(&b, 7, -1, 9);
    add(&b, 3, 0, 5);
    add(&b, 7, 2, 0);
    rn_far_links_share(&b);
    add(&b, 4, 0, 1);
    rn_far_links_share(&b);
    rn_far_links_share(&b); /* nothing new */
    rn_far_links_sort(&b);

    got = rn_far_links_of(&b, 7);
    assert_int_equal(got.n, 3);
    assert_int_equal(got.links[0].nsid, -1);
    assert_int_equal(got.links[1].index, 0);
    assert_int_equal(got.links[2].index, 1);
    assert_int_equal(rn_far_links_of(&b, 3).n, 1);
    assert_int_equal(rn_far_links_of(&b, 4).n, 1);
    assert_int_equal(rn_far_links_of(&b, 0).n, 0);
    assert_int_equal(rn_far_links_of(&b, 5).n, 0);
    assert_int_equal(rn_far_links_of(&b, UINT32_MAX).n, 0);
    teardown(&b);
}

/* An answer that the kernel broke off is asked for again: what it said the first time must not count. */
static void test_what_came_after_a_count_can_be_forgotten_until_it_is_shared(void **state)
{
    uint32_t count;
    struct rn_broker b;
    (void)state;
    setup(&b);

    add(&b, 1, 0, 1);
    count = rn_far_links_count(&b);
    for (uint32_t i = 0; i < 200; i++)
        add(&b, 1, 0, 2 + i);
    assert_int_equal(rn_far_links_count(&b), 201);
    rn_far_links_rewind(&b, count);
    assert_int_equal(b.far->n, 0);
    rn_far_links_share(&b);

    assert_int_equal(b.far->n, 1);
    assert_int_equal(rn_far_links_count(&b), 0);
    teardown(&b);
}

static void test_a_full_table_says_so_and_keeps_what_it_has(void **state)
{
    struct rn_broker b;
    (void)state;
    setup(&b);

    add(&b, 1, 0, 1);
    rn_far_links_share(&b);
    for (uint32_t i = 0; i < RN_FAR_LINKS_MAX; i++)
        add(&b, 2, 0, i);
    assert_false(b.far->is_full);
    rn_far_links_share(&b);
    assert_true(b.far->is_full);
    assert_int_equal(b.far->n, RN_FAR_LINKS_MAX);
    add(&b, 3, 0, 1);
    rn_far_links_share(&b);
    rn_far_links_sort(&b);

    assert_int_equal(rn_far_links_of(&b, 1).n, 1);
    assert_int_equal(rn_far_links_of(&b, 2).n, RN_FAR_LINKS_MAX - 1);
    assert_int_equal(rn_far_links_of(&b, 3).n, 0);
    teardown(&b);
}

static void test_without_memory_links_are_no_more_than_forgotten(void **state)
{
    struct rn_broker b = { 0 };
    (void)state;

    add(&b, 1, 0, 1);
    rn_far_links_share(&b);

    assert_int_equal(rn_far_links_count(&b), 0);
    rn_far_links_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links_are_found_by_namespace_in_order_of_number_and_index),
        cmocka_unit_test(test_what_came_after_a_count_can_be_forgotten_until_it_is_shared),
        cmocka_unit_test(test_a_full_table_says_so_and_keeps_what_it_has),
        cmocka_unit_test(test_without_memory_links_are_no_more_than_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
