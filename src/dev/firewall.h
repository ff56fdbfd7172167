#pragma once
/* Of <runnel/wrap.h>. */
#include "dev/flow.h"

#include <runnel/wrap.h>
