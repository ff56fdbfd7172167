#include "base/tree.h"

/*
 * A red-black tree (Guibas, Sedgewick 1978): no red node has a red child, and every way from the root down meets the
 * same number of black nodes. Missing children count as black.
 */
enum side { LEFT, RIGHT };

static bool is_red(const struct rn_tree_node *node)
{
    return node != NULL && node->is_red;
}

static struct rn_tree_node **child(struct rn_tree_node *node, enum side side)
{
    return side == LEFT ? &node->left : &node->right;
}

static enum side other(enum side side)
{
    return side == LEFT ? RIGHT : LEFT;
}

static enum side side_of(const struct rn_tree_node *node)
{
    return node->parent->left == node ? LEFT : RIGHT;
}

/* @by takes the place of @node below its parent; the children of both stay where they are. */
static void replace(struct rn_tree *t, struct rn_tree_node *node, struct rn_tree_node *by)
{
    if (node->parent == NULL)
        t->root = by;
    else
        *child(node->parent, side_of(node)) = by;
    if (by != NULL)
        by->parent = node->parent;
}

/* @node sinks to @side; its child of the other side rises into its place. */
static void rotate(struct rn_tree *t, struct rn_tree_node *node, enum side side)
{
    struct rn_tree_node *up = *child(node, other(side));
    struct rn_tree_node *middle = *child(up, side);

    replace(t, node, up);
    *child(node, other(side)) = middle;
    if (middle != NULL)
        middle->parent = node;
    *child(up, side) = node;
    node->parent = up;
}

/* @node is red and its parent may be, too. */
static void repair_red(struct rn_tree *t, struct rn_tree_node *node)
{
    while (is_red(node->parent)) {
        struct rn_tree_node *parent = node->parent;
        struct rn_tree_node *grand = parent->parent; /* exists: the root is black */
        enum side side = side_of(parent);
        struct rn_tree_node *uncle = *child(grand, other(side));

        if (is_red(uncle)) {
            parent->is_red = false;
            uncle->is_red = false;
            grand->is_red = true;
            node = grand;
            continue;
        }
        if (side_of(node) != side) {
            rotate(t, parent, side);
            parent = node;
        }
        parent->is_red = false;
        grand->is_red = true;
        rotate(t, grand, other(side));
        break;
    }
    t->root->is_red = false;
}

void rn_tree_insert(struct rn_tree *t, struct rn_tree_node *node, rn_tree_cmp_fn *cmp)
{
    struct rn_tree_node **at = &t->root;
    struct rn_tree_node *parent = NULL;

    while (*at != NULL) {
        parent = *at;
        at = child(parent, cmp(node, parent) < 0 ? LEFT : RIGHT);
    }
    *node = (struct rn_tree_node){ .parent = parent, .is_red = true };
    *at = node;
    t->n_nodes++;
    repair_red(t, node);
}

/*
 * The ways through the place @node (perhaps empty) below @parent are one black node short. Either a red node near by
 * can be made black, or the sibling is made red and the lack moves one level up.
 */
static void repair_black(struct rn_tree *t, struct rn_tree_node *node, struct rn_tree_node *parent)
{
    while (parent != NULL && !is_red(node)) {
        enum side side = parent->left == node ? LEFT : RIGHT;
        struct rn_tree_node *sibling =
            *child(parent, other(side)); /* exists: it has black to spare */

        if (is_red(sibling)) {
            sibling->is_red = false;
            parent->is_red = true;
            rotate(t, parent, side);
            sibling = *child(parent, other(side));
        }
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the sibling exists, as said above */
        if (!is_red(sibling->left) && !is_red(sibling->right)) {
            sibling->is_red = true;
            node = parent;
            parent = node->parent;
            continue;
        }
        if (!is_red(*child(sibling, other(side)))) {
            (*child(sibling, side))->is_red = false;
            sibling->is_red = true;
            rotate(t, sibling, other(side));
            sibling = *child(parent, other(side));
        }
        sibling->is_red = parent->is_red;
        parent->is_red = false;
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is red by now, so it exists */
        (*child(sibling, other(side)))->is_red = false;
        rotate(t, parent, side);
        return;
    }
    if (node != NULL)
        node->is_red = false;
}

/* @node, which has two children, changes places with its successor, which has no left one. */
static void swap_with_next(struct rn_tree *t, struct rn_tree_node *node)
{
    struct rn_tree_node *next = rn_tree_next(node);
    struct rn_tree_node old = *node;
    bool was_child = next->parent == node;

    node->is_red = next->is_red;
    next->is_red = old.is_red;
    node->left = NULL;
    node->right = next->right;
    if (node->right != NULL)
        node->right->parent = node;
    if (!was_child)
        next->parent->left = node;
    node->parent = was_child ? next : next->parent;
    next->left = old.left;
    next->left->parent = next;
    next->right = was_child ? node : old.right;
    next->right->parent = next;
    next->parent = old.parent;
    if (old.parent == NULL)
        t->root = next;
    else
        *child(old.parent, old.parent->left == node ? LEFT : RIGHT) = next;
}

void rn_tree_remove(struct rn_tree *t, struct rn_tree_node *node)
{
    struct rn_tree_node *only;

    if (node->left != NULL && node->right != NULL)
        swap_with_next(t, node);
    only = node->left != NULL ? node->left : node->right;
    replace(t, node, only);
    if (!node->is_red)
        repair_black(t, only, node->parent);
    t->n_nodes--;
    *node = (struct rn_tree_node){ 0 };
}

static struct rn_tree_node *outermost(struct rn_tree_node *node, enum side side)
{
    while (node != NULL && *child(node, side) != NULL)
        node = *child(node, side);
    return node;
}

/* The neighbour in order: the nearest of the subtree, else the first ancestor on whose other side we are. */
static struct rn_tree_node *step(const struct rn_tree_node *node, enum side side)
{
    struct rn_tree_node *down = side == LEFT ? node->left : node->right;
    struct rn_tree_node *up = node->parent;

    if (down != NULL)
        return outermost(down, other(side));
    while (up != NULL && (side == LEFT ? up->left : up->right) == node) {
        node = up;
        up = up->parent;
    }
    return up;
}

struct rn_tree_node *rn_tree_first(const struct rn_tree *t)
{
    return outermost(t->root, LEFT);
}

struct rn_tree_node *rn_tree_last(const struct rn_tree *t)
{
    return outermost(t->root, RIGHT);
}

struct rn_tree_node *rn_tree_next(const struct rn_tree_node *node)
{
    return step(node, RIGHT);
}

struct rn_tree_node *rn_tree_prev(const struct rn_tree_node *node)
{
    return step(node, LEFT);
}

struct rn_tree_node *rn_tree_lower_bound(const struct rn_tree *t, const void *key,
                                         rn_tree_key_fn *cmp)
{
    struct rn_tree_node *node = t->root;
    struct rn_tree_node *best = NULL;

    while (node != NULL) {
        if (cmp(key, node) <= 0) {
            best = node;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return best;
}
