#pragma once
/*
 * A face of a device that can be taken away without touching the device: shut (reads find nothing, writes are refused, so nothing is
 * lost and whoever uses it waits), opened again, closed and freed, while the device behind lives on in other hands.
 */
#include "dev/device.h"

/* Borrows @behind, whose events it takes until it is freed; it starts open. Faces may be stacked. Returns owned. Errors: NOMEM. */
RN_MUST_USE int rn_detached_new(struct rn_device **ret, struct rn_device *behind);
/* Tells RN_DEV_LINK_DOWN; a no-op when shut or closed. */
void rn_detached_shut(struct rn_device *dev);
/* Tells RN_DEV_LINK_UP and what may have been missed: READABLE, WRITABLE. A no-op when open or closed. */
void rn_detached_open(struct rn_device *dev);
