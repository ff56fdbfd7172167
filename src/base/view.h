#pragma once
/*
 * Bounded reading. A view is bytes that somebody else owns; a reader eats a view from the left. Reading past
 * the end yields zero and latches .short_read: parsers read all they need and ask once. A parser of every packet asks for
 * its fixed header first and reads from a view of just that length: the compiler sees that no read can be short.
 */
#include "base/bytes.h"

#include <runnel/addr.h>

struct rn_view {
    const uint8_t *ptr;
    size_t len;
};

struct rn_reader {
    struct rn_view rest;
    bool short_read;
};

static inline struct rn_view rn_view_of(const void *ptr, size_t len)
{
    return (struct rn_view){ ptr, len };
}

static inline struct rn_reader rn_reader_of(struct rn_view view)
{
    return (struct rn_reader){ view, false };
}

/* The next @len bytes, or an empty view and the latch. Never NULL with a length. */
static inline struct rn_view rn_read_view(struct rn_reader *r, size_t len)
{
    struct rn_view v = { r->rest.ptr, len };

    if (len > r->rest.len) {
        r->short_read = true;
        r->rest.len = 0;
        return (struct rn_view){ r->rest.ptr, 0 };
    }
    r->rest.ptr += len;
    r->rest.len -= len;
    return v;
}

static inline uint8_t rn_read_u8(struct rn_reader *r)
{
    struct rn_view v = rn_read_view(r, 1);

    return v.len != 0 ? v.ptr[0] : 0;
}

static inline uint16_t rn_read_be16(struct rn_reader *r)
{
    struct rn_view v = rn_read_view(r, 2);

    return v.len != 0 ? rn_get_be16(v.ptr) : 0;
}

static inline uint32_t rn_read_be32(struct rn_reader *r)
{
    struct rn_view v = rn_read_view(r, 4);

    return v.len != 0 ? rn_get_be32(v.ptr) : 0;
}

static inline uint64_t rn_read_be64(struct rn_reader *r)
{
    struct rn_view v = rn_read_view(r, 8);

    return v.len != 0 ? rn_get_be64(v.ptr) : 0;
}

static inline uint16_t rn_read_le16(struct rn_reader *r)
{
    struct rn_view v = rn_read_view(r, 2);

    return v.len != 0 ? rn_get_le16(v.ptr) : 0;
}

static inline uint32_t rn_read_le32(struct rn_reader *r)
{
    struct rn_view v = rn_read_view(r, 4);

    return v.len != 0 ? rn_get_le32(v.ptr) : 0;
}

/* Zeroes @out on a short read. */
static inline void rn_read_bytes(struct rn_reader *r, void *out, size_t len)
{
    struct rn_view v = rn_read_view(r, len);

    if (v.len != 0)
        memcpy(out, v.ptr, len);
    else
        memset(out, 0, len);
}

static inline struct rn_addr rn_read_addr4(struct rn_reader *r)
{
    return rn_addr_v4(rn_read_be32(r));
}

static inline struct rn_addr rn_read_addr6(struct rn_reader *r)
{
    struct rn_addr a;

    rn_read_bytes(r, a.b, sizeof(a.b));
    return a;
}
