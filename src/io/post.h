#pragma once
/* For loop.c: work handed to a loop by other threads, by rn_post of <runnel/loop.h>. */

struct rn_loop;
struct rn_watch;

/* Wakes the loop; any thread, async-signal-safe. */
void rn_loop_ring(struct rn_loop *loop);
/* Handler of the loop's eventfd: runs what was posted. */
void rn_post_run(struct rn_watch *watch, unsigned ready);
/* Tells what was posted that it will not run. */
void rn_post_cancel_all(struct rn_loop *loop);
