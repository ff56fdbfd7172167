/* Of two links that are halves of a pair, the one met second asks at once, from its own namespace, whether the first's
 * is the one behind it. The kernel searches all numbers that a namespace gave others for each such question: a hub has
 * thousands, whoever hangs on it one. What is not settled here read_nsids.c asks later. */
#include "discovery/read_netns.h"

#include <stdlib.h>
#include <unistd.h>

#define SLOTS_MIN  256u
#define PROBES_MAX 16u /* many pairs may look the same */
#define ASKS_MAX   2u

/* Halves that anybody met so far whose other one was not, by both indices. Each child that visits has its own. */
static struct {
    uint32_t *slots; /* index into the table of far links, + 1 */
    size_t n_slots;
    size_t n;
    uint32_t n_seen; /* of the table */
} waiting;

/* The namespace asked about last: most often the hub of all. One is held open at a time. */
static struct {
    uint32_t seq;
    int fd;
} held = { .fd = -1 };

static size_t place_of(uint32_t index, uint32_t peer)
{
    /* 2^64 / golden ratio */
    return (size_t)((((uint64_t)index << 32 | peer) * 0x9e3779b97f4a7c15u) >> 32);
}

static void put(const struct rn_far_table *far, uint32_t i)
{
    size_t at = place_of(far->links[i].index, far->links[i].peer);

    while (waiting.slots[at & (waiting.n_slots - 1)] != 0)
        at++;
    waiting.slots[at & (waiting.n_slots - 1)] = i + 1;
    waiting.n++;
}

/* Leaves those behind that were settled. */
static bool grow(const struct rn_far_table *far)
{
    uint32_t *old = waiting.slots;
    size_t n_old = waiting.n_slots;
    size_t n = n_old != 0 ? n_old * 2 : SLOTS_MIN;
    uint32_t *slots = calloc(n, sizeof(*slots));

    if (slots == NULL)
        return false;
    waiting.slots = slots;
    waiting.n_slots = n;
    waiting.n = 0;
    for (size_t i = 0; i < n_old; i++) {
        if (old[i] != 0 && far->links[old[i] - 1].target == 0)
            put(far, old[i] - 1);
    }
    free(old);
    return true;
}

/* Takes in what was shared since. */
static void catch_up(const struct rn_far_table *far)
{
    uint32_t n = atomic_load(&far->n);

    for (uint32_t i = waiting.n_seen; i < n; i++) {
        if (!far->links[i].is_pair || far->links[i].target != 0)
            continue;
        if (waiting.n * 2 >= waiting.n_slots && !grow(far))
            return;
        put(far, i);
    }
    waiting.n_seen = n;
}

static int open_held(struct rn_broker *b, uint32_t seq)
{
    if (held.fd >= 0 && held.seq == seq)
        return held.fd;
    if (held.fd >= 0)
        close(held.fd);
    held.seq = seq;
    held.fd = rn_found_open(b, &b->netns[seq]);
    return held.fd;
}

static bool is_behind(struct rn_visit *v, const struct rn_far_link *l, uint32_t seq)
{
    int fd = open_held(v->b, seq);

    return fd >= 0 && rn_nsid_ask(&v->route, fd) == l->nsid;
}

static void find_other_half(struct rn_visit *v, struct rn_far_link *l)
{
    struct rn_far_link *links = v->b->far->links;
    size_t at = place_of(l->peer, l->index);
    unsigned n_asked = 0;

    for (size_t i = 0; i < PROBES_MAX && waiting.n != 0 && n_asked < ASKS_MAX; i++, at++) {
        uint32_t slot = waiting.slots[at & (waiting.n_slots - 1)];
        struct rn_far_link *other = slot != 0 ? &links[slot - 1] : NULL;

        if (other == NULL)
            return;
        if (other->index != l->peer || other->peer != l->index || other->target != 0 ||
            other->seq == l->seq)
            continue;
        n_asked++;
        if (is_behind(v, l, other->seq)) {
            l->target = other->seq + 1;
            other->target = l->seq + 1;
            return;
        }
    }
}

void rn_visit_halves(struct rn_visit *v)
{
    struct rn_broker *b = v->b;

    if (b->n_met == 0)
        return;
    catch_up(b->far);
    for (uint32_t i = 0; i < b->n_met; i++) {
        if (b->met[i].is_pair)
            find_other_half(v, &b->met[i]);
    }
    rn_far_links_share(b);
}
