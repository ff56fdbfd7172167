#include "base/alloc.h"

void *rn_alloc_new(const struct rn_alloc *a, size_t bytes)
{
    return a->alloc(a->ctx, bytes);
}

void *rn_alloc_array(const struct rn_alloc *a, size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes))
        return NULL;
    return rn_alloc_new(a, bytes);
}

void rn_alloc_free(const struct rn_alloc *a, void *ptr, size_t bytes)
{
    if (ptr != NULL)
        a->free(a->ctx, ptr, bytes);
}
