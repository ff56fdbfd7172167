#pragma once
/*
 * Brings each packet of a multi-queue TUN to the worker that it belongs to, whichever queue it came by. A device over each
 * queue, and a ring for each pair of workers (io/handover.h).
 *
 * The kernel chooses the queue of what comes from inside (drivers/net/tun.c, tun_automq_select_queue): the one on which we
 * last sent to that flow in the last three seconds, if it remembers the flow (4096 of them); else by a hash of addresses,
 * protocol and ports, the same both ways. So the answer to a flow's packets draws the flow to the queue of who answers, and:
 *   TCP             belongs to the worker that has the connection: the one whose queue the SYN came by, as the rest does. What
 *                   strays (a connection made from here whose SYN-ACK was faster than the kernel's note, one that slept) goes
 *                   round until its owner has it; if nobody has, where it came by it is answered.
 *   UDP             to the worker its inner address and port hash to: the gate has one host socket for both together. Its
 *                   answers draw the flow to its queue; what is never answered is copied across as long as it lasts.
 *   fragments       have no ports: to the hub, which puts them together; the whole goes on as above.
 *   ICMP errors     to whom they quote; of TCP, to all.
 *   all else        (echo) to the hub, which is worker 0.
 */
#include "base/hashkey.h"
#include "dev/stacked.h"
#include "io/handover.h"
#include "io/post.h"
#include "stack/stack.h"

#include <runnel/workers.h>

struct rn_steer;

/* From one worker to another. */
struct rn_steer_way {
    struct rn_handover ring;
    struct rn_posted knock; /* on the receiver's loop */
    struct rn_steer *to;
    atomic_bool has_knocked;
};

/* What the workers share: written before threads start, only read by them. Zero is "nobody". */
struct rn_steering {
    unsigned n;
    struct rn_hash_key key;
    struct rn_steer *steers[RN_WORKERS_MAX]; /* borrows */
    struct rn_steer_way *ways;               /* owned; [from * n + to] */
};

/* Errors: NOMEM. */
RN_MUST_USE int rn_steering_init(struct rn_steering *all, const struct rn_alloc *alloc, unsigned n);
/* After all devices and loops. */
void rn_steering_fini(struct rn_steering *all, const struct rn_alloc *alloc);
unsigned rn_steering_owner(const struct rn_steering *all, const struct rn_endpoint *inner);

/* The device of worker @index over @queue (consumed on success), which lives on @loop. Returns owned. Errors: NOMEM. */
RN_MUST_USE int rn_steer_new(struct rn_device **ret, struct rn_steering *all, unsigned index,
                             struct rn_loop *loop, struct rn_device *queue);
/* Lets @stack, which has that device, give away what is another's. */
void rn_steer_serve(struct rn_device *device, struct rn_stack *stack);
void rn_steer_get_counts(const struct rn_device *device, struct rn_workers_counts *ret);
