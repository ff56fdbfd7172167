#pragma once
/* Of <runnel/memory.h>. */
#include "dev/device.h"

#include <runnel/memory.h>
