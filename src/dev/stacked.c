#include "dev/stacked.h"

static struct rn_stacked *stacked_of(struct rn_device *dev)
{
    return rn_container_of(dev, struct rn_stacked, dev);
}

static void on_event(struct rn_device *below, unsigned events)
{
    struct rn_stacked *self = below->owner;

    if (events & RN_DEV_MTU_CHANGED)
        self->dev.mtu = below->mtu;
    if (events & RN_DEV_RENAMED)
        memcpy(self->dev.name, below->name, sizeof(self->dev.name));
    if (events & RN_DEV_CLOSED)
        self->dev.is_closed = true;
    if (self->on_below != NULL)
        events = self->on_below(self, events);
    if (events != 0)
        rn_device_notify(&self->dev, events);
}

void rn_stacked_init(struct rn_stacked *self, struct rn_device *below,
                     const struct rn_device_ops *ops)
{
    self->dev = *below;
    self->dev.ops = ops;
    self->dev.notify = NULL;
    self->dev.owner = NULL;
    self->dev.drops = (struct rn_drop_account){ 0 };
    self->below = below;
    below->owner = self;
    below->notify = on_event;
}

void rn_stacked_fini(struct rn_stacked *self)
{
    self->below->notify = NULL;
    self->below = rn_device_free(self->below);
}

int rn_stacked_poll_fd(const struct rn_device *dev)
{
    const struct rn_stacked *self = rn_container_of(dev, const struct rn_stacked, dev);

    return self->below->ops->poll_fd != NULL ? self->below->ops->poll_fd(self->below) : -1;
}

void rn_stacked_ready(struct rn_device *dev, unsigned events)
{
    rn_device_ready(stacked_of(dev)->below, events);
}

bool rn_stacked_is_holding(const struct rn_device *dev)
{
    const struct rn_stacked *self = rn_container_of(dev, const struct rn_stacked, dev);

    return rn_device_is_holding(self->below);
}

void rn_stacked_close(struct rn_device *dev)
{
    struct rn_stacked *self = stacked_of(dev);

    self->below->ops->close(self->below);
}
