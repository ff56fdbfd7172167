#pragma once
/*
 * The epoll loop: one loop = one thread = one turn = one pool. Per wake-up it reads the clock once, opens the turn,
 * runs the handler of every ready descriptor, what other threads posted (post.h), then closes the turn, in which timers
 * fire, events are delivered and devices are flushed (base/turn.h). Between wake-ups it sleeps until the turn's next
 * deadline, to the nanosecond.
 *
 * Everything here belongs to the loop's own thread, except rn_loop_stop and rn_post.
 */
#include "base/list.h"
#include "base/mpsc.h"
#include "base/pool.h"
#include "base/turn.h"
#include <runnel/attr.h>

#include <stdatomic.h>
#include <sys/epoll.h>

struct rn_loop;

/* What a watch asks for, and what its handler is told. */
enum rn_io {
    RN_IO_READ = 1 << 0,
    RN_IO_WRITE = 1 << 1,
    RN_IO_HUP = 1 << 2,   /* told only: the peer closed its sending side, or everything */
    RN_IO_ERROR = 1 << 3, /* told only: an error is pending (SO_ERROR, error queue) */
    RN_IO_EDGE =
        1 << 4, /* asked only: tell changes (EPOLLET); the handler then works until EAGAIN */
};

/*
 * One descriptor and the function that is called when it is ready. Embedded in its owner. Zero is "not watching".
 * The descriptor stays the owner's: unwatch first, then close.
 */
struct rn_watch {
    struct rn_list link;
    struct rn_loop *loop; /* NULL: not watching */
    int fd;
    unsigned interest; /* enum rn_io */
    void (*fn)(struct rn_watch *watch, unsigned ready);
};

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
    struct rn_list watches;
    struct rn_list flushes;
    atomic_bool should_stop;
    bool is_epoll_pwait2_missing;
    /* The batch being dispatched. A watch that goes away is struck out of it, so that no handler is called for it. */
    struct epoll_event events[RN_LOOP_EVENTS_MAX];
    int n_events;
    int next_event;
    uint64_t n_wakeups;
};

/* Returns owned. @opts may be NULL. Errors: NOMEM, host. */
RN_MUST_USE int rn_loop_new(struct rn_loop **ret, const struct rn_loop_opts *opts);
/* Consumes @loop (may be NULL). All watches must be gone and all packets home (rn_assert); what was posted and did not run is
 * told so (post.h). Returns NULL. */
struct rn_loop *rn_loop_free(struct rn_loop *loop);

/* Runs until rn_loop_stop. Errors: host (epoll itself failed). */
RN_MUST_USE int rn_loop_run(struct rn_loop *loop);
/* One wake-up: sleeps at most @max_wait_ns (0: only looks, INT64_MAX: as long as nothing happens), then one turn.
 * Returns how many descriptors were ready. A signal ends the sleep. Errors: host. */
RN_MUST_USE int rn_loop_step(struct rn_loop *loop, int64_t max_wait_ns);
/* Makes rn_loop_run return after the present turn. Any thread, and signal handlers. */
void rn_loop_stop(struct rn_loop *loop);

/* Starts watching @fd, which must not be watched by this loop already; watch->fn must be set. May be called in handlers.
 * Errors: EXISTS, host. */
RN_MUST_USE int rn_loop_watch(struct rn_loop *loop, struct rn_watch *watch, int fd,
                              unsigned interest);
/* Changes what is asked for; free when nothing changes. Errors: host. */
RN_MUST_USE int rn_watch_set(struct rn_watch *watch, unsigned interest);
/* Ends the watch; a no-op when not watching. Afterwards its handler is not called any more, not even for what was
 * ready in the present wake-up, and the owner may be freed. */
void rn_unwatch(struct rn_watch *watch);

/* Adds @flush, whose .fn is set, to the end of every turn; rn_loop_unflush ends that and is a no-op when not added. */
void rn_loop_flush(struct rn_loop *loop, struct rn_flush *flush);
void rn_loop_unflush(struct rn_flush *flush);

static inline struct rn_turn *rn_loop_turn(struct rn_loop *loop)
{
    return &loop->turn;
}
