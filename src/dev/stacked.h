#pragma once
/* What devices that stand on another device share: they look like it, own it, and hand its events up. */
#include "dev/device.h"

struct rn_stacked {
    struct rn_device dev;
    struct rn_device *below; /* owned */
    /* Optional: sees an event of the device below before the owner; returns the events to hand up. */
    unsigned (*on_below)(struct rn_stacked *self, unsigned events);
};

/* Takes name, MTU, capabilities and link address of @below, and becomes its owner. */
void rn_stacked_init(struct rn_stacked *self, struct rn_device *below,
                     const struct rn_device_ops *ops);
/* Frees the device below. */
void rn_stacked_fini(struct rn_stacked *self);
/* Ready-made operations. */
int rn_stacked_poll_fd(const struct rn_device *dev);
void rn_stacked_ready(struct rn_device *dev, unsigned events);
bool rn_stacked_is_holding(const struct rn_device *dev);
void rn_stacked_close(struct rn_device *dev);
