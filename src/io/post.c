#include "io/post.h"

#include "io/loop.h"
#include <runnel/err.h>

#include <unistd.h>

/* A turn runs at most this many, so that a thread that posts in a loop cannot keep packets waiting. */
#define POSTS_PER_TURN_MAX 1024u

void rn_loop_ring(struct rn_loop *loop)
{
    const uint64_t one = 1;

    /* Fails only when 2^64 - 2 rings are pending: it rings already. */
    ssize_t n = write(loop->event_fd, &one, sizeof(one)); /* syscalls: write */

    (void)n;
}

void rn_post_work(struct rn_loop *loop, struct rn_posted *work)
{
    if (rn_mpsc_push(&loop->posted, &work->node))
        rn_loop_ring(loop);
}

int rn_post(struct rn_loop *loop, rn_posted_fn *fn, void *arg)
{
    struct rn_posted *p = rn_alloc_new(&loop->alloc, sizeof(*p));

    if (p == NULL)
        return RN_E_NOMEM;
    p->fn = fn;
    p->arg = arg;
    p->is_heap = true;
    rn_post_work(loop, p);
    return RN_OK;
}

static bool run_one(struct rn_loop *loop, struct rn_loop *told)
{
    struct rn_mpsc_node *node = rn_mpsc_pop(&loop->posted);
    struct rn_posted *p;
    struct rn_posted copy;

    if (node == NULL)
        return false;
    p = rn_container_of(node, struct rn_posted, node);
    copy = *p;
    if (copy.is_heap)
        rn_alloc_free(&loop->alloc, p, sizeof(*p));
    copy.fn(told, copy.arg);
    return true;
}

void rn_post_run(struct rn_watch *watch, unsigned ready)
{
    struct rn_loop *loop = watch->loop;
    uint64_t rings;
    ssize_t n = read(watch->fd, &rings, sizeof(rings)); /* syscalls: read */

    (void)ready;
    (void)n; /* edge-triggered and non-blocking: reading only resets the count */
    for (unsigned i = 0; i < POSTS_PER_TURN_MAX; i++) {
        if (!run_one(loop, loop))
            return;
    }
    rn_loop_ring(loop);
}

void rn_post_cancel_all(struct rn_loop *loop)
{
    while (run_one(loop, NULL))
        continue;
}
