#pragma once
/* Work handed to a loop by other threads: the only thing threads say to each other. */
#include <runnel/attr.h>

struct rn_loop;
struct rn_watch;

/* Runs on the loop's thread, inside a turn. @loop is NULL when the loop ended before: then only release @arg. */
typedef void rn_posted_fn(struct rn_loop *loop, void *arg);

/*
 * Runs @fn(@loop, @arg) on @loop's thread in the order of posting of each thread. Any thread; the loop must outlive the call.
 * Errors: NOMEM.
 */
RN_MUST_USE int rn_post(struct rn_loop *loop, rn_posted_fn *fn, void *arg);

/* For loop.c: wakes the loop (async-signal-safe); runs what was posted; tells the posted that they will not run. */
void rn_loop_ring(struct rn_loop *loop);
void rn_post_run(struct rn_watch *watch, unsigned ready);
void rn_post_cancel_all(struct rn_loop *loop);
