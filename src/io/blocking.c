#include "dev/single.h"
#include "io/device_watch.h"
#include "io/post.h"
#include <runnel/blocking.h>
#include <runnel/err.h>

#include "io/loop.h"

#include <errno.h>
#include <limits.h>
#include <semaphore.h>

enum lane { LANE_READ, LANE_WRITE, LANES };

struct rn_blocking {
    struct rn_loop *loop;
    struct rn_device *dev; /* borrows */
    struct rn_device_watch watch;
    struct rn_single *single; /* of the device */
    struct rn_list waiting[LANES];
    struct rn_task serve; /* EVENT: the device told something */
};

/* One call, in the memory of the thread that waits for it. Everything but .done belongs to the loop's thread. */
struct op {
    struct rn_posted posted;
    struct rn_list link; /* while it waits */
    struct rn_timer timer;
    struct rn_blocking *io;
    /* Returns what the call returns, or WOULD_BLOCK to wait. NULL: read .result */
    int (*attempt)(struct op *op);
    enum lane lane;
    void *buf;
    const void *bytes;
    size_t len;
    int64_t wait_ns;
    int result;
    sem_t done;
};

/* --- operations, on the loop's thread --------------------------------------------------------------------------- */
/* The caller wakes and @op is gone. */
static void finish(struct op *op, int result)
{
    rn_turn_cancel(&op->io->loop->turn, &op->timer);
    op->result = result;
    sem_post(&op->done);
}

static void give_up(struct rn_timer *timer)
{
    struct op *op = rn_container_of(timer, struct op, timer);

    rn_list_remove(&op->link);
    finish(op, RN_E_WOULD_BLOCK);
}

static void serve_lane(struct rn_blocking *io, enum lane lane)
{
    struct rn_list *first;

    while ((first = rn_list_first(&io->waiting[lane])) != NULL) {
        struct op *op = rn_list_entry(first, struct op, link);
        int result = op->attempt(op);

        if (result == RN_E_WOULD_BLOCK)
            return;
        rn_list_remove(&op->link);
        finish(op, result);
    }
}

static void serve(struct rn_task *task)
{
    struct rn_blocking *io = rn_container_of(task, struct rn_blocking, serve);

    serve_lane(io, LANE_READ);
    serve_lane(io, LANE_WRITE);
}

static void on_device(void *arg, unsigned events)
{
    struct rn_blocking *io = arg;
    (void)events;

    rn_turn_schedule(&io->loop->turn, RN_PHASE_EVENT, &io->serve);
}

/* Those who came before are served first. */
static void start(struct rn_loop *loop, void *arg)
{
    struct op *op = arg;
    int result = RN_E_WOULD_BLOCK;

    if (loop == NULL) { /* the loop ended before */
        op->result = RN_E_CANCELLED;
        sem_post(&op->done);
        return;
    }
    if (op->lane == LANES || rn_list_is_empty(&op->io->waiting[op->lane]))
        result = op->attempt(op);
    if (result != RN_E_WOULD_BLOCK || op->wait_ns == 0) {
        finish(op, result);
        return;
    }
    rn_list_push_back(&op->io->waiting[op->lane], &op->link);
    if (op->wait_ns > 0 && op->wait_ns < INT64_MAX - loop->turn.now_ns)
        rn_turn_arm(&loop->turn, &op->timer, loop->turn.now_ns + op->wait_ns);
}

static int carry_out(struct op *op)
{
    op->posted.fn = start;
    op->posted.arg = op;
    op->timer.fire = give_up;
    sem_init(&op->done, 0, 0);
    rn_post_work(op->io->loop, &op->posted);
    while (sem_wait(&op->done) < 0 && errno == EINTR)
        continue;
    sem_destroy(&op->done);
    return op->result;
}

/* --- what they do ------------------------------------------------------------------------------------------------- */
static int attempt_read(struct op *op)
{
    return rn_single_read(op->io->single, op->buf, op->len);
}

static int attempt_write(struct op *op)
{
    return rn_single_write(op->io->single, op->bytes, op->len);
}

static void tell_closed(struct rn_blocking *io)
{
    struct rn_list *first;

    serve_lane(io, LANE_READ); /* what is left to read */
    for (unsigned lane = 0; lane < LANES; lane++) {
        while ((first = rn_list_first(&io->waiting[lane])) != NULL) {
            rn_list_remove(first);
            finish(rn_container_of(first, struct op, link), RN_E_CANCELLED);
        }
    }
}

static int attempt_close(struct op *op)
{
    op->io->dev->ops->close(op->io->dev);
    tell_closed(op->io);
    return RN_OK;
}

static int attempt_detach(struct op *op)
{
    struct rn_blocking *io = op->io;

    tell_closed(io);
    rn_device_watch_stop(&io->watch);
    rn_turn_unschedule(&io->serve);
    io->single = rn_single_free(io->single);
    return RN_OK;
}

/* --- for everybody ------------------------------------------------------------------------------------------------ */
int rn_blocking_new(struct rn_blocking **ret, struct rn_loop *loop, struct rn_device *device)
{
    struct rn_blocking *io = rn_alloc_new(&loop->alloc, sizeof(*io));
    int err = RN_OK;

    if (io == NULL)
        return RN_E_NOMEM;
    io->loop = loop;
    io->dev = device;
    io->serve.run = serve;
    for (unsigned lane = 0; lane < LANES; lane++)
        rn_list_init(&io->waiting[lane]);
    if (device->ops->poll_fd != NULL && device->ops->poll_fd(device) >= 0)
        err = rn_device_watch_start(&io->watch, loop, device);
    if (err >= 0)
        err = rn_single_new(&io->single, device, on_device, io);
    if (err < 0) {
        rn_device_watch_stop(&io->watch);
        rn_alloc_free(&loop->alloc, io, sizeof(*io));
        return err;
    }
    *ret = io;
    return RN_OK;
}

struct rn_blocking *rn_blocking_free(struct rn_blocking *io)
{
    struct op op = { .io = io, .attempt = attempt_detach, .lane = LANES };

    if (io == NULL)
        return NULL;
    (void)carry_out(&op);
    rn_alloc_free(&io->loop->alloc, io, sizeof(*io));
    return NULL;
}

int rn_blocking_read(struct rn_blocking *io, void *buf, size_t cap, int64_t wait_ns)
{
    struct op op = { .io = io,
                     .attempt = attempt_read,
                     .lane = LANE_READ,
                     .buf = buf,
                     .len = cap,
                     .wait_ns = wait_ns };

    return carry_out(&op);
}

int rn_blocking_write(struct rn_blocking *io, const void *buf, size_t len, int64_t wait_ns)
{
    struct op op = { .io = io,
                     .attempt = attempt_write,
                     .lane = LANE_WRITE,
                     .bytes = buf,
                     .len = len,
                     .wait_ns = wait_ns };

    return len == 0 || len > INT_MAX ? RN_E_MSG_TOO_LONG : carry_out(&op);
}

void rn_blocking_close(struct rn_blocking *io)
{
    struct op op = { .io = io, .attempt = attempt_close, .lane = LANES };

    (void)carry_out(&op);
}
