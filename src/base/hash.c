#include "base/hash.h"

#include "base/bytes.h"

#include <runnel/err.h>

#define MOVES_PER_INSERT 4u

/*
 * While growing, every hash lives in exactly one of the two arrays: in .old if its old bucket was not moved yet,
 * else in .buckets. So nodes of equal hash always share one chain, and rn_hash_next() needs no table.
 */
static struct rn_hash_node **bucket_of(const struct rn_hash *h, uint32_t hash)
{
    if (h->old != NULL && (hash & (h->n_old - 1)) >= h->moved)
        return &h->old[hash & (h->n_old - 1)];
    return &h->buckets[hash & (h->n_buckets - 1)];
}

static void push(struct rn_hash_node **bucket, struct rn_hash_node *node)
{
    node->next = *bucket;
    *bucket = node;
}

/* To the end, so that a moved chain keeps the order of equal hashes. */
static void append(struct rn_hash_node **bucket, struct rn_hash_node *node)
{
    while (*bucket != NULL)
        bucket = &(*bucket)->next;
    node->next = NULL;
    *bucket = node;
}

static void move_bucket(struct rn_hash *h)
{
    struct rn_hash_node *node = h->old[h->moved];

    h->old[h->moved++] = NULL;
    while (node != NULL) {
        struct rn_hash_node *next = node->next;

        append(&h->buckets[node->hash & (h->n_buckets - 1)], node);
        node = next;
    }
}

static void move_some(struct rn_hash *h)
{
    for (uint32_t i = 0; i < MOVES_PER_INSERT && h->moved < h->n_old; i++)
        move_bucket(h);
    if (h->moved < h->n_old)
        return;
    rn_alloc_free(h->alloc, h->old, h->n_old * sizeof(struct rn_hash_node *));
    h->old = NULL;
    h->n_old = 0;
    h->moved = 0;
}

static void start_growing(struct rn_hash *h)
{
    struct rn_hash_node **buckets;

    if (h->n_buckets > UINT32_MAX / 2)
        return;
    buckets = rn_alloc_array(h->alloc, (size_t)h->n_buckets * 2, sizeof(struct rn_hash_node *));
    if (buckets == NULL)
        return;
    h->old = h->buckets;
    h->n_old = h->n_buckets;
    h->moved = 0;
    h->buckets = buckets;
    h->n_buckets *= 2;
}

int rn_hash_init(struct rn_hash *h, const struct rn_alloc *alloc, uint32_t n_buckets)
{
    uint32_t n = 1;

    while (n < n_buckets && n <= UINT32_MAX / 2)
        n *= 2;
    *h = (struct rn_hash){ .alloc = alloc, .n_buckets = n };
    h->buckets = rn_alloc_array(alloc, n, sizeof(struct rn_hash_node *));
    return h->buckets != NULL ? RN_OK : RN_E_NOMEM;
}

void rn_hash_fini(struct rn_hash *h)
{
    rn_assert(h->n_nodes == 0);
    if (h->alloc == NULL)
        return;
    rn_alloc_free(h->alloc, h->buckets, h->n_buckets * sizeof(struct rn_hash_node *));
    rn_alloc_free(h->alloc, h->old, h->n_old * sizeof(struct rn_hash_node *));
    *h = (struct rn_hash){ 0 };
}

void rn_hash_insert(struct rn_hash *h, struct rn_hash_node *node, uint32_t hash)
{
    if (h->old != NULL)
        move_some(h);
    else if (h->n_nodes >= h->n_buckets)
        start_growing(h);
    node->hash = hash;
    push(bucket_of(h, hash), node);
    h->n_nodes++;
}

void rn_hash_remove(struct rn_hash *h, struct rn_hash_node *node)
{
    struct rn_hash_node **at = bucket_of(h, node->hash);

    while (*at != node) {
        rn_assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    h->n_nodes--;
}

static struct rn_hash_node *skip_to(struct rn_hash_node *node, uint32_t hash)
{
    while (node != NULL && node->hash != hash)
        node = node->next;
    return node;
}

struct rn_hash_node *rn_hash_first(const struct rn_hash *h, uint32_t hash)
{
    return skip_to(*bucket_of(h, hash), hash);
}

struct rn_hash_node *rn_hash_next(const struct rn_hash_node *node)
{
    return skip_to(node->next, node->hash);
}

static bool walk(struct rn_hash_node **buckets, uint32_t n,
                 bool (*fn)(struct rn_hash_node *node, void *arg), void *arg)
{
    for (uint32_t i = 0; i < n; i++) {
        struct rn_hash_node *node = buckets[i];

        while (node != NULL) {
            struct rn_hash_node *next = node->next;

            if (!fn(node, arg))
                return false;
            node = next;
        }
    }
    return true;
}

void rn_hash_for_each(struct rn_hash *h, bool (*fn)(struct rn_hash_node *node, void *arg),
                      void *arg)
{
    if (walk(h->buckets, h->n_buckets, fn, arg) && h->old != NULL)
        (void)walk(h->old, h->n_old, fn, arg);
}
