#pragma once
/* What several fuzz targets need: a heap for the core, and a way to say that something went wrong. */
#include "base/alloc.h"

#include <stdbool.h>
#include <stdlib.h>

static inline void *fuzz_take(void *ctx, size_t bytes)
{
    (void)ctx;
    return calloc(1, bytes);
}

static inline void fuzz_give(void *ctx, void *ptr, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    free(ptr);
}

static const struct rn_alloc fuzz_heap = { .alloc = fuzz_take, .free = fuzz_give };

/* Ends the run with a finding. */
static inline void must(bool holds)
{
    if (!holds)
        abort();
}
