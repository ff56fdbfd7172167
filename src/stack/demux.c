#include "stack/demux.h"

#include <runnel/err.h>

int rn_demux_init(struct rn_demux *d, const struct rn_alloc *alloc, const struct rn_hash_key *key)
{
    d->hash_key = *key;
    d->n_on_nic = 0;
    return rn_hash_init(&d->table, alloc, 64);
}

void rn_demux_fini(struct rn_demux *d)
{
    rn_hash_fini(&d->table);
}

uint32_t rn_demux_hash(const struct rn_demux *d, const struct rn_demux_key *key)
{
    uint64_t words[5];

    memcpy(words, key, sizeof(words));
    return (uint32_t)rn_siphash13_words(&d->hash_key, words, RN_ARRAY_LEN(words));
}

static void list(struct rn_demux *d, struct rn_demux_node *node, uint32_t hash)
{
    rn_hash_insert(&d->table, &node->hash, hash);
    node->is_listed = true;
    d->n_on_nic += node->key.nic != 0;
}

static bool same_key(const struct rn_demux_key *a, const struct rn_demux_key *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static bool families_meet(const struct rn_demux_node *a, const struct rn_demux_node *b)
{
    return a->family_any == 0 || b->family_any == 0 || a->family_any == b->family_any;
}

static struct rn_demux_node *node_of(struct rn_hash_node *hash)
{
    return rn_container_of(hash, struct rn_demux_node, hash);
}

int rn_demux_add(struct rn_demux *d, struct rn_demux_node *node)
{
    uint32_t hash;
    struct rn_hash_node *it;

    if (rn_addr_is_any(node->key.local))
        node->key.local = rn_addr_none();
    hash = rn_demux_hash(d, &node->key);
    for (it = rn_hash_first(&d->table, hash); it != NULL; it = rn_hash_next(it)) {
        const struct rn_demux_node *other = node_of(it);

        if (same_key(&other->key, &node->key) && families_meet(other, node) &&
            !(other->is_reuseport && node->is_reuseport))
            return RN_E_EXISTS;
    }
    list(d, node, hash);
    return RN_OK;
}

void rn_demux_replace(struct rn_demux *d, struct rn_demux_node *from, struct rn_demux_node *to)
{
    rn_demux_remove(d, from);
    to->key = from->key;
    list(d, to, from->hash.hash);
}

void rn_demux_remove(struct rn_demux *d, struct rn_demux_node *node)
{
    if (!node->is_listed)
        return;
    rn_hash_remove(&d->table, &node->hash);
    node->is_listed = false;
    d->n_on_nic -= node->key.nic != 0;
}

struct rn_demux_node *rn_demux_find_exact(const struct rn_demux *d, const struct rn_demux_key *key)
{
    struct rn_hash_node *it = rn_hash_first(&d->table, rn_demux_hash(d, key));

    while (it != NULL && !same_key(&node_of(it)->key, key))
        it = rn_hash_next(it);
    return it != NULL ? node_of(it) : NULL;
}

static bool takes_family(const struct rn_demux_node *node, enum rn_family family)
{
    return node->family_any == 0 || node->family_any == (uint8_t)family;
}

/* What a packet asks of one level of generality. */
struct question {
    struct rn_demux_key key;
    enum rn_family family;
    const struct rn_demux_key
        *flow; /* the whole tuple; NULL: asked for exactly, nobody can share it */
};

/* One node, or the flow's own of a REUSEPORT group: by a hash of the whole tuple, so that a flow stays with its socket. */
static struct rn_demux_node *find_one(const struct rn_demux *d, const struct question *q)
{
    struct rn_hash_node *first = rn_hash_first(&d->table, rn_demux_hash(d, &q->key));
    struct rn_demux_node *found = NULL;
    uint64_t n = 0;
    uint64_t pick;

    for (struct rn_hash_node *it = first; it != NULL; it = rn_hash_next(it)) {
        struct rn_demux_node *node = node_of(it);

        if (!same_key(&node->key, &q->key) || !takes_family(node, q->family))
            continue;
        found = node;
        n++;
    }
    if (n < 2)
        return found;
    pick = q->flow != NULL ? (uint64_t)rn_demux_hash(d, q->flow) * n >> 32 : 0;
    for (struct rn_hash_node *it = first; it != NULL; it = rn_hash_next(it)) {
        struct rn_demux_node *node = node_of(it);

        if (same_key(&node->key, &q->key) && takes_family(node, q->family) && pick-- == 0)
            return node;
    }
    return found;
}

/* With the arrival NIC first, then without. */
static struct rn_demux_node *find_level(const struct rn_demux *d, struct question *q, uint16_t nic)
{
    struct rn_demux_node *node = NULL;

    if (nic != 0 && d->n_on_nic != 0) {
        q->key.nic = nic;
        node = find_one(d, q);
    }
    if (node == NULL) {
        q->key.nic = 0;
        node = find_one(d, q);
    }
    return node;
}

struct rn_demux_node *rn_demux_find_bound(const struct rn_demux *d, const struct rn_demux_key *key)
{
    struct question q = { *key, rn_addr_family(key->local), key };
    struct rn_demux_node *node;

    q.key.remote = rn_addr_none();
    q.key.remote_port = 0;
    node = find_level(d, &q, key->nic);
    if (node != NULL)
        return node;
    q.key.local = rn_addr_none();
    return find_level(d, &q, key->nic);
}

struct rn_demux_node *rn_demux_find(const struct rn_demux *d, const struct rn_demux_key *key)
{
    struct question q = { *key, rn_addr_family(key->local), NULL };
    struct rn_demux_node *node = find_level(d, &q, key->nic);

    return node != NULL ? node : rn_demux_find_bound(d, key);
}
