#include "dev/forward.h"

#include <runnel/err.h>

static void schedule(struct rn_forwarder *forwarder)
{
    rn_turn_schedule(forwarder->turn, RN_PHASE_DELIVER, &forwarder->task);
}

static void on_event(struct rn_device *dev, unsigned events)
{
    struct rn_forwarder *forwarder = dev->owner;
    struct rn_copy *copy = &forwarder->copy;

    /* A closed end is found out by using it. */
    if (dev == copy->from && (events & (RN_DEV_READABLE | RN_DEV_CLOSED)) != 0)
        copy->may_read = true;
    if (dev == copy->to && (events & (RN_DEV_WRITABLE | RN_DEV_CLOSED)) != 0)
        copy->may_write = true;
    schedule(forwarder);
}

static void let_go(struct rn_device *dev)
{
    if (dev == NULL)
        return;
    dev->notify = NULL;
    dev->owner = NULL;
}

static void adopt(struct rn_forwarder *forwarder, struct rn_device *dev)
{
    if (dev == NULL)
        return;
    dev->notify = on_event;
    dev->owner = forwarder;
    schedule(forwarder);
}

static bool may_pair(const struct rn_device *dev, const struct rn_device *other)
{
    return dev == NULL || other == NULL || (dev != other && dev->link_type == other->link_type);
}

int rn_forwarder_set_from(struct rn_forwarder *forwarder, struct rn_device *dev)
{
    if (dev == forwarder->copy.from)
        return RN_OK;
    if (!may_pair(dev, forwarder->copy.to))
        return RN_E_BAD_OPTION;
    let_go(forwarder->copy.from);
    rn_copy_set_from(&forwarder->copy, dev);
    adopt(forwarder, dev);
    return RN_OK;
}

int rn_forwarder_set_to(struct rn_forwarder *forwarder, struct rn_device *dev)
{
    if (dev == forwarder->copy.to)
        return RN_OK;
    if (!may_pair(dev, forwarder->copy.from))
        return RN_E_BAD_OPTION;
    let_go(forwarder->copy.to);
    rn_copy_set_to(&forwarder->copy, dev);
    adopt(forwarder, dev);
    return RN_OK;
}

static void take_out_from(struct rn_forwarder *forwarder)
{
    struct rn_device *failed = forwarder->copy.from;

    let_go(failed);
    rn_copy_set_from(&forwarder->copy, NULL);
    if (forwarder->on_end_failed != NULL)
        forwarder->on_end_failed(forwarder, failed);
}

static void take_out_to(struct rn_forwarder *forwarder)
{
    struct rn_device *failed = forwarder->copy.to;

    let_go(failed);
    rn_copy_set_to(&forwarder->copy, NULL);
    if (forwarder->on_end_failed != NULL)
        forwarder->on_end_failed(forwarder, failed);
}

static void run(struct rn_task *task)
{
    struct rn_forwarder *forwarder = rn_container_of(task, struct rn_forwarder, task);

    switch (rn_copy_run(&forwarder->copy)) {
    case RN_COPY_WAITS:
        return;
    case RN_COPY_HAS_MORE:
        schedule(forwarder);
        return;
    case RN_COPY_FROM_FAILED:
        take_out_from(forwarder);
        return;
    case RN_COPY_TO_FAILED:
        take_out_to(forwarder);
        return;
    }
}

void rn_forwarder_init(struct rn_forwarder *forwarder, struct rn_turn *turn)
{
    *forwarder = (struct rn_forwarder){ .turn = turn, .task.run = run };
}

void rn_forwarder_fini(struct rn_forwarder *forwarder)
{
    rn_turn_unschedule(&forwarder->task);
    let_go(forwarder->copy.from);
    let_go(forwarder->copy.to);
    rn_copy_fini(&forwarder->copy);
}

/* --- of its own memory -------------------------------------------------------------------------------------------- */
struct owned_forwarder {
    struct rn_forwarder forwarder;
    struct rn_forwarder_opts opts;
};

static void tell_failed(struct rn_forwarder *forwarder, struct rn_device *end)
{
    const struct owned_forwarder *self =
        rn_container_of(forwarder, struct owned_forwarder, forwarder);

    if (self->opts.on_end_failed != NULL)
        self->opts.on_end_failed(self->opts.arg, forwarder, end);
}

int rn_forwarder_new(struct rn_forwarder **ret, struct rn_turn *turn,
                     const struct rn_forwarder_opts *opts)
{
    struct owned_forwarder *self = rn_alloc_new(rn_turn_alloc(turn), sizeof(*self));

    if (self == NULL)
        return RN_E_NOMEM;
    self->opts = *opts;
    rn_forwarder_init(&self->forwarder, turn);
    self->forwarder.on_end_failed = tell_failed;
    self->forwarder.copy.does_not_merge = opts->does_not_merge;
    *ret = &self->forwarder;
    return RN_OK;
}

struct rn_forwarder *rn_forwarder_free(struct rn_forwarder *forwarder)
{
    if (forwarder == NULL)
        return NULL;
    rn_forwarder_fini(forwarder);
    rn_alloc_free(rn_turn_alloc(forwarder->turn), forwarder, sizeof(struct owned_forwarder));
    return NULL;
}

uint64_t rn_forwarder_count(const struct rn_forwarder *forwarder)
{
    return forwarder->copy.n_pkts;
}
