#pragma once
/* libc's heap behind the core's allocator hooks. Safe on any thread. */
#include "base/alloc.h"

/* Static; never freed. */
const struct rn_alloc *rn_alloc_libc(void);
