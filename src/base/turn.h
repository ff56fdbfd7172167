#pragma once
/*
 * One turn of a thread. A thread owns one rn_turn; stacks, devices and gates attach to it, so that several NICs,
 * gates and pipes between two stacks share one time and one flush. The loop (or a test) does:
 *
 *     rn_turn_begin(turn, now_ns);      time is handed in, once per turn
 *     ... feed packets, call the API ...
 *     rn_turn_end(turn);                timers; events; TCP data and ACKs out; pipes and loopback; bounded rounds
 *     ... drain devices; sleep until rn_turn_deadline_ns(turn) ...
 *
 * Work is lists of tasks. A round runs them in order; what a round schedules runs in the same round if its
 * list is still to come, else in the next; after RN_TURN_ROUNDS_MAX rounds the rest waits for the next turn and
 * the deadline is "now". Of the last list one task runs, and only when the others are empty: what a sender writes then
 * goes all its way while it is in the cache, be there one sender or a thousand. Each turn lets one run at least, and no more
 * once the devices moved RN_TURN_REFILL_BYTES: what comes back for it, an acknowledgement above all, is to be read first,
 * since it frees the memory that is in the cache.
 */
#include "base/list.h"
#include "base/pool.h"
#include "base/rand.h"
#include "base/wheel.h"
#include <runnel/attr.h>

#define RN_TURN_ROUNDS_MAX   32
#define RN_TURN_REFILL_BYTES (1u << 20)

enum rn_phase {
    RN_PHASE_EVENT, /* fire readiness and other events: application code runs here, in the next and the last only */
    RN_PHASE_CATCH_UP, /* what had happened before somebody listened: a connection is accepted, and has data */
    RN_PHASE_OUTPUT,  /* connections emit data and ACKs */
    RN_PHASE_DELIVER, /* in-memory devices carry packets across; drivers flush */
    RN_PHASE_REFILL, /* who sends is asked for more, one at a time, when nothing else is left to do */
    RN_PHASE_COUNT
};

/* A unit of deferred work, embedded in its owner. Scheduling twice runs once. */
struct rn_task {
    struct rn_list link;
    void (*run)(struct rn_task *task);
};

struct rn_turn {
    int64_t now_ns; /* monotonic; constant within a turn */
    bool is_open;   /* between begin and end */
    /* An observer runs: API calls that change state are refused with BAD_STATE. */
    bool is_observing;
    struct rn_wheel wheel;
    struct rn_list tasks[RN_PHASE_COUNT];
    struct rn_pool *pool; /* borrows */
    struct rn_rand rand;  /* for jitter and ids that need not be secret; secrets are per stack */
    uint64_t n_turns;
    uint64_t moved_bytes;    /* by the devices of its stacks, both ways */
    uint64_t received_bytes; /* of these */
    /* Optional: work was scheduled outside a turn; the loop wakes up. */
    void (*on_pending)(void *arg);
    void *on_pending_arg;
};

/* Borrows @pool for the life of the turn. @seed: 16 random bytes (or a fixed seed in tests). */
void rn_turn_init(struct rn_turn *turn, struct rn_pool *pool, const uint8_t seed[16],
                  int64_t now_ns);
/* Asserts that nothing is armed or scheduled any more. */
void rn_turn_fini(struct rn_turn *turn);
/* @now_ns before the last turn's time is taken as the last turn's time: time never runs backwards. */
void rn_turn_begin(struct rn_turn *turn, int64_t now_ns);
void rn_turn_end(struct rn_turn *turn);
/* INT64_MAX: nothing armed; turn->now_ns or earlier: work is left. */
int64_t rn_turn_deadline_ns(const struct rn_turn *turn);
/* Idempotent while queued. Allowed at any time on the turn's own thread. */
void rn_turn_schedule(struct rn_turn *turn, enum rn_phase phase, struct rn_task *task);
/* A no-op when not scheduled. */
void rn_turn_unschedule(struct rn_task *task);

static inline void rn_turn_arm(struct rn_turn *turn, struct rn_timer *timer, int64_t deadline_ns)
{
    rn_wheel_arm(&turn->wheel, timer, deadline_ns);
}

static inline void rn_turn_cancel(struct rn_turn *turn, struct rn_timer *timer)
{
    rn_wheel_cancel(&turn->wheel, timer);
}

static inline const struct rn_alloc *rn_turn_alloc(const struct rn_turn *turn)
{
    return rn_pool_alloc(turn->pool);
}
