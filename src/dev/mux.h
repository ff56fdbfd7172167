#pragma once
/* Of <runnel/join.h>. */
#include "dev/device.h"

#include <runnel/join.h>
