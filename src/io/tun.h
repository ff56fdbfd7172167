#pragma once
/* The public contract, and what the library needs to keep it. */
#include "dev/device.h"
#include <runnel/tun.h>
