#include "base/hash.h"
#include "base/rand.h"
#include "test_alloc.h"

#include <runnel/err.h>

#define ITEMS 3000u

struct item {
    struct rn_hash_node node;
    uint32_t hash;
    bool is_in;
    bool is_seen;
};

static struct item *item_of(struct rn_hash_node *node)
{
    return rn_container_of(node, struct item, node);
}

static bool finds(const struct rn_hash *h, const struct item *it)
{
    unsigned n = 0;

    for (struct rn_hash_node *node = rn_hash_first(h, it->hash); node != NULL;
         node = rn_hash_next(node)) {
        assert_int_equal(item_of(node)->hash, it->hash);
        n += item_of(node) == it;
    }
    assert_true(n <= 1);
    return n == 1;
}

static bool mark(struct rn_hash_node *node, void *arg)
{
    (void)arg;
    assert_false(item_of(node)->is_seen);
    item_of(node)->is_seen = true;
    return true;
}

static bool remove_it(struct rn_hash_node *node, void *arg)
{
    item_of(node)->is_in = false;
    rn_hash_remove(arg, node);
    return true;
}

static bool stop_at_third(struct rn_hash_node *node, void *arg)
{
    unsigned *n = arg;

    (void)node;
    return ++*n < 3;
}

static void test_nothing_is_lost_while_growing(void **state)
{
    static struct item items[ITEMS];
    struct rn_test_alloc a;
    struct rn_hash h;
    struct rn_rand rand;

    (void)state;
    rn_test_alloc_init(&a);
    rn_rand_init_u64(&rand, 1);
    assert_int_equal(rn_hash_init(&h, &a.alloc, 3), RN_OK);
    assert_int_equal(h.n_buckets, 4);
    for (unsigned i = 0; i < ITEMS; i++) {
        items[i].hash = rn_rand_u32(&rand) % (ITEMS / 2); /* many are equal */
        rn_hash_insert(&h, &items[i].node, items[i].hash);
        assert_true(finds(&h, &items[rn_rand_below(&rand, i + 1)]));
    }
    for (unsigned i = 0; i < ITEMS; i++)
        assert_true(finds(&h, &items[i]));
    assert_true(h.n_buckets >= ITEMS / 2);
    rn_hash_for_each(&h, remove_it, &h);
    assert_int_equal(h.n_nodes, 0);
    rn_hash_fini(&h);
    rn_test_alloc_fini(&a);
}

static void test_random_use_agrees_with_flags(void **state)
{
    static struct item items[ITEMS];
    struct rn_test_alloc a;
    struct rn_hash h;
    struct rn_rand rand;

    (void)state;
    rn_test_alloc_init(&a);
    rn_rand_init_u64(&rand, 2);
    assert_int_equal(rn_hash_init(&h, &a.alloc, 1), RN_OK);
    for (unsigned step = 0; step < 30000; step++) {
        struct item *it = &items[rn_rand_below(&rand, ITEMS)];

        assert_int_equal(finds(&h, it), it->is_in);
        if (it->is_in) {
            rn_hash_remove(&h, &it->node);
        } else {
            it->hash = rn_rand_u32(&rand) & 0xfff;
            rn_hash_insert(&h, &it->node, it->hash);
        }
        it->is_in = !it->is_in;
    }
    rn_hash_for_each(&h, mark, NULL);
    for (unsigned i = 0; i < ITEMS; i++)
        assert_int_equal(items[i].is_seen, items[i].is_in);
    rn_hash_for_each(&h, remove_it, &h);
    rn_hash_fini(&h);
    rn_test_alloc_fini(&a);
}

static void test_one_insert_moves_few_buckets(void **state)
{
    static struct item items[1025];
    struct rn_test_alloc a;
    struct rn_hash h;

    (void)state;
    rn_test_alloc_init(&a);
    assert_int_equal(rn_hash_init(&h, &a.alloc, 1024), RN_OK);
    for (unsigned i = 0; i < 1024; i++)
        rn_hash_insert(&h, &items[i].node, items[i].hash = i);
    assert_null(h.old);

    rn_hash_insert(&h, &items[1024].node, items[1024].hash = 1024);

    assert_non_null(h.old);
    assert_true(h.moved <= 8);
    for (unsigned i = 0; i < 1025; i++)
        assert_true(finds(&h, &items[i]));
    rn_hash_for_each(&h, remove_it, &h);
    rn_hash_fini(&h); /* still growing */
    rn_test_alloc_fini(&a);
}

static void test_without_memory_the_chains_get_longer(void **state)
{
    static struct item items[100];
    struct rn_test_alloc a;
    struct rn_hash h;

    (void)state;
    rn_test_alloc_init(&a);
    a.fail_at = 1;
    assert_int_equal(rn_hash_init(&h, &a.alloc, 8), RN_E_NOMEM);
    assert_int_equal(rn_hash_init(&h, &a.alloc, 8), RN_OK);
    a.fail_at = 1;
    a.fail_forever = true;
    for (unsigned i = 0; i < 100; i++)
        rn_hash_insert(&h, &items[i].node, items[i].hash = i * 7);
    for (unsigned i = 0; i < 100; i++)
        assert_true(finds(&h, &items[i]));
    assert_int_equal(h.n_buckets, 8);
    rn_hash_for_each(&h, remove_it, &h);
    rn_hash_fini(&h);
    rn_test_alloc_fini(&a);
}

static void test_a_walk_stops_when_told(void **state)
{
    struct item items[10] = { 0 };
    struct rn_test_alloc a;
    struct rn_hash h;
    unsigned n = 0;

    (void)state;
    rn_test_alloc_init(&a);
    assert_int_equal(rn_hash_init(&h, &a.alloc, 2), RN_OK);
    for (unsigned i = 0; i < 10; i++)
        rn_hash_insert(&h, &items[i].node, items[i].hash = i);
    rn_hash_for_each(&h, stop_at_third, &n);
    assert_int_equal(n, 3);
    rn_hash_for_each(&h, remove_it, &h);
    rn_hash_fini(&h);
    rn_test_alloc_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_lost_while_growing),
        cmocka_unit_test(test_random_use_agrees_with_flags),
        cmocka_unit_test(test_one_insert_moves_few_buckets),
        cmocka_unit_test(test_without_memory_the_chains_get_longer),
        cmocka_unit_test(test_a_walk_stops_when_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
