#pragma once
/*
 * Payload buffers: refcounted, non-atomic, read-only once shared (refs > 1). Three kinds: pool slabs of 2 KiB and
 * of 68 KiB, and memory lent by an application, which gets a release callback as an event.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rn_pool;

enum rn_buf_class {
    RN_BUF_SMALL, /* RN_BUF_SMALL_BYTES */
    RN_BUF_BIG,   /* RN_BUF_BIG_BYTES: a 64 KiB frame and its headers */
    RN_BUF_LENT,  /* rn_buf_lend() */
};

#define RN_BUF_SMALL_BYTES 2048u
#define RN_BUF_BIG_BYTES   (68u * 1024u)

struct rn_buf {
    struct rn_pool *pool; /* home; borrows */
    struct rn_buf *next_free;
    uint8_t *data;
    uint32_t cap_bytes;
    uint32_t refs;
    uint8_t class;
    void (*release)(void *arg); /* RN_BUF_LENT: called when the last reference goes */
    void *release_arg;
};

/* Returns owned (refs == 1), or NULL when the budget or memory is exhausted. */
struct rn_buf *rn_buf_new(struct rn_pool *pool, enum rn_buf_class class);
/* The smallest class that holds @bytes; NULL if none does. */
struct rn_buf *rn_buf_new_for(struct rn_pool *pool, size_t bytes);
/* Wraps application memory; @release runs when the last reference is dropped. Returns owned or NULL. */
struct rn_buf *rn_buf_lend(struct rn_pool *pool, const void *data, size_t len,
                           void (*release)(void *arg), void *arg);
static inline struct rn_buf *rn_buf_ref(struct rn_buf *buf)
{
    buf->refs++;
    return buf;
}
/* Nobody else looks at it, and it is ours. */
static inline bool rn_buf_is_writable(const struct rn_buf *buf)
{
    return buf->refs == 1 && buf->class != RN_BUF_LENT;
}
/* Consumes one reference; @buf may be NULL. */
void rn_buf_unref(struct rn_buf *buf);
/* Memory really held by one buffer, for charging budgets: slab and header. */
static inline uint32_t rn_buf_true_bytes(const struct rn_buf *buf)
{
    return buf->cap_bytes + (uint32_t)sizeof(*buf);
}
