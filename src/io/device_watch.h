#pragma once
/*
 * Tells whoever uses a device with a descriptor when it is ready, by the device's own events: what a forwarder, a point-to-point
 * link or a mux needs to work on TUNs and sockets as it does on devices in memory. (A NIC's pump has io/driver.h.) Edge-triggered, so
 * that a user who does not read for now is not woken for it.
 */
#include "dev/device.h"
#include "io/loop.h"

struct rn_device_watch {
    struct rn_watch watch;
    struct rn_device *dev; /* borrows */
};

/* In memory of the caller's; rn_device_watch_new of <runnel/device.h> is the same in its own. Stop it before the device is freed. Errors: BAD_NIC (no descriptor), host. */
RN_MUST_USE int rn_device_watch_start(struct rn_device_watch *self, struct rn_loop *loop,
                                      struct rn_device *dev);
/* A no-op when not started. */
void rn_device_watch_stop(struct rn_device_watch *self);
