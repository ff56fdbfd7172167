#pragma once
/*
 * What most tests start from: a counting allocator, a pool and a turn with a fixed seed at time 0.
 *
 *     struct rn_test_turn t;
 *     rn_test_turn_init(&t);
 *     ... rn_test_turn_run(&t, 5 * RN_NS_PER_MS); ...
 *     rn_test_turn_fini(&t);      fails when a packet, buffer, timer, task or allocation is left
 */
#include "base/turn.h"
#include "test_alloc.h"

struct rn_test_turn {
    struct rn_test_alloc alloc;
    struct rn_pool *pool;
    struct rn_turn turn;
};

static inline void rn_test_turn_init_within(struct rn_test_turn *t, size_t pool_bytes)
{
    static const uint8_t seed[16] = "runnel test seed";
    struct rn_pool_limits limits = { .max_bytes = pool_bytes };

    rn_test_alloc_init(&t->alloc);
    assert_int_equal(rn_pool_new(&t->pool, &t->alloc.alloc, &limits), 0);
    rn_turn_init(&t->turn, t->pool, seed, 0);
}

static inline void rn_test_turn_init(struct rn_test_turn *t)
{
    rn_test_turn_init_within(t, 0);
}

static inline void rn_test_turn_fini(struct rn_test_turn *t)
{
    struct rn_pool_stats stats;

    rn_pool_get_stats(t->pool, &stats);
    assert_int_equal(stats.pkts_in_use, 0);
    assert_int_equal(stats.small_in_use, 0);
    assert_int_equal(stats.big_in_use, 0);
    assert_int_equal(stats.lent_in_use, 0);
    assert_int_equal(t->turn.wheel.n_armed, 0);
    rn_turn_fini(&t->turn);
    t->pool = rn_pool_free(t->pool);
    rn_test_alloc_fini(&t->alloc);
}

/* One turn at @now_ns with nothing fed in. */
static inline void rn_test_turn_at(struct rn_test_turn *t, int64_t now_ns)
{
    rn_turn_begin(&t->turn, now_ns);
    rn_turn_end(&t->turn);
}

/* Lets @ns pass as a loop would: one turn at every deadline on the way, and one at the end. */
static inline void rn_test_turn_run(struct rn_test_turn *t, int64_t ns)
{
    int64_t end_ns = t->turn.now_ns + ns;
    int64_t next_ns;

    while ((next_ns = rn_turn_deadline_ns(&t->turn)) <= end_ns)
        rn_test_turn_at(t, next_ns);
    rn_test_turn_at(t, end_ns);
}

/* Runs turns, jumping from deadline to deadline, until nothing is armed or @limit_ns have passed. */
static inline void rn_test_turn_settle(struct rn_test_turn *t, int64_t limit_ns)
{
    int64_t end_ns = t->turn.now_ns + limit_ns;
    int64_t next_ns;

    rn_test_turn_at(t, t->turn.now_ns);
    while ((next_ns = rn_turn_deadline_ns(&t->turn)) != INT64_MAX && next_ns <= end_ns)
        rn_test_turn_at(t, next_ns);
}
