#pragma once
/* A learning switch, of <runnel/join.h>. */
#include "dev/device.h"

#include <runnel/join.h>

/* What was dropped between ports. Borrowed. */
const struct rn_drop_account *rn_bridge_drops(const struct rn_bridge *bridge);
