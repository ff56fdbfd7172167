#include "base/rand.h"
#include "base/tree.h"
#include "test_alloc.h"

#define ITEMS 300u

struct item {
    struct rn_tree_node node;
    uint64_t key;
    uint64_t serial; /* when it was inserted: equal keys keep that order */
    bool is_in;
};

static const struct item *item_of(const struct rn_tree_node *node)
{
    return rn_container_of(node, struct item, node);
}

static int by_key(const struct rn_tree_node *a, const struct rn_tree_node *b)
{
    return item_of(a)->key < item_of(b)->key ? -1 : item_of(a)->key > item_of(b)->key;
}

static int key_against(const void *key, const struct rn_tree_node *node)
{
    const uint64_t *k = key;

    return *k < item_of(node)->key ? -1 : *k > item_of(node)->key;
}

/* Returns the number of black nodes on each way down; asserts that it is one number and that no red meets red. */
static unsigned check_subtree(const struct rn_tree_node *node, const struct rn_tree_node *parent)
{
    unsigned left;
    unsigned right;

    if (node == NULL)
        return 0;
    assert_ptr_equal(node->parent, parent);
    assert_false(node->is_red && parent != NULL && parent->is_red);
    left = check_subtree(node->left, node);
    right = check_subtree(node->right, node);
    assert_int_equal(left, right);
    return left + !node->is_red;
}

static void check_order(const struct rn_tree *t)
{
    const struct rn_tree_node *prev = NULL;
    size_t n = 0;

    for (const struct rn_tree_node *it = rn_tree_first(t); it != NULL; it = rn_tree_next(it)) {
        assert_ptr_equal(rn_tree_prev(it), prev);
        if (prev != NULL) {
            assert_true(by_key(prev, it) <= 0);
            assert_true(by_key(prev, it) < 0 || item_of(prev)->serial < item_of(it)->serial);
        }
        prev = it;
        n++;
    }
    assert_ptr_equal(rn_tree_last(t), prev);
    assert_int_equal(t->n_nodes, n);
}

static const struct item *model_lower_bound(const struct item *items, uint64_t key)
{
    const struct item *best = NULL;

    for (unsigned i = 0; i < ITEMS; i++) {
        const struct item *it = &items[i];

        if (!it->is_in || it->key < key)
            continue;
        if (best == NULL || it->key < best->key ||
            (it->key == best->key && it->serial < best->serial))
            best = it;
    }
    return best;
}

static void check_lookup(const struct rn_tree *t, const struct item *items, uint64_t key)
{
    const struct item *want = model_lower_bound(items, key);
    const struct rn_tree_node *bound = rn_tree_lower_bound(t, &key, key_against);

    assert_ptr_equal(bound, want != NULL ? &want->node : NULL);
}

static void test_zero_is_an_empty_tree(void **state)
{
    struct rn_tree t = { 0 };
    uint64_t key = 1;

    (void)state;
    assert_null(rn_tree_first(&t));
    assert_null(rn_tree_last(&t));
    assert_null(rn_tree_lower_bound(&t, &key, key_against));
}

static void test_random_use_keeps_order_and_balance(void **state)
{
    static struct item items[ITEMS];
    struct rn_tree t = { 0 };
    struct rn_rand rand;

    (void)state;
    rn_rand_init_u64(&rand, 5);
    for (uint64_t step = 0; step < 20000; step++) {
        struct item *it = &items[rn_rand_below(&rand, ITEMS)];

        if (it->is_in) {
            rn_tree_remove(&t, &it->node);
        } else {
            it->key = rn_rand_below(&rand, 200);
            it->serial = step;
            rn_tree_insert(&t, &it->node, by_key);
        }
        it->is_in = !it->is_in;
        (void)check_subtree(t.root, NULL);
        check_lookup(&t, items, rn_rand_below(&rand, 202));
        if (step % 16 == 0)
            check_order(&t);
    }
}

static void test_sorted_input_is_emptied_from_either_end(void **state)
{
    static struct item items[ITEMS];
    struct rn_tree t = { 0 };

    (void)state;
    for (unsigned i = 0; i < ITEMS; i++) {
        items[i].key = i;
        rn_tree_insert(&t, &items[i].node, by_key);
        (void)check_subtree(t.root, NULL);
    }
    for (unsigned i = 0; i < ITEMS / 2; i++) {
        assert_ptr_equal(rn_tree_first(&t), &items[i].node);
        assert_ptr_equal(rn_tree_last(&t), &items[ITEMS - 1 - i].node);
        rn_tree_remove(&t, rn_tree_first(&t));
        rn_tree_remove(&t, rn_tree_last(&t));
        (void)check_subtree(t.root, NULL);
    }
    assert_null(t.root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zero_is_an_empty_tree),
        cmocka_unit_test(test_random_use_keeps_order_and_balance),
        cmocka_unit_test(test_sorted_input_is_emptied_from_either_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
