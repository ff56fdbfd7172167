#include "io/alloc.h"

#include <stdlib.h>
#include <string.h>

/* Up to here glibc keeps what a thread freed at hand, but only malloc looks there: calloc searches the arena each time. Beyond,
 * calloc knows of pages that are zero already. */
#define MALLOC_MAX_BYTES 1024u

static void *libc_alloc(void *ctx, size_t bytes)
{
    void *ptr;
    (void)ctx;

    if (bytes > MALLOC_MAX_BYTES)
        return calloc(1, bytes);
    ptr = malloc(bytes);
    return ptr != NULL ? memset(ptr, 0, bytes) : NULL;
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
