#pragma once
/* Two packet devices joined back to back on one turn: <runnel/pipe.h>. */
#include "dev/device.h"

#include <runnel/pipe.h>
