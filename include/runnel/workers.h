#pragma once
/*
 * Several stacks on one TUN: N workers, each a thread with a loop and a stack of its own over a queue of its own, that share
 * nothing. Each connection lives on one of them; a packet that comes by another's queue is handed over (io/steer.h tells
 * whose is what).
 *
 *     rn_workers_new(&workers, &opts);
 *     for each i:  rn_tun_open(&queue, rn_loop_turn(rn_workers_loop(workers, i)), ...is_multi_queue...);
 *                  rn_workers_queue(workers, i, queue, &device);
 *                  a stack on that turn, a NIC over device, rn_nic_attach, what the stack serves
 *                  rn_workers_serve(workers, i, stack);
 *     rn_workers_start(workers);
 *     rn_workers_run(workers);         until rn_loop_stop(rn_workers_loop(workers, 0))
 *     free stacks and devices of all; then rn_workers_free(workers)
 *
 * Everything is built and freed by one thread, while none of the others runs. All stacks have the same addresses; what serves
 * on them must be there on each. The device must be a TUN with as many queues as there are workers.
 */
#include <runnel/device.h>
#include <runnel/stack.h>

#include <stddef.h>

struct rn_workers;

#define RN_WORKERS_MAX 16u

struct rn_workers_opts {
    unsigned n;            /* 1 to RN_WORKERS_MAX; 1 costs nothing: no thread, no ring */
    size_t pool_max_bytes; /* memory for packets, of all together; 0: as one loop has */
};

struct rn_workers_counts {
    uint64_t handed_over; /* packets given to other workers */
    uint64_t taken_over;  /* packets of other workers' queues that were for this one */
};

/* Returns owned. Errors: NOMEM, BAD_OPTION, host. */
RN_PUBLIC RN_MUST_USE int rn_workers_new(struct rn_workers **ret,
                                         const struct rn_workers_opts *opts);
/* Consumes @workers (may be NULL), whose stacks and devices must be gone. Threads that were started and never run end.
 * Returns NULL. */
RN_PUBLIC struct rn_workers *rn_workers_free(struct rn_workers *workers);
RN_PUBLIC unsigned rn_workers_count(const struct rn_workers *workers);
/* Borrowed. */
RN_PUBLIC struct rn_loop *rn_workers_loop(const struct rn_workers *workers, unsigned index);
/* Gives worker @index its queue, on its loop's turn; consumes @queue on success. Returns owned the device that its NIC is to
 * have. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_workers_queue(struct rn_workers *workers, unsigned index,
                                           struct rn_device *queue, struct rn_device **ret);
/* @stack (borrowed) has that device under its NIC. */
RN_PUBLIC void rn_workers_serve(struct rn_workers *workers, unsigned index, struct rn_stack *stack);
/* Which worker gets the datagrams that @inner, inside, sends: who receives for it on the other side should live there. */
RN_PUBLIC unsigned rn_workers_owner(const struct rn_workers *workers,
                                    const struct rn_endpoint *inner);
/* Starts the threads of workers 1 and up, which wait for rn_workers_run: between the two the process can give up rights, and
 * no packet is read. Errors: BAD_STATE (twice), host. */
RN_PUBLIC RN_MUST_USE int rn_workers_start(struct rn_workers *workers);
/* Runs worker 0 in the calling thread, and the others in theirs, until worker 0's loop is stopped; when it returns all have
 * stopped. Errors: BAD_STATE (not started), host: the first that ended a loop. */
RN_PUBLIC RN_MUST_USE int rn_workers_run(struct rn_workers *workers);
/* On the worker's own thread, or while none runs. */
RN_PUBLIC void rn_workers_get_counts(const struct rn_workers *workers, unsigned index,
                                     struct rn_workers_counts *ret);
