#pragma once
/*
 * The epoll loop behind <runnel/loop.h>: one loop = one thread = one turn = one pool. Between wake-ups it sleeps until the
 * turn's next deadline, to the nanosecond.
 */
#include "base/list.h"
#include "base/mpsc.h"
#include "base/pool.h"
#include "base/turn.h"
#include "io/idle.h"
#include <runnel/loop.h>

#include <stdatomic.h>
#include <sys/epoll.h>

/* Called after every turn, for what must look at the outcome of it (a driver whose device refused a packet asks for
 * EPOLLOUT). Embedded in its owner. */
struct rn_flush {
    struct rn_list link;
    void (*fn)(struct rn_flush *flush);
};

struct rn_loop_opts {
    const struct rn_alloc *alloc; /* NULL: libc; must be safe on any thread that posts */
    struct rn_pool_limits pool;
    const uint8_t *seed; /* 16 bytes, for tests that want the same stream twice; NULL: entropy */
};

#define RN_LOOP_EVENTS_MAX 128

struct rn_loop {
    struct rn_alloc alloc;
    struct rn_pool *pool;
    struct rn_turn turn;
    int epoll_fd;
    int event_fd; /* other threads ring it */
    struct rn_watch on_event;
    struct rn_mpsc posted;
    unsigned n_watches;
    struct rn_list flushes;
    atomic_bool should_stop;
    bool is_epoll_pwait2_missing;
    struct rn_idle idle;
    /* The batch being dispatched. A watch that goes away is struck out of it, so that no handler is called for it. */
    struct epoll_event events[RN_LOOP_EVENTS_MAX];
    int n_events;
    int next_event;
    uint64_t n_wakeups;
};

/* Adds @flush, whose .fn is set, to the end of every turn; rn_loop_unflush ends that and is a no-op when not added. */
void rn_loop_flush(struct rn_loop *loop, struct rn_flush *flush);
void rn_loop_unflush(struct rn_flush *flush);
