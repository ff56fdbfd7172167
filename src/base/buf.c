#include "base/buf.h"

#include "base/bytes.h"
#include "base/slab.h"

static struct rn_buf *take(struct rn_pool *pool, enum rn_buf_class class)
{
    struct slab *slab = &pool->slabs[class];
    struct rn_buf *buf;

    if (RN_UNLIKELY(slab->free == NULL) && !rn_slab_grow(pool, (enum slab_kind) class))
        return NULL;
    buf = slab->free;
    slab->free = buf->next_free;
    slab->in_use++;
    buf->refs = 1;
    RN_SHOW(buf->data, buf->cap_bytes);
    return buf;
}

static void give_back(struct rn_buf *buf)
{
    struct slab *slab = &buf->pool->slabs[buf->class];

    buf->next_free = slab->free;
    slab->free = buf;
    slab->in_use--;
    RN_HIDE(buf->data, buf->cap_bytes);
}

struct rn_buf *rn_buf_new(struct rn_pool *pool, enum rn_buf_class class)
{
    rn_assert(class == RN_BUF_SMALL || class == RN_BUF_BIG);
    return take(pool, class);
}

struct rn_buf *rn_buf_new_for(struct rn_pool *pool, size_t bytes)
{
    if (bytes <= RN_BUF_SMALL_BYTES)
        return take(pool, RN_BUF_SMALL);
    return bytes <= RN_BUF_BIG_BYTES ? take(pool, RN_BUF_BIG) : NULL;
}

struct rn_buf *rn_buf_lend(struct rn_pool *pool, const void *data, size_t len,
                           void (*release)(void *arg), void *arg)
{
    struct rn_buf *buf = len > UINT32_MAX ? NULL : take(pool, RN_BUF_LENT);

    if (buf == NULL)
        return NULL;
    /* The struct has one data pointer for all classes; nothing writes to a lent buffer (rn_buf_is_writable). */
    memcpy(&buf->data, &data, sizeof(buf->data));
    buf->cap_bytes = (uint32_t)len;
    buf->release = release;
    buf->release_arg = arg;
    return buf;
}

/* Home first, then the callback: it may free the memory, or lend it again. */
static RN_COLD void release_lent(struct rn_buf *buf)
{
    void (*release)(void *arg) = buf->release;
    void *arg = buf->release_arg;

    buf->data = NULL;
    buf->cap_bytes = 0;
    buf->release = NULL;
    give_back(buf);
    if (release != NULL)
        release(arg);
}

void rn_buf_unref(struct rn_buf *buf)
{
    if (buf == NULL)
        return;
    rn_assert(buf->refs != 0);
    if (--buf->refs != 0)
        return;
    if (RN_UNLIKELY(buf->class == RN_BUF_LENT))
        release_lent(buf);
    else
        give_back(buf);
}
