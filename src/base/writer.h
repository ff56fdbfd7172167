#pragma once
/*
 * Bounded writing, the twin of view.h. A writer fills a span from the left. Writing past the end writes
 * nothing and latches .overflow: emitters write all they have and ask once.
 */
#include "base/bytes.h"

#include <runnel/addr.h>

struct rn_writer {
    uint8_t *start;
    size_t len; /* written so far */
    size_t cap;
    bool overflow;
};

static inline struct rn_writer rn_writer_of(void *ptr, size_t cap)
{
    return (struct rn_writer){ ptr, 0, cap, false };
}

/* Room for @len bytes, or NULL and the latch. The bytes are uninitialised. */
static inline uint8_t *rn_write_room(struct rn_writer *w, size_t len)
{
    uint8_t *p = w->start + w->len;

    if (len > w->cap - w->len || w->overflow) {
        w->overflow = true;
        return NULL;
    }
    w->len += len;
    return p;
}

static inline void rn_write_u8(struct rn_writer *w, uint8_t v)
{
    uint8_t *p = rn_write_room(w, 1);

    if (p != NULL)
        *p = v;
}

static inline void rn_write_be16(struct rn_writer *w, uint16_t v)
{
    uint8_t *p = rn_write_room(w, 2);

    if (p != NULL)
        rn_put_be16(p, v);
}

static inline void rn_write_be32(struct rn_writer *w, uint32_t v)
{
    uint8_t *p = rn_write_room(w, 4);

    if (p != NULL)
        rn_put_be32(p, v);
}

static inline void rn_write_be64(struct rn_writer *w, uint64_t v)
{
    uint8_t *p = rn_write_room(w, 8);

    if (p != NULL)
        rn_put_be64(p, v);
}

static inline void rn_write_le16(struct rn_writer *w, uint16_t v)
{
    uint8_t *p = rn_write_room(w, 2);

    if (p != NULL)
        rn_put_le16(p, v);
}

static inline void rn_write_le32(struct rn_writer *w, uint32_t v)
{
    uint8_t *p = rn_write_room(w, 4);

    if (p != NULL)
        rn_put_le32(p, v);
}

static inline void rn_write_bytes(struct rn_writer *w, const void *bytes, size_t len)
{
    uint8_t *p = rn_write_room(w, len);

    if (p != NULL && len != 0)
        memcpy(p, bytes, len);
}

static inline void rn_write_zeros(struct rn_writer *w, size_t len)
{
    uint8_t *p = rn_write_room(w, len);

    if (p != NULL)
        memset(p, 0, len);
}

static inline void rn_write_addr4(struct rn_writer *w, struct rn_addr a)
{
    rn_write_be32(w, rn_addr_to_v4(a));
}

static inline void rn_write_addr6(struct rn_writer *w, struct rn_addr a)
{
    rn_write_bytes(w, a.b, sizeof(a.b));
}
