#pragma once
/* The device that returns what it is given: lo. Takes super-packets and missing checksums, since no wire follows. */
#include "dev/device.h"

#define RN_LOOPBACK_MTU 65536u

/* Returns owned. @mtu 0: RN_LOOPBACK_MTU. Errors: NOMEM. */
RN_MUST_USE int rn_loopback_new(struct rn_device **ret, struct rn_turn *turn, uint32_t mtu);
