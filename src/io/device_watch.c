#include "io/device_watch.h"

#include <runnel/err.h>

/* Hang-ups and errors are learnt by reading. */
static void wake(struct rn_watch *watch, unsigned ready)
{
    struct rn_device_watch *self = rn_container_of(watch, struct rn_device_watch, watch);
    unsigned events = (ready & RN_IO_WRITE) != 0 ? RN_DEV_WRITABLE : 0;

    if ((ready & ~(unsigned)RN_IO_WRITE) != 0)
        events |= RN_DEV_READABLE;
    rn_device_ready(self->dev, events);
}

int rn_device_watch_start(struct rn_device_watch *self, struct rn_loop *loop, struct rn_device *dev)
{
    int fd = dev->ops->poll_fd != NULL ? dev->ops->poll_fd(dev) : -1;

    if (fd < 0)
        return RN_E_BAD_NIC;
    *self = (struct rn_device_watch){ .watch.fn = wake, .dev = dev };
    return rn_loop_watch(loop, &self->watch, fd, RN_IO_READ | RN_IO_WRITE | RN_IO_EDGE);
}

void rn_device_watch_stop(struct rn_device_watch *self)
{
    rn_unwatch(&self->watch);
}

/* --- of its own memory -------------------------------------------------------------------------------------------- */
int rn_device_watch_new(struct rn_device_watch **ret, struct rn_loop *loop,
                        struct rn_device *device)
{
    struct rn_device_watch *self = rn_alloc_new(&loop->alloc, sizeof(*self));
    int err;

    if (self == NULL)
        return RN_E_NOMEM;
    err = rn_device_watch_start(self, loop, device);
    if (err < 0) {
        rn_alloc_free(&loop->alloc, self, sizeof(*self));
        return err;
    }
    *ret = self;
    return RN_OK;
}

struct rn_device_watch *rn_device_watch_free(struct rn_device_watch *self)
{
    if (self == NULL)
        return NULL;
    rn_device_watch_stop(self);
    rn_alloc_free(rn_turn_alloc(self->dev->turn), self, sizeof(*self));
    return NULL;
}
