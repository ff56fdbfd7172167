#include "stack/route.h"

#include "stack/nic.h"
#include "stack/stack.h"

#include <runnel/err.h>

/* An address in the form both families share: IPv4 prefixes are 96 bits longer. */
static uint32_t hash_prefix(const struct rn_prefix *p)
{
    uint64_t key[3] = { p->addr.w[0], p->addr.w[1], (uint64_t)p->bits << 8 | p->is_v4 };

    return rn_mix_words(key, RN_ARRAY_LEN(key));
}

int rn_routes_init(struct rn_route_table *t, const struct rn_alloc *alloc)
{
    t->alloc = alloc;
    rn_list_init(&t->all);
    return rn_hash_init(&t->by_prefix, alloc, 16);
}

static void count_bits(struct rn_route_table *t, const struct rn_prefix *p, int by)
{
    uint32_t *n = &t->n_by_bits[!p->is_v4][p->bits];
    uint64_t *word = &t->bits_in_use[!p->is_v4][p->bits / 64];
    uint64_t bit = 1ull << (p->bits % 64);

    *n += (uint32_t)by;
    *word = *n != 0 ? *word | bit : *word & ~bit;
}

static void remove_route(struct rn_route_table *t, struct rn_route *route)
{
    rn_hash_remove(&t->by_prefix, &route->hash);
    rn_list_remove(&route->link);
    count_bits(t, &route->entry.dst, -1);
    t->n_entries--;
    rn_alloc_free(t->alloc, route, sizeof(*route));
}

void rn_routes_fini(struct rn_route_table *t)
{
    struct rn_list *node;

    while ((node = rn_list_first(&t->all)) != NULL)
        remove_route(t, rn_list_entry(node, struct rn_route, link));
    rn_hash_fini(&t->by_prefix);
}

static bool is_usable(const struct rn_stack *stack, const struct rn_route_entry *e, uint16_t nic_id)
{
    const struct rn_nic *nic = rn_nic_find(stack, e->nic);

    return (nic_id == 0 || e->nic == nic_id) && nic != NULL && nic->is_up;
}

/* The lowest metric of one prefix; the older entry wins a tie (a chain yields the newest first). */
static const struct rn_route_entry *best_of(const struct rn_stack *stack,
                                            const struct rn_prefix *prefix, uint16_t nic_id)
{
    const struct rn_route_table *t = &stack->routes;
    struct rn_hash_node *node = rn_hash_first(&t->by_prefix, hash_prefix(prefix));
    const struct rn_route_entry *best = NULL;

    for (; node != NULL; node = rn_hash_next(node)) {
        const struct rn_route_entry *e = &rn_container_of(node, struct rn_route, hash)->entry;

        if (rn_prefix_eq(&e->dst, prefix) && is_usable(stack, e, nic_id) &&
            (best == NULL || e->metric <= best->metric))
            best = e;
    }
    return best;
}

const struct rn_route_entry *rn_routes_find(const struct rn_stack *stack, struct rn_addr dst,
                                            uint16_t nic_id)
{
    const uint64_t *in_use = stack->routes.bits_in_use[!rn_addr_is_v4(dst)];

    for (int word = 2; word >= 0; word--) {
        uint64_t left = in_use[word];

        while (left != 0) {
            unsigned top = 63u - (unsigned)__builtin_clzll(left);
            struct rn_prefix prefix = rn_prefix_of(dst, (unsigned)word * 64 + top);
            const struct rn_route_entry *e = best_of(stack, &prefix, nic_id);

            if (e != NULL)
                return e;
            left &= ~(1ull << top);
        }
    }
    return NULL;
}

static bool is_same(const struct rn_route_entry *a, const struct rn_route_entry *b)
{
    return rn_prefix_eq(&a->dst, &b->dst) && rn_addr_eq(a->gateway, b->gateway) && a->nic == b->nic;
}

/* The next entry like @like, after @from (NULL: the first). */
static struct rn_route *find_same(struct rn_route_table *t, const struct rn_route_entry *like)
{
    struct rn_hash_node *node = rn_hash_first(&t->by_prefix, hash_prefix(&like->dst));

    for (; node != NULL; node = rn_hash_next(node)) {
        struct rn_route *route = rn_container_of(node, struct rn_route, hash);

        if (is_same(&route->entry, like))
            return route;
    }
    return NULL;
}

static bool exists(struct rn_route_table *t, const struct rn_route_entry *like)
{
    struct rn_hash_node *node = rn_hash_first(&t->by_prefix, hash_prefix(&like->dst));

    for (; node != NULL; node = rn_hash_next(node)) {
        const struct rn_route_entry *e = &rn_container_of(node, struct rn_route, hash)->entry;

        if (is_same(e, like) && e->metric == like->metric)
            return true;
    }
    return false;
}

/* Links without addresses need no gateway to be reachable: whatever is sent arrives at the other end. */
static int check_gateway(const struct rn_stack *stack, const struct rn_route_entry *entry)
{
    const struct rn_nic *nic = rn_nic_find(stack, entry->nic);
    const struct rn_route_entry *way;

    if (nic == NULL)
        return RN_E_NO_NIC;
    if (rn_addr_is_none(entry->gateway))
        return RN_OK;
    if (rn_addr_is_v4(entry->gateway) != (entry->dst.is_v4 != 0))
        return RN_E_BAD_ADDR;
    if (nic->device->link_type == RN_LINK_IP || rn_addr_is_link_local(entry->gateway))
        return RN_OK;
    way = rn_routes_find(stack, entry->gateway, entry->nic);
    return way != NULL && rn_addr_is_none(way->gateway) ? RN_OK : RN_E_BAD_ADDR;
}

int rn_route_add(struct rn_stack *stack, const struct rn_route_entry *entry)
{
    struct rn_route_table *t = &stack->routes;
    struct rn_route *route;
    int err = check_gateway(stack, entry);

    if (err < 0)
        return err;
    if (exists(t, entry))
        return RN_E_EXISTS;
    route = rn_alloc_new(t->alloc, sizeof(*route));
    if (route == NULL)
        return RN_E_NOMEM;
    route->entry = *entry;
    route->entry.dst = rn_prefix_of(entry->dst.addr, entry->dst.bits);
    route->entry.dst.is_v4 = entry->dst.is_v4;
    rn_hash_insert(&t->by_prefix, &route->hash, hash_prefix(&route->entry.dst));
    rn_list_push_back(&t->all, &route->link);
    count_bits(t, &route->entry.dst, 1);
    t->n_entries++;
    rn_stack_routes_changed(stack);
    return RN_OK;
}

int rn_route_remove(struct rn_stack *stack, const struct rn_route_entry *entry)
{
    struct rn_route *route = find_same(&stack->routes, entry);

    if (route == NULL)
        return RN_E_NOT_FOUND;
    do {
        remove_route(&stack->routes, route);
        route = find_same(&stack->routes, entry);
    } while (route != NULL);
    rn_stack_routes_changed(stack);
    return RN_OK;
}

void rn_routes_drop_nic(struct rn_stack *stack, uint16_t nic_id)
{
    struct rn_list *it;
    struct rn_list *tmp;

    rn_list_for_each_safe (it, tmp, &stack->routes.all) {
        struct rn_route *route = rn_list_entry(it, struct rn_route, link);

        if (route->entry.nic == nic_id)
            remove_route(&stack->routes, route);
    }
    rn_stack_routes_changed(stack);
}

int rn_route_get(const struct rn_stack *stack, struct rn_addr dst, uint16_t nic,
                 struct rn_route_entry *ret)
{
    const struct rn_route_entry *e = rn_routes_find(stack, dst, nic);

    if (e == NULL)
        return RN_E_NET_UNREACH;
    *ret = *e;
    return RN_OK;
}

/* Insertion sort: a table is listed for people, rarely. */
size_t rn_route_list(const struct rn_stack *stack, struct rn_route_entry *ret, size_t max)
{
    struct rn_list *it;
    size_t n = 0;

    rn_list_for_each (it, &stack->routes.all) {
        const struct rn_route_entry *e = &rn_list_entry(it, struct rn_route, link)->entry;
        size_t at = rn_min_size(n, max);

        n++;
        if (at == max && (max == 0 || ret[max - 1].dst.bits >= e->dst.bits))
            continue;
        if (at == max)
            at--;
        while (at > 0 && ret[at - 1].dst.bits < e->dst.bits) {
            ret[at] = ret[at - 1];
            at--;
        }
        ret[at] = *e;
    }
    return n;
}
