#include "dev/split.h"

#include <runnel/err.h>

#define DEFAULT_QUEUE 1024u

struct front {
    struct rn_device dev;
    struct rn_split *split; /* NULL once that is gone */
    unsigned index;
    struct rn_pktq in;
    bool was_refused;
};

struct rn_split {
    struct rn_device *below; /* owned */
    struct rn_split_opts opts;
    struct rn_task task; /* DELIVER */
    struct rn_drop_account drops;
    struct front *fronts[RN_SPLIT_FRONTS_MAX]; /* borrows */
};

static struct front *front_of(struct rn_device *dev)
{
    return rn_container_of(dev, struct front, dev);
}

/* --- from below ----------------------------------------------------------------------------------------------- */
static void hand_out(struct rn_split *split, struct rn_pkt *pkt)
{
    unsigned index = split->opts.route != NULL ? split->opts.route(split->opts.arg, pkt) : 0;
    struct front *front = index < RN_SPLIT_FRONTS_MAX ? split->fronts[index] : NULL;

    if (front == NULL || front->dev.is_closed) {
        pkt->account = &split->drops;
        rn_pkt_drop(pkt, RN_DROP_NO_ROUTE);
        return;
    }
    if (front->in.n_pkts >= split->opts.queue_pkts) {
        pkt->account = &front->dev.drops;
        rn_pkt_drop(pkt, RN_DROP_RX_QUEUE_FULL);
        return;
    }
    rn_pktq_push(&front->in, pkt);
}

static void tell_fronts(struct rn_split *split, unsigned events)
{
    for (unsigned i = 0; i < RN_SPLIT_FRONTS_MAX; i++) {
        if (split->fronts[i] != NULL)
            rn_device_notify(&split->fronts[i]->dev, events);
    }
}

static void tell_who_has_packets(struct rn_split *split)
{
    for (unsigned i = 0; i < RN_SPLIT_FRONTS_MAX; i++) {
        if (split->fronts[i] != NULL && !rn_pktq_is_empty(&split->fronts[i]->in))
            rn_device_notify(&split->fronts[i]->dev, RN_DEV_READABLE);
    }
}

static void front_close(struct rn_device *dev)
{
    if (dev->is_closed)
        return;
    dev->is_closed = true;
    rn_device_notify(dev, RN_DEV_CLOSED);
}

static void close_fronts(struct rn_split *split)
{
    for (unsigned i = 0; i < RN_SPLIT_FRONTS_MAX; i++) {
        if (split->fronts[i] != NULL)
            front_close(&split->fronts[i]->dev);
    }
}

static void run(struct rn_task *task)
{
    struct rn_split *split = rn_container_of(task, struct rn_split, task);
    struct rn_pktq in = { 0 };
    struct rn_pkt *pkt;
    int n = split->below->ops->read_batch(split->below, &in, RN_DEVICE_TURN_PKTS);

    while ((pkt = rn_pktq_pop(&in)) != NULL)
        hand_out(split, pkt);
    tell_who_has_packets(split);
    if (n >= 0)
        rn_turn_schedule(split->below->turn, RN_PHASE_DELIVER, &split->task);
    else if (n != RN_E_WOULD_BLOCK)
        close_fronts(split); /* the device below is closed, and nothing is left in it */
}

static void tell_who_was_refused(struct rn_split *split)
{
    for (unsigned i = 0; i < RN_SPLIT_FRONTS_MAX; i++) {
        struct front *front = split->fronts[i];

        if (front == NULL || !front->was_refused)
            continue;
        front->was_refused = false;
        rn_device_notify(&front->dev, RN_DEV_WRITABLE);
    }
}

/* A front looks like the device below. */
static void follow(struct rn_split *split)
{
    const struct rn_device *below = split->below;

    for (unsigned i = 0; i < RN_SPLIT_FRONTS_MAX; i++) {
        struct front *front = split->fronts[i];

        if (front == NULL)
            continue;
        front->dev.mtu = below->mtu;
        memcpy(front->dev.name, below->name, sizeof(front->dev.name));
    }
}

static void on_event(struct rn_device *below, unsigned events)
{
    struct rn_split *split = below->owner;

    if (events & (RN_DEV_READABLE | RN_DEV_CLOSED))
        rn_turn_schedule(below->turn, RN_PHASE_DELIVER, &split->task);
    if (events & RN_DEV_WRITABLE)
        tell_who_was_refused(split);
    /* That it closed is found by reading, behind what it still has. */
    events &= ~(unsigned)(RN_DEV_READABLE | RN_DEV_WRITABLE | RN_DEV_CLOSED);
    if (events == 0)
        return;
    follow(split);
    tell_fronts(split, events);
}

/* --- a front -------------------------------------------------------------------------------------------------- */
static bool is_over(const struct front *front)
{
    return front->dev.is_closed || front->split == NULL;
}

static int front_read(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct front *front = front_of(dev);
    unsigned n;

    for (n = 0; n < max && !rn_pktq_is_empty(&front->in); n++)
        rn_pktq_push(in, rn_pktq_pop(&front->in));
    if (n != 0)
        return (int)n;
    return is_over(front) ? RN_E_CANCELLED : RN_E_WOULD_BLOCK;
}

static int front_write(struct rn_device *dev, struct rn_pktq *out)
{
    struct front *front = front_of(dev);
    int n;

    if (is_over(front))
        return RN_E_CANCELLED;
    n = front->split->below->ops->write_batch(front->split->below, out);
    front->was_refused = n >= 0 && !rn_pktq_is_empty(out);
    return n;
}

static void front_destroy(struct rn_device *dev)
{
    struct front *front = front_of(dev);

    front_close(dev);
    rn_pktq_free_all(&front->in);
    if (front->split != NULL)
        front->split->fronts[front->index] = NULL;
    rn_alloc_free(rn_turn_alloc(dev->turn), front, sizeof(*front));
}

static const struct rn_device_ops front_ops = {
    .kind = "front",
    .read_batch = front_read,
    .write_batch = front_write,
    .close = front_close,
    .destroy = front_destroy,
};

int rn_split_front(struct rn_device **ret, struct rn_split *split, unsigned index)
{
    struct front *front;

    if (index >= RN_SPLIT_FRONTS_MAX)
        return RN_E_BAD_OPTION;
    if (split->fronts[index] != NULL)
        return RN_E_EXISTS;
    front = rn_alloc_new(rn_turn_alloc(split->below->turn), sizeof(*front));
    if (front == NULL)
        return RN_E_NOMEM;
    front->dev = *split->below;
    front->dev.ops = &front_ops;
    front->dev.notify = NULL;
    front->dev.owner = NULL;
    front->dev.drops = (struct rn_drop_account){ 0 };
    front->split = split;
    front->index = index;
    split->fronts[index] = front;
    rn_turn_schedule(split->below->turn, RN_PHASE_DELIVER, &split->task);
    *ret = &front->dev;
    return RN_OK;
}

/* --- the whole ------------------------------------------------------------------------------------------------ */
int rn_split_new(struct rn_split **ret, struct rn_device *below, const struct rn_split_opts *opts)
{
    struct rn_split *split = rn_alloc_new(rn_turn_alloc(below->turn), sizeof(*split));

    if (split == NULL)
        return RN_E_NOMEM;
    split->below = below;
    split->opts = *opts;
    if (split->opts.queue_pkts == 0)
        split->opts.queue_pkts = DEFAULT_QUEUE;
    split->task.run = run;
    below->owner = split;
    below->notify = on_event;
    *ret = split;
    return RN_OK;
}

struct rn_split *rn_split_free(struct rn_split *split)
{
    const struct rn_alloc *alloc;

    if (split == NULL)
        return NULL;
    alloc = rn_turn_alloc(split->below->turn);
    rn_turn_unschedule(&split->task);
    close_fronts(split);
    for (unsigned i = 0; i < RN_SPLIT_FRONTS_MAX; i++) {
        if (split->fronts[i] != NULL)
            split->fronts[i]->split = NULL;
    }
    split->below->notify = NULL;
    rn_device_free(split->below);
    rn_alloc_free(alloc, split, sizeof(*split));
    return NULL;
}

const struct rn_drop_account *rn_split_drops(const struct rn_split *split)
{
    return &split->drops;
}
