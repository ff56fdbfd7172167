#pragma once
/* A device whose wire is in the caller's hands (<runnel/memory.h>), and its wire as packets. */
#include "dev/device.h"

#include <runnel/memory.h>

/* Moves at most @max packets that were written to @to. Returns how many; 0 when none wait. */
unsigned rn_chan_drain(struct rn_device *dev, struct rn_pktq *to, unsigned max);
/* Consumes packets from the front of @from, to be read by the stack, as long as there is room. Returns how many, or CANCELLED
 * once closed. */
int rn_chan_inject(struct rn_device *dev, struct rn_pktq *from);
