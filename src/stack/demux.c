#include "stack/demux.h"

#include "base/bytes.h"

#include <runnel/err.h>

int rn_demux_init(struct rn_demux *d, const struct rn_alloc *alloc, const struct rn_hash_key *key)
{
    *d = (struct rn_demux){ .hash_key = *key };
    d->last_hash = rn_demux_hash(d, &d->last_key);
    return rn_hash_init(&d->table, alloc, 64);
}

void rn_demux_fini(struct rn_demux *d)
{
    rn_hash_fini(&d->table);
}

/* All of a key but the addresses, in the machine's order. */
static inline uint64_t ports_of(const struct rn_demux_key *key)
{
    uint64_t word;

    memcpy(&word, (const uint8_t *)key + offsetof(struct rn_demux_key, local_port), sizeof(word));
    return word;
}

static inline bool same_key(const struct rn_demux_key *a, const struct rn_demux_key *b)
{
    return ports_of(a) == ports_of(b) && rn_addr_eq(a->remote, b->remote) &&
           rn_addr_eq(a->local, b->local);
}

static uint32_t hash_any(const struct rn_demux *d, const struct rn_demux_key *key)
{
    uint64_t words[] = { key->local.w[0], key->local.w[1], key->remote.w[0], key->remote.w[1],
                         ports_of(key) };

    return (uint32_t)rn_siphash13_words(&d->hash_key, words, RN_ARRAY_LEN(words));
}

/* Half of an IPv4 address is zero, as is all of none. The number of words tells such a key from any other. */
uint32_t rn_demux_hash(const struct rn_demux *d, const struct rn_demux_key *key)
{
    if ((key->local.w[0] | key->remote.w[0]) != 0)
        return hash_any(d, key);
    return (uint32_t)rn_siphash13_three(&d->hash_key, key->local.w[1], key->remote.w[1],
                                        ports_of(key));
}

/* The hash of a flow's key is asked for again and again: packets come in trains, and the answer to a SYN is listed by the name that
 * was just looked up. */
static uint32_t hash_of_flow(struct rn_demux *d, const struct rn_demux_key *key)
{
    if (!same_key(&d->last_key, key)) {
        d->last_hash = rn_demux_hash(d, key);
        d->last_key = *key;
    }
    return d->last_hash;
}

static void list(struct rn_demux *d, struct rn_demux_node *node, uint32_t hash)
{
    rn_hash_insert(&d->table, &node->hash, hash);
    node->is_listed = true;
    d->n_on_nic += node->key.nic != 0;
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
    hash = hash_of_flow(d, &node->key);
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
    const struct rn_demux_key *flow; /* the whole tuple */
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
    pick = (uint64_t)rn_demux_hash(d, q->flow) * n >> 32;
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

/* The node of a conversation, whose whole name nobody shares. */
static struct rn_demux_node *find_flow(struct rn_demux *d, const struct rn_demux_key *key)
{
    struct rn_hash_node *it = rn_hash_first(&d->table, hash_of_flow(d, key));

    while (it != NULL && !same_key(&node_of(it)->key, key))
        it = rn_hash_next(it);
    return it != NULL ? node_of(it) : NULL;
}

struct rn_demux_node *rn_demux_find(struct rn_demux *d, const struct rn_demux_key *key)
{
    struct rn_demux_key flow = *key;
    struct rn_demux_node *node = NULL;

    if (key->nic != 0 && d->n_on_nic != 0)
        node = find_flow(d, &flow);
    flow.nic = 0;
    if (node == NULL)
        node = find_flow(d, &flow);
    return node != NULL ? node : rn_demux_find_bound(d, key);
}
