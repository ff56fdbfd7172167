#pragma once
/* Cross-thread mailbox: many producers, one consumer, intrusive, lock-free (Vyukov). The only atomics of L0. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct rn_mpsc_node {
    _Atomic(struct rn_mpsc_node *) next;
};

struct rn_mpsc {
    _Atomic(struct rn_mpsc_node *) tail; /* producers */
    struct rn_mpsc_node *head;           /* consumer */
    struct rn_mpsc_node stub;
};

void rn_mpsc_init(struct rn_mpsc *q);
/* Any thread. Returns true when the consumer may have been idle (the queue looked empty) and should be woken. */
bool rn_mpsc_push(struct rn_mpsc *q, struct rn_mpsc_node *node);
/* Consumer only. NULL: empty, or a push is half done and its producer will wake us. */
struct rn_mpsc_node *rn_mpsc_pop(struct rn_mpsc *q);
