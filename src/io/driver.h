#pragma once
/*
 * Joins the readiness of a device's descriptor to the pump that moves its packets: reads when it is readable, at most a
 * turn's share, and asks for writability only while the device refuses packets.
 */
#include "io/loop.h"
#include "stack/pump.h"

struct rn_driver {
    struct rn_watch watch;
    struct rn_flush flush;
    struct rn_pump *pump; /* borrows */
};

/* The pump's device must have a descriptor. Stop the driver before pump and device are freed. Errors: host, BAD_NIC (no fd). */
RN_MUST_USE int rn_driver_start(struct rn_driver *driver, struct rn_loop *loop,
                                struct rn_pump *pump);
/* A no-op when not started. */
void rn_driver_stop(struct rn_driver *driver);
