#pragma once
/* For loop.c: work handed to a loop by other threads, by rn_post of <runnel/loop.h> or with memory of the caller's. */
#include "base/mpsc.h"
#include <runnel/loop.h>

/* Work in memory that its owner keeps until .fn runs, so that handing it over cannot fail. */
struct rn_posted {
    struct rn_mpsc_node node;
    rn_posted_fn *fn;
    void *arg;
    bool is_heap; /* rn_post's own */
};

/* As rn_post; borrows @work until its function is called. */
void rn_post_work(struct rn_loop *loop, struct rn_posted *work);
/* Wakes the loop; any thread, async-signal-safe. */
void rn_loop_ring(struct rn_loop *loop);
/* Handler of the loop's eventfd: runs what was posted. */
void rn_post_run(struct rn_watch *watch, unsigned ready);
/* Tells what was posted that it will not run. */
void rn_post_cancel_all(struct rn_loop *loop);
