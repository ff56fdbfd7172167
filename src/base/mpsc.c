#include "base/mpsc.h"

void rn_mpsc_init(struct rn_mpsc *q)
{
    atomic_init(&q->pushed, NULL);
    q->taken = NULL;
}

bool rn_mpsc_push(struct rn_mpsc *q, struct rn_mpsc_node *node)
{
    struct rn_mpsc_node *newest = atomic_load_explicit(&q->pushed, memory_order_relaxed);

    do {
        node->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&q->pushed, &newest, node, memory_order_release,
                                                    memory_order_relaxed));
    return newest == NULL;
}

static struct rn_mpsc_node *reverse(struct rn_mpsc_node *newest)
{
    struct rn_mpsc_node *oldest = NULL;

    while (newest != NULL) {
        struct rn_mpsc_node *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

struct rn_mpsc_node *rn_mpsc_pop(struct rn_mpsc *q)
{
    struct rn_mpsc_node *node;

    if (q->taken == NULL)
        q->taken = reverse(atomic_exchange_explicit(&q->pushed, NULL, memory_order_acquire));
    node = q->taken;
    if (node == NULL)
        return NULL;
    q->taken = node->next;
    node->next = NULL;
    return node;
}
