#include "io/alloc.h"

#include <stdlib.h>

static void *libc_alloc(void *ctx, size_t bytes)
{
    (void)ctx;
    return calloc(1, bytes);
}

static void libc_free(void *ctx, void *ptr, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    free(ptr);
}

const struct rn_alloc *rn_alloc_libc(void)
{
    static const struct rn_alloc hooks = { .alloc = libc_alloc, .free = libc_free };

    return &hooks;
}
