#include "stack/ports.h"

#include <runnel/err.h>

int rn_ports_init(struct rn_ports *p, const struct rn_alloc *alloc,
                  const struct rn_hash_key *secret)
{
    p->secret = *secret;
    return rn_hash_init(&p->table, alloc, 64);
}

void rn_ports_fini(struct rn_ports *p)
{
    rn_hash_fini(&p->table);
}

static uint32_t hash_of(const struct rn_ports *p, uint8_t proto, uint16_t port)
{
    uint64_t word = (uint64_t)proto << 16 | port;

    return (uint32_t)rn_siphash13_words(&p->secret, &word, 1);
}

static bool is_for_v4(const struct rn_port_claim *c)
{
    return rn_addr_is_v4(c->addr) || (rn_addr_is_none(c->addr) && (c->flags & RN_PORT_V6ONLY) == 0);
}

static bool is_for_v6(const struct rn_port_claim *c)
{
    return !rn_addr_is_v4(c->addr);
}

static bool addrs_meet(const struct rn_port_claim *a, const struct rn_port_claim *b)
{
    if (rn_addr_eq(a->addr, b->addr))
        return true;
    if (!rn_addr_is_any(a->addr) && !rn_addr_is_any(b->addr))
        return false;
    return (is_for_v4(a) && is_for_v4(b)) || (is_for_v6(a) && is_for_v6(b));
}

static bool may_share(const struct rn_port_claim *a, const struct rn_port_claim *b)
{
    unsigned both = a->flags & b->flags;
    unsigned either = a->flags | b->flags;

    if ((both & (RN_PORT_REUSEPORT | RN_PORT_CONNECTED)) != 0)
        return true;
    return (both & RN_PORT_REUSEADDR) != 0 && (either & RN_PORT_LISTENING) == 0;
}

static bool conflicts(const struct rn_port_claim *a, const struct rn_port_claim *b)
{
    return a->proto == b->proto && a->port == b->port &&
           (a->nic == b->nic || a->nic == 0 || b->nic == 0) && addrs_meet(a, b) && !may_share(a, b);
}

int rn_ports_claim(struct rn_ports *p, struct rn_port_claim *claim)
{
    uint32_t hash = hash_of(p, claim->proto, claim->port);
    struct rn_hash_node *it = rn_hash_first(&p->table, hash);

    for (; it != NULL; it = rn_hash_next(it)) {
        if (conflicts(rn_container_of(it, struct rn_port_claim, hash), claim))
            return RN_E_PORT_IN_USE;
    }
    rn_hash_insert(&p->table, &claim->hash, hash);
    claim->is_held = true;
    return RN_OK;
}

/* RFC 6056 §3.3.4: where to start looking, and which counter moves the start on. */
struct start {
    uint32_t offset;
    uint32_t *counter;
};

static struct start start_for(struct rn_ports *p, const struct rn_port_claim *claim,
                              const struct rn_endpoint *remote)
{
    uint64_t words[5] = { claim->addr.w[0], claim->addr.w[1], 0, 0, claim->proto };
    uint64_t hash;

    if (remote != NULL) {
        words[2] = remote->addr.w[0];
        words[3] = remote->addr.w[1];
        words[4] |= (uint64_t)remote->port << 8;
    }
    hash = rn_siphash13_words(&p->secret, words, RN_ARRAY_LEN(words));
    return (struct start){ (uint32_t)hash, &p->counters[(hash >> 32) % RN_ARRAY_LEN(p->counters)] };
}

int rn_ports_pick(struct rn_ports *p, struct rn_port_claim *claim, const struct rn_endpoint *remote,
                  bool (*is_free)(void *arg, uint16_t port), void *arg)
{
    struct start start = start_for(p, claim, remote);
    uint32_t n = (uint32_t)p->last - p->first + 1;

    rn_assert(!claim->is_held);
    if (p->last < p->first)
        return RN_E_NO_PORT;
    if (is_free != NULL)
        claim->flags |= RN_PORT_CONNECTED;
    for (uint32_t i = 0; i < n; i++) {
        claim->port = (uint16_t)(p->first + (start.offset + *start.counter) % n);
        ++*start.counter;
        if ((is_free == NULL || is_free(arg, claim->port)) && rn_ports_claim(p, claim) == RN_OK)
            return RN_OK;
    }
    claim->port = 0;
    return RN_E_NO_PORT;
}

void rn_ports_release(struct rn_ports *p, struct rn_port_claim *claim)
{
    if (!claim->is_held)
        return;
    rn_hash_remove(&p->table, &claim->hash);
    claim->is_held = false;
}

static bool is_same(const struct rn_port_claim *a, const struct rn_port_claim *b)
{
    return a->proto == b->proto && a->port == b->port && a->nic == b->nic && a->flags == b->flags &&
           rn_addr_eq(a->addr, b->addr);
}

struct rn_port_claim *rn_ports_share(struct rn_ports *p, const struct rn_port_claim *claim)
{
    struct rn_hash_node *it = rn_hash_first(&p->table, hash_of(p, claim->proto, claim->port));

    for (; it != NULL; it = rn_hash_next(it)) {
        struct rn_port_claim *other = rn_container_of(it, struct rn_port_claim, hash);

        if (other != claim && is_same(other, claim) && other->n_sharers < UINT8_MAX) {
            other->n_sharers++;
            return other;
        }
    }
    return NULL;
}

void rn_ports_drop(struct rn_ports *p, struct rn_port_claim *claim)
{
    if (claim == NULL)
        return;
    if (claim->n_sharers > 0) {
        claim->n_sharers--;
        return;
    }
    rn_ports_release(p, claim);
    rn_alloc_free(p->table.alloc, claim, sizeof(*claim));
}
