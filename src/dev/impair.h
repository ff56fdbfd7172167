#pragma once
/* Of <runnel/wrap.h>. */
#include "dev/device.h"

#include <runnel/wrap.h>
