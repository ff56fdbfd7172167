#pragma once
/* Which multicast groups a NIC listens to: those every host must (RFC 1112 §7.2; RFC 4291 §2.8). */
#include "stack/nic.h"

bool rn_group_is_joined(const struct rn_nic *nic, struct rn_addr group);
