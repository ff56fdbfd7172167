#include "dev/detach.h"

#include <runnel/err.h>

struct detached {
    struct rn_device dev;
    struct rn_device *behind; /* borrows */
    bool is_shut;
};

static struct detached *detached_of(struct rn_device *dev)
{
    return rn_container_of(dev, struct detached, dev);
}

static void on_event(struct rn_device *behind, unsigned events)
{
    struct detached *self = behind->owner;

    if (events & RN_DEV_MTU_CHANGED)
        self->dev.mtu = behind->mtu;
    if (events & RN_DEV_RENAMED)
        memcpy(self->dev.name, behind->name, sizeof(self->dev.name));
    if (events & RN_DEV_CLOSED) {
        self->dev.is_closed = true;
        self->is_shut = false; /* what is left may be read, and the end found */
    }
    if (self->is_shut) /* told when it opens */
        events &= ~(unsigned)(RN_DEV_READABLE | RN_DEV_WRITABLE | RN_DEV_LINK_UP);
    if (events != 0)
        rn_device_notify(&self->dev, events);
}

static int detached_read(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct detached *self = detached_of(dev);

    if (self->behind == NULL)
        return RN_E_CANCELLED;
    return self->is_shut ? RN_E_WOULD_BLOCK : self->behind->ops->read_batch(self->behind, in, max);
}

static int detached_write(struct rn_device *dev, struct rn_pktq *out)
{
    struct detached *self = detached_of(dev);

    if (self->behind == NULL)
        return RN_E_CANCELLED;
    return self->is_shut ? 0 : self->behind->ops->write_batch(self->behind, out);
}

static int detached_poll_fd(const struct rn_device *dev)
{
    const struct detached *self = rn_container_of(dev, const struct detached, dev);
    const struct rn_device *behind = self->behind;

    return behind != NULL && behind->ops->poll_fd != NULL ? behind->ops->poll_fd(behind) : -1;
}

static void detached_ready(struct rn_device *dev, unsigned events)
{
    struct detached *self = detached_of(dev);

    if (self->behind != NULL)
        rn_device_ready(self->behind, events);
}

static bool detached_is_holding(const struct rn_device *dev)
{
    const struct detached *self = rn_container_of(dev, const struct detached, dev);

    return self->behind != NULL && rn_device_is_holding(self->behind);
}

static void detached_close(struct rn_device *dev)
{
    struct detached *self = detached_of(dev);

    if (self->behind != NULL) {
        self->behind->notify = NULL;
        self->behind->owner = NULL;
        self->behind = NULL;
    }
    if (dev->is_closed)
        return;
    dev->is_closed = true;
    rn_device_notify(dev, RN_DEV_CLOSED);
}

static void detached_destroy(struct rn_device *dev)
{
    detached_close(dev);
    rn_alloc_free(rn_turn_alloc(dev->turn), detached_of(dev), sizeof(struct detached));
}

static const struct rn_device_ops detached_ops = {
    .kind = "detached",
    .read_batch = detached_read,
    .write_batch = detached_write,
    .poll_fd = detached_poll_fd,
    .ready = detached_ready,
    .is_holding = detached_is_holding,
    .close = detached_close,
    .destroy = detached_destroy,
};

int rn_detached_new(struct rn_device **ret, struct rn_device *behind)
{
    struct detached *self = rn_alloc_new(rn_turn_alloc(behind->turn), sizeof(*self));

    if (self == NULL)
        return RN_E_NOMEM;
    self->dev = *behind;
    self->dev.ops = &detached_ops;
    self->dev.notify = NULL;
    self->dev.owner = NULL;
    self->dev.drops = (struct rn_drop_account){ 0 };
    self->behind = behind;
    behind->owner = self;
    behind->notify = on_event;
    *ret = &self->dev;
    return RN_OK;
}

void rn_detached_shut(struct rn_device *dev)
{
    struct detached *self = detached_of(dev);

    if (self->is_shut || dev->is_closed)
        return;
    self->is_shut = true;
    rn_device_notify(dev, RN_DEV_LINK_DOWN);
}

void rn_detached_open(struct rn_device *dev)
{
    struct detached *self = detached_of(dev);

    if (!self->is_shut || dev->is_closed)
        return;
    self->is_shut = false;
    rn_device_notify(dev, RN_DEV_LINK_UP | RN_DEV_READABLE | RN_DEV_WRITABLE);
}
