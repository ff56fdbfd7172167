#include "outnet/udp_peers.h"

struct entry {
    struct rn_hash_node hash;
    struct rn_list link; /* least recently heard first */
    struct rn_udp_peer peer;
};

static bool same(const struct rn_endpoint *a, const struct rn_endpoint *b)
{
    return a->port == b->port && rn_addr_eq(a->addr, b->addr);
}

static uint32_t hash_of(const struct rn_udp_peers *peers, const struct rn_endpoint *inner,
                        const struct rn_endpoint *inside)
{
    uint64_t words[5] = { inner->addr.w[0], inner->addr.w[1], inside->addr.w[0], inside->addr.w[1],
                          (uint64_t)inner->port << 16 | inside->port };

    return (uint32_t)rn_siphash13_words(&peers->key, words, 5);
}

static struct entry *find(const struct rn_udp_peers *peers, const struct rn_endpoint *inner,
                          const struct rn_endpoint *inside)
{
    struct rn_hash_node *n = rn_hash_first(&peers->by_name, hash_of(peers, inner, inside));

    for (; n != NULL; n = rn_hash_next(n)) {
        struct entry *e = rn_container_of(n, struct entry, hash);

        if (same(&e->peer.inner, inner) && same(&e->peer.inside, inside))
            return e;
    }
    return NULL;
}

static void forget(struct rn_udp_peers *peers, struct entry *e)
{
    rn_hash_remove(&peers->by_name, &e->hash);
    rn_list_remove(&e->link);
    rn_alloc_free(peers->alloc, e, sizeof(*e));
}

static void forget_oldest(struct rn_udp_peers *peers)
{
    forget(peers, rn_list_entry(rn_list_first(&peers->by_age), struct entry, link));
}

static struct entry *learn(struct rn_udp_peers *peers, const struct rn_udp_peer *seen)
{
    struct entry *e;

    if (peers->by_name.n_nodes >= RN_UDP_PEERS_MAX)
        forget_oldest(peers);
    e = rn_alloc_new(peers->alloc, sizeof(*e));
    if (e == NULL)
        return NULL;
    rn_hash_insert(&peers->by_name, &e->hash, hash_of(peers, &seen->inner, &seen->inside));
    return e;
}

void rn_udp_peers_note(struct rn_udp_peers *peers, const struct rn_udp_peer *seen)
{
    struct entry *e = find(peers, &seen->inner, &seen->inside);

    if (e == NULL)
        e = learn(peers, seen);
    if (e == NULL)
        return;
    e->peer = *seen;
    rn_list_remove(&e->link);
    rn_list_push_back(&peers->by_age, &e->link);
}

const struct rn_udp_peer *rn_udp_peers_find(const struct rn_udp_peers *peers,
                                            const struct rn_endpoint *inner,
                                            const struct rn_endpoint *inside)
{
    const struct entry *e = find(peers, inner, inside);

    return e != NULL ? &e->peer : NULL;
}

int rn_udp_peers_init(struct rn_udp_peers *peers, const struct rn_alloc *alloc,
                      const struct rn_hash_key *key)
{
    peers->alloc = alloc;
    peers->key = *key;
    rn_list_init(&peers->by_age);
    return rn_hash_init(&peers->by_name, alloc, 16);
}

void rn_udp_peers_fini(struct rn_udp_peers *peers)
{
    while (!rn_list_is_empty(&peers->by_age))
        forget_oldest(peers);
    rn_hash_fini(&peers->by_name);
}
