#include "ip/pmtu.h"

#include "ip/ip.h"
#include "ip/state.h"

#include <runnel/err.h>

struct entry {
    struct rn_hash_node hash;
    struct rn_list age;
    struct rn_addr dst;
    uint32_t mtu;
    int64_t until_ns;
};

static uint32_t hash_of(const struct rn_pmtu *p, struct rn_addr dst)
{
    return (uint32_t)rn_siphash13_words(&p->stack->secrets.table, dst.w, RN_ARRAY_LEN(dst.w));
}

static struct entry *find(const struct rn_pmtu *p, struct rn_addr dst)
{
    struct rn_hash_node *node = rn_hash_first(&p->table, hash_of(p, dst));

    for (; node != NULL; node = rn_hash_next(node)) {
        struct entry *e = rn_container_of(node, struct entry, hash);

        if (rn_addr_eq(e->dst, dst))
            return e;
    }
    return NULL;
}

static void forget(struct rn_pmtu *p, struct entry *e)
{
    rn_hash_remove(&p->table, &e->hash);
    rn_list_remove(&e->age);
    p->n--;
    rn_alloc_free(p->stack->alloc, e, sizeof(*e));
}

static struct entry *oldest(const struct rn_pmtu *p)
{
    struct rn_list *node = rn_list_first(&p->by_age);

    return node != NULL ? rn_list_entry(node, struct entry, age) : NULL;
}

static void on_timer(struct rn_timer *timer)
{
    struct rn_pmtu *p = rn_container_of(timer, struct rn_pmtu, timer);
    struct entry *e;

    while ((e = oldest(p)) != NULL && e->until_ns <= p->stack->turn->now_ns)
        forget(p, e);
    if (e != NULL)
        rn_turn_arm(p->stack->turn, timer, e->until_ns);
    rn_stack_routes_changed(p->stack);
}

int rn_pmtu_init(struct rn_pmtu *p, struct rn_stack *stack)
{
    p->stack = stack;
    p->timer.fire = on_timer;
    rn_list_init(&p->by_age);
    return rn_hash_init(&p->table, stack->alloc, 8);
}

void rn_pmtu_fini(struct rn_pmtu *p)
{
    struct entry *e;

    if (p->stack == NULL)
        return;
    while ((e = oldest(p)) != NULL)
        forget(p, e);
    rn_turn_cancel(p->stack->turn, &p->timer);
    rn_hash_fini(&p->table);
}

static struct rn_pmtu *pmtu_of(const struct rn_stack *stack, struct rn_addr dst)
{
    struct rn_ip_state *state = rn_ip_state_of(stack, rn_addr_is_v4(dst) ? RN_L3_V4 : RN_L3_V6);

    return state != NULL ? &state->pmtu : NULL;
}

uint32_t rn_pmtu_find(const struct rn_stack *stack, struct rn_addr dst)
{
    const struct rn_pmtu *p = pmtu_of(stack, dst);
    const struct entry *e = p != NULL && p->n != 0 ? find(p, dst) : NULL;

    return e != NULL ? e->mtu : UINT32_MAX;
}

static struct entry *add(struct rn_pmtu *p, struct rn_addr dst)
{
    struct entry *e;

    if (p->n >= RN_PMTU_MAX)
        forget(p, oldest(p));
    e = rn_alloc_new(p->stack->alloc, sizeof(*e));
    if (e == NULL)
        return NULL;
    e->dst = dst;
    e->mtu = UINT32_MAX;
    rn_hash_insert(&p->table, &e->hash, hash_of(p, dst));
    rn_list_push_back(&p->by_age, &e->age);
    p->n++;
    return e;
}

void rn_pmtu_lower(struct rn_stack *stack, struct rn_addr dst, uint32_t mtu)
{
    struct rn_pmtu *p = pmtu_of(stack, dst);
    uint32_t floor = rn_addr_is_v4(dst) ? RN_PMTU_FLOOR4 : RN_PMTU_FLOOR6;
    struct entry *e = p != NULL ? find(p, dst) : NULL;

    if (p == NULL)
        return;
    mtu = rn_max_u32(mtu, floor);
    if (e != NULL && e->mtu <= mtu)
        return;
    if (e == NULL)
        e = add(p, dst);
    if (e == NULL)
        return;
    e->mtu = mtu;
    e->until_ns = stack->turn->now_ns + RN_PMTU_NS;
    rn_list_remove(&e->age);
    rn_list_push_back(&p->by_age, &e->age);
    rn_turn_arm(stack->turn, &p->timer, oldest(p)->until_ns);
    rn_stack_routes_changed(stack);
}

uint32_t rn_pmtu_plateau(uint32_t total_len)
{
    static const uint16_t plateaus[] = { 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68 };

    for (unsigned i = 0; i < RN_ARRAY_LEN(plateaus); i++) {
        if (plateaus[i] < total_len)
            return plateaus[i];
    }
    return plateaus[RN_ARRAY_LEN(plateaus) - 1];
}
