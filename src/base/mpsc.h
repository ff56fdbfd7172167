#pragma once
/*
 * Cross-thread mailbox: many producers, one consumer, intrusive, lock-free, first in first out. Producers push on a
 * stack; the consumer takes the whole stack at once and turns it round. So there is no half-done push to wait for, and
 * "was it empty?" is exact: every batch costs one wake-up. The only atomics of L0. Zero is an empty mailbox.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct rn_mpsc_node {
    struct rn_mpsc_node *next;
};

struct rn_mpsc {
    _Atomic(struct rn_mpsc_node *) pushed; /* newest first */
    struct rn_mpsc_node *taken;            /* oldest first; the consumer's own */
};

void rn_mpsc_init(struct rn_mpsc *q);
/* Any thread. Returns true when the consumer had taken all there was, and so must be woken. */
bool rn_mpsc_push(struct rn_mpsc *q, struct rn_mpsc_node *node);
/* Consumer only. NULL: empty; the next push will say "wake". */
struct rn_mpsc_node *rn_mpsc_pop(struct rn_mpsc *q);
