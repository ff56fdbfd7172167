#include "stack/neigh.h"

#include "stack/nic.h"
#include "stack/stack.h"
#include "wire/eth.h"

#include <runnel/err.h>

static struct rn_turn *turn_of(const struct rn_neigh_cache *cache)
{
    return cache->nic->stack->turn;
}

static uint32_t hash_of(const struct rn_neigh_cache *cache, struct rn_addr addr)
{
    return (uint32_t)rn_siphash13_words(&cache->nic->stack->secrets.table, addr.w,
                                        RN_ARRAY_LEN(addr.w));
}

int rn_neigh_cache_new(struct rn_neigh_cache **ret, struct rn_nic *nic, const struct rn_l3_ops *l3)
{
    const struct rn_alloc *alloc = nic->stack->alloc;
    struct rn_neigh_cache *cache = rn_alloc_new(alloc, sizeof(*cache));

    if (cache == NULL)
        return RN_E_NOMEM;
    cache->nic = nic;
    cache->l3 = l3;
    rn_list_init(&cache->lru);
    if (rn_hash_init(&cache->table, alloc, 16) < 0) {
        rn_alloc_free(alloc, cache, sizeof(*cache));
        return RN_E_NOMEM;
    }
    *ret = cache;
    return RN_OK;
}

void rn_neigh_unref(struct rn_neigh *neigh)
{
    if (neigh == NULL)
        return;
    rn_assert(neigh->refs != 0);
    if (--neigh->refs == 0)
        rn_alloc_free(neigh->alloc, neigh, sizeof(*neigh));
}

/* Out of the cache; flows that hold it find it mute and look again, since the generation moved. */
static void evict(struct rn_neigh *neigh)
{
    struct rn_neigh_cache *cache = neigh->cache;

    rn_turn_cancel(turn_of(cache), &neigh->timer);
    rn_pktq_drop_all(&neigh->pending, RN_DROP_NO_NEIGHBOUR);
    rn_hash_remove(&cache->table, &neigh->hash);
    rn_list_remove(&neigh->lru);
    cache->n_dynamic -= !neigh->is_static;
    cache->n_incomplete -= neigh->state == RN_NEIGH_INCOMPLETE;
    neigh->cache = NULL;
    rn_neigh_unref(neigh);
}

static bool evict_one(struct rn_hash_node *node, void *arg)
{
    (void)arg;
    evict(rn_container_of(node, struct rn_neigh, hash));
    return true;
}

void rn_neigh_cache_free(struct rn_neigh_cache *cache)
{
    if (cache == NULL)
        return;
    rn_hash_for_each(&cache->table, evict_one, NULL);
    rn_hash_fini(&cache->table);
    rn_alloc_free(cache->nic->stack->alloc, cache, sizeof(*cache));
}

struct rn_neigh *rn_neigh_find(const struct rn_neigh_cache *cache, struct rn_addr addr)
{
    struct rn_hash_node *node = rn_hash_first(&cache->table, hash_of(cache, addr));

    for (; node != NULL; node = rn_hash_next(node)) {
        struct rn_neigh *neigh = rn_container_of(node, struct rn_neigh, hash);

        if (rn_addr_eq(neigh->addr, addr))
            return neigh;
    }
    return NULL;
}

static void touch(struct rn_neigh *neigh)
{
    if (neigh->is_static)
        return;
    rn_list_remove(&neigh->lru);
    rn_list_push_back(&neigh->cache->lru, &neigh->lru);
}

/* --- states ---------------------------------------------------------------------------------------------------- */

static void solicit(struct rn_neigh *neigh)
{
    const struct rn_mac *to = neigh->state == RN_NEIGH_PROBE ? &neigh->mac : NULL;

    neigh->probes++;
    neigh->cache->l3->solicit(neigh->cache->nic, neigh->addr, to);
}

static int64_t duration_ns(struct rn_neigh *neigh)
{
    switch ((enum rn_neigh_state)neigh->state) {
    case RN_NEIGH_INCOMPLETE:
    case RN_NEIGH_PROBE:
        return RN_NEIGH_RETRANS_NS;
    case RN_NEIGH_REACHABLE: { /* between half and one and a half (RFC 4861 §6.3.2) */
        uint64_t span = (uint64_t)RN_NEIGH_REACHABLE_NS;

        return (int64_t)(span / 2 + rn_rand_below(&turn_of(neigh->cache)->rand, span));
    }
    case RN_NEIGH_DELAY:
        return RN_NEIGH_DELAY_NS;
    case RN_NEIGH_FAILED:
        return RN_NEIGH_FAILED_NS;
    case RN_NEIGH_STALE:
    case RN_NEIGH_STATES:
        break;
    }
    return 0;
}

static void arm(struct rn_neigh *neigh)
{
    struct rn_turn *turn = turn_of(neigh->cache);
    int64_t ns = duration_ns(neigh);

    if (ns == 0)
        rn_turn_cancel(turn, &neigh->timer);
    else
        rn_turn_arm(turn, &neigh->timer, turn->now_ns + ns);
}

static void fail_pending(struct rn_neigh *neigh)
{
    struct rn_neigh_cache *cache = neigh->cache;
    struct rn_pktq pending = neigh->pending;
    struct rn_pkt *pkt;

    neigh->pending = (struct rn_pktq){ 0 };
    while ((pkt = rn_pktq_pop(&pending)) != NULL) {
        if (cache->l3->unreachable != NULL)
            cache->l3->unreachable(cache->nic, pkt);
        else
            rn_pkt_drop(pkt, RN_DROP_NO_NEIGHBOUR);
    }
}

static void send_pending(struct rn_neigh *neigh)
{
    struct rn_nic *nic = neigh->cache->nic;
    struct rn_pktq pending = neigh->pending;
    struct rn_pkt *pkt;

    neigh->pending = (struct rn_pktq){ 0 };
    while ((pkt = rn_pktq_pop(&pending)) != NULL)
        rn_nic_output_to(nic, neigh->mac, pkt);
}

static void on_entry(struct rn_neigh *neigh, enum rn_neigh_state from)
{
    struct rn_stats *stats = &neigh->cache->nic->stack->stats;

    switch ((enum rn_neigh_state)neigh->state) {
    case RN_NEIGH_INCOMPLETE:
    case RN_NEIGH_PROBE:
        if (from != neigh->state)
            neigh->probes = 0;
        arm(neigh);
        solicit(neigh);
        return;
    case RN_NEIGH_FAILED:
        stats->neigh_failed++;
        arm(neigh);
        fail_pending(neigh);
        return;
    case RN_NEIGH_REACHABLE:
        neigh->confirmed_ns = turn_of(neigh->cache)->now_ns;
        break;
    case RN_NEIGH_STALE:
    case RN_NEIGH_DELAY:
    case RN_NEIGH_STATES:
        break;
    }
    arm(neigh);
    if (from == RN_NEIGH_INCOMPLETE)
        stats->neigh_resolved++;
    send_pending(neigh);
}

/* The only writer of .state. A state that did not change is entered again only where that means another probe. */
static void move(struct rn_neigh *neigh, enum rn_neigh_event event)
{
    enum rn_neigh_state from = (enum rn_neigh_state)neigh->state;
    enum rn_neigh_state to = rn_neigh_next(from, event);

    if (to == from && event == RN_NEIGH_EV_SENT)
        return;
    neigh->cache->n_incomplete -= from == RN_NEIGH_INCOMPLETE;
    neigh->cache->n_incomplete += to == RN_NEIGH_INCOMPLETE;
    neigh->state = (uint8_t)to;
    on_entry(neigh, from);
}

static bool has_probes_left(const struct rn_neigh *neigh)
{
    unsigned max =
        neigh->state == RN_NEIGH_PROBE ? RN_NEIGH_UNICAST_PROBES : RN_NEIGH_MULTICAST_PROBES;

    return neigh->probes < max;
}

static void on_timer(struct rn_timer *timer)
{
    struct rn_neigh *neigh = rn_container_of(timer, struct rn_neigh, timer);

    /* The next packet asks again; see rn_neigh_output(). */
    if (neigh->state == RN_NEIGH_FAILED)
        return;
    move(neigh, has_probes_left(neigh) ? RN_NEIGH_EV_TIMEOUT : RN_NEIGH_EV_GAVE_UP);
}

/* --- entries --------------------------------------------------------------------------------------------------- */

/* Never REACHABLE ones for the sake of one that may not even exist (RFC 6583 §6). */
static bool make_room(struct rn_neigh_cache *cache)
{
    struct rn_list *it;

    if (cache->n_dynamic < RN_NEIGH_MAX)
        return true;
    rn_list_for_each (it, &cache->lru) {
        struct rn_neigh *neigh = rn_list_entry(it, struct rn_neigh, lru);

        if (neigh->state == RN_NEIGH_REACHABLE || neigh->refs > 1)
            continue;
        evict(neigh);
        return true;
    }
    return false;
}

static struct rn_neigh *create(struct rn_neigh_cache *cache, struct rn_addr addr, bool is_static)
{
    const struct rn_alloc *alloc = cache->nic->stack->alloc;
    struct rn_neigh *neigh = rn_alloc_new(alloc, sizeof(*neigh));

    if (neigh == NULL)
        return NULL;
    neigh->cache = cache;
    neigh->alloc = alloc;
    neigh->addr = addr;
    neigh->is_static = is_static;
    neigh->refs = 1;
    neigh->timer.fire = on_timer;
    neigh->state = RN_NEIGH_FAILED; /* its first packet moves it to INCOMPLETE */
    rn_hash_insert(&cache->table, &neigh->hash, hash_of(cache, addr));
    cache->n_dynamic += !is_static;
    if (!is_static)
        rn_list_push_back(&cache->lru, &neigh->lru);
    return neigh;
}

struct rn_neigh *rn_neigh_get(struct rn_neigh_cache *cache, struct rn_addr addr)
{
    struct rn_neigh *neigh = rn_neigh_find(cache, addr);

    if (neigh == NULL) {
        if (cache->n_incomplete >= RN_NEIGH_INCOMPLETE_MAX || !make_room(cache))
            return NULL;
        neigh = create(cache, addr, false);
    } else {
        touch(neigh);
    }
    if (neigh != NULL)
        neigh->refs++;
    return neigh;
}

static void hold(struct rn_neigh *neigh, struct rn_pkt *pkt)
{
    if (neigh->pending.n_pkts >= RN_NEIGH_PENDING_MAX)
        rn_pkt_drop(rn_pktq_pop(&neigh->pending), RN_DROP_NO_NEIGHBOUR);
    rn_pktq_push(&neigh->pending, pkt);
}

void rn_neigh_output(struct rn_neigh *neigh, struct rn_pkt *pkt)
{
    struct rn_neigh_cache *cache = neigh->cache;

    if (cache == NULL) {
        rn_pkt_drop(pkt, RN_DROP_NO_NEIGHBOUR);
        return;
    }
    if (neigh->state == RN_NEIGH_INCOMPLETE) {
        hold(neigh, pkt);
        return;
    }
    if (neigh->state == RN_NEIGH_FAILED) {
        hold(neigh, pkt);
        if (rn_timer_is_armed(&neigh->timer) || cache->n_incomplete >= RN_NEIGH_INCOMPLETE_MAX)
            fail_pending(neigh);
        else
            move(neigh, RN_NEIGH_EV_SENT);
        return;
    }
    if (neigh->state == RN_NEIGH_STALE && !neigh->is_static)
        move(neigh, RN_NEIGH_EV_SENT);
    rn_nic_output_to(cache->nic, neigh->mac, pkt);
}

void rn_neigh_confirm(struct rn_neigh *neigh)
{
    /* Once a second is often enough; this is called for every ACK. */
    if (neigh->cache == NULL || neigh->is_static || neigh->state == RN_NEIGH_INCOMPLETE ||
        neigh->state == RN_NEIGH_FAILED)
        return;
    if (neigh->state == RN_NEIGH_REACHABLE &&
        turn_of(neigh->cache)->now_ns - neigh->confirmed_ns < RN_NS_PER_S)
        return;
    move(neigh, RN_NEIGH_EV_CONFIRMED);
}

static void learn_first(struct rn_neigh *neigh, const struct rn_neigh_news *news)
{
    if (!news->has_mac)
        return;
    neigh->mac = news->mac;
    move(neigh, news->is_solicited ? RN_NEIGH_EV_CONFIRMED : RN_NEIGH_EV_HEARD);
}

/* RFC 4861 §7.2.5 and §7.2.3. */
static void learn_more(struct rn_neigh *neigh, const struct rn_neigh_news *news)
{
    bool is_other = news->has_mac && !rn_mac_eq(news->mac, neigh->mac);

    if (is_other && !news->may_override) {
        if (neigh->state == RN_NEIGH_REACHABLE)
            move(neigh, RN_NEIGH_EV_HEARD);
        return;
    }
    if (is_other)
        neigh->mac = news->mac;
    if (news->is_solicited)
        move(neigh, RN_NEIGH_EV_CONFIRMED);
    else if (is_other)
        move(neigh, RN_NEIGH_EV_HEARD);
}

void rn_neigh_learn(struct rn_neigh_cache *cache, const struct rn_neigh_news *news)
{
    struct rn_neigh *neigh = rn_neigh_find(cache, news->addr);

    if (neigh == NULL && news->may_create && news->has_mac && make_room(cache))
        neigh = create(cache, news->addr, false);
    if (neigh == NULL || neigh->is_static)
        return;
    neigh->is_router = news->is_router;
    if (neigh->state == RN_NEIGH_INCOMPLETE || neigh->state == RN_NEIGH_FAILED)
        learn_first(neigh, news);
    else
        learn_more(neigh, news);
}

int rn_neigh_set_static(struct rn_neigh_cache *cache, struct rn_addr addr, struct rn_mac mac)
{
    struct rn_neigh *neigh = rn_neigh_find(cache, addr);

    if (neigh != NULL)
        evict(neigh);
    neigh = create(cache, addr, true);
    if (neigh == NULL)
        return RN_E_NOMEM;
    neigh->mac = mac;
    neigh->state = RN_NEIGH_REACHABLE;
    rn_stack_routes_changed(cache->nic->stack);
    return RN_OK;
}
