#pragma once
/* Of <runnel/join.h>. */
#include "dev/device.h"

#include <runnel/join.h>

/* Drops of packets without a front. Borrowed. */
const struct rn_drop_account *rn_split_drops(const struct rn_split *split);
