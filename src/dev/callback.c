#include "dev/callback.h"

#include "dev/stacked.h"
#include <runnel/err.h>

#define DEFAULT_MTU   1500u
#define DEFAULT_BATCH 64u
#define GSO_MAX_BYTES (65535u + 14u)

/* --- a device made of functions ------------------------------------------------------------------------------- */
struct callback {
    struct rn_device dev;
    struct rn_callback_opts opts;
};

static struct callback *callback_of(struct rn_device *dev)
{
    return rn_container_of(dev, struct callback, dev);
}

static int callback_read(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    const struct rn_callback_opts *opts = &callback_of(dev)->opts;

    if (dev->is_closed)
        return RN_E_CANCELLED;
    return opts->read != NULL ? opts->read(opts->arg, in, max) : RN_E_WOULD_BLOCK;
}

static int callback_write(struct rn_device *dev, struct rn_pktq *out)
{
    const struct rn_callback_opts *opts = &callback_of(dev)->opts;
    int n = (int)out->n_pkts;

    if (dev->is_closed)
        return RN_E_CANCELLED;
    if (opts->write != NULL)
        return opts->write(opts->arg, out);
    rn_pktq_drop_all(out, RN_DROP_CONSUMED);
    return n;
}

static void callback_close(struct rn_device *dev)
{
    const struct rn_callback_opts *opts = &callback_of(dev)->opts;

    if (dev->is_closed)
        return;
    dev->is_closed = true;
    if (opts->closed != NULL)
        opts->closed(opts->arg);
    rn_device_notify(dev, RN_DEV_CLOSED);
}

static void callback_destroy(struct rn_device *dev)
{
    const struct rn_callback_opts *opts = &callback_of(dev)->opts;

    callback_close(dev);
    if (opts->freed != NULL)
        opts->freed(opts->arg);
    rn_alloc_free(rn_turn_alloc(dev->turn), callback_of(dev), sizeof(struct callback));
}

static const struct rn_device_ops callback_ops = {
    .kind = "callback",
    .read_batch = callback_read,
    .write_batch = callback_write,
    .close = callback_close,
    .destroy = callback_destroy,
};

int rn_callback_new(struct rn_device **ret, struct rn_turn *turn,
                    const struct rn_callback_opts *opts)
{
    struct callback *self = rn_alloc_new(rn_turn_alloc(turn), sizeof(*self));
    struct rn_device *dev;

    if (self == NULL)
        return RN_E_NOMEM;
    self->opts = *opts;
    dev = &self->dev;
    dev->ops = &callback_ops;
    dev->turn = turn;
    memcpy(dev->name, "callback", sizeof("callback"));
    dev->link_type = opts->link_type;
    dev->mac = opts->mac;
    dev->caps = opts->caps;
    dev->mtu = opts->mtu != 0 ? opts->mtu : DEFAULT_MTU;
    dev->gso_max_bytes =
        (opts->caps & (RN_DEV_TSO4 | RN_DEV_TSO6 | RN_DEV_USO)) != 0 ? GSO_MAX_BYTES : 0;
    dev->batch = opts->batch != 0 ? opts->batch : DEFAULT_BATCH;
    *ret = dev;
    return RN_OK;
}

/* --- a device whose operations are told ----------------------------------------------------------------------- */
struct told_device {
    struct rn_stacked base;
    struct rn_told told;
};

static struct told_device *told_of(struct rn_device *dev)
{
    return rn_container_of(dev, struct told_device, base.dev);
}

static int told_read(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct told_device *self = told_of(dev);
    int n = self->base.below->ops->read_batch(self->base.below, in, max);

    if (self->told.on_read != NULL)
        self->told.on_read(self->told.arg, n);
    return n;
}

static int told_write(struct rn_device *dev, struct rn_pktq *out)
{
    struct told_device *self = told_of(dev);
    int n = self->base.below->ops->write_batch(self->base.below, out);

    if (self->told.on_write != NULL)
        self->told.on_write(self->told.arg, n);
    return n;
}

static void told_destroy(struct rn_device *dev)
{
    struct told_device *self = told_of(dev);
    const struct rn_alloc *alloc = rn_turn_alloc(dev->turn);

    rn_stacked_fini(&self->base);
    rn_alloc_free(alloc, self, sizeof(*self));
}

static const struct rn_device_ops told_ops = {
    .kind = "told",
    .read_batch = told_read,
    .write_batch = told_write,
    .poll_fd = rn_stacked_poll_fd,
    .ready = rn_stacked_ready,
    .is_holding = rn_stacked_is_holding,
    .close = rn_stacked_close,
    .destroy = told_destroy,
};

int rn_told_new(struct rn_device **ret, struct rn_device *below, const struct rn_told *told)
{
    struct told_device *self = rn_alloc_new(rn_turn_alloc(below->turn), sizeof(*self));

    if (self == NULL)
        return RN_E_NOMEM;
    self->told = *told;
    rn_stacked_init(&self->base, below, &told_ops);
    *ret = &self->base.dev;
    return RN_OK;
}
