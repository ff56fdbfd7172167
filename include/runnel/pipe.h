#pragma once
/* Two packet devices joined back to back in memory: a network without any system, for tests and for stacks side by side. */
#include <runnel/device.h>

#include <stdint.h>

struct rn_turn;

/* What is written to one end is read from the other: IP packets of at most @mtu bytes (0: 1500), super-segments by reference.
 * Put each under a NIC (rn_nic_new, rn_nic_start), free each by rn_device_free, in any order. Returns owned. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_pipe_open(struct rn_device *ret[2], struct rn_turn *turn,
                                       uint32_t mtu);
