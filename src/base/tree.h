#pragma once
/* Intrusive ordered tree (red-black). Keys are compared by the caller's function; equal keys are allowed and keep
 * insertion order; find and lower_bound yield the first of equals. Zero is an empty tree. */
#include "base/bytes.h"

struct rn_tree_node {
    struct rn_tree_node *parent;
    struct rn_tree_node *left;
    struct rn_tree_node *right;
    bool is_red;
};

struct rn_tree {
    struct rn_tree_node *root;
    size_t n_nodes;
};

typedef int rn_tree_cmp_fn(const struct rn_tree_node *a, const struct rn_tree_node *b);
/* Compares a key with a node: < 0 key is less. */
typedef int rn_tree_key_fn(const void *key, const struct rn_tree_node *node);

void rn_tree_insert(struct rn_tree *t, struct rn_tree_node *node, rn_tree_cmp_fn *cmp);
void rn_tree_remove(struct rn_tree *t, struct rn_tree_node *node);
struct rn_tree_node *rn_tree_first(const struct rn_tree *t);
struct rn_tree_node *rn_tree_last(const struct rn_tree *t);
struct rn_tree_node *rn_tree_next(const struct rn_tree_node *node);
struct rn_tree_node *rn_tree_prev(const struct rn_tree_node *node);
/* The first node whose key is >= @key; NULL if none. */
struct rn_tree_node *rn_tree_lower_bound(const struct rn_tree *t, const void *key,
                                         rn_tree_key_fn *cmp);
