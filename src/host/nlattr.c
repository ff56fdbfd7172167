#include "host/nlattr.h"

#include <linux/netlink.h>

static const struct rn_view absent = { NULL, 0 };

/* The next record of @len bytes and its padding to 4; the padding of the last one may be missing. */
static struct rn_view take_padded(struct rn_view *rest, size_t len)
{
    struct rn_view v = { rest->ptr, len };
    size_t step = rn_min_size((len + 3u) & ~(size_t)3u, rest->len);

    rest->ptr += step;
    rest->len -= step;
    return v;
}

bool rn_nlmsg_next(struct rn_view *rest, struct rn_nlmsg *ret)
{
    uint32_t len = rn_nl_u32_at(*rest, 0);
    struct rn_view v;

    if (rest->len < sizeof(struct nlmsghdr) || len < sizeof(struct nlmsghdr) || len > rest->len) {
        *rest = absent;
        return false;
    }
    v = take_padded(rest, len);
    ret->type = rn_nl_u16_at(v, offsetof(struct nlmsghdr, nlmsg_type));
    ret->flags = rn_nl_u16_at(v, offsetof(struct nlmsghdr, nlmsg_flags));
    ret->seq = rn_nl_u32_at(v, offsetof(struct nlmsghdr, nlmsg_seq));
    ret->payload = rn_view_of(v.ptr + sizeof(struct nlmsghdr), len - sizeof(struct nlmsghdr));
    return true;
}

bool rn_nlmsg_take_header(struct rn_view *payload, size_t bytes, struct rn_view *ret)
{
    if (payload->len < bytes)
        return false;
    *ret = take_padded(payload, bytes);
    return true;
}

bool rn_nlattr_next(struct rn_view *rest, struct rn_nlattr *ret)
{
    uint16_t len = rn_nl_u16_at(*rest, 0);
    struct rn_view v;

    if (rest->len < sizeof(struct nlattr) || len < sizeof(struct nlattr) || len > rest->len) {
        *rest = absent;
        return false;
    }
    v = take_padded(rest, len);
    ret->type = (uint16_t)(rn_nl_u16_at(v, offsetof(struct nlattr, nla_type)) & NLA_TYPE_MASK);
    ret->value = rn_view_of(v.ptr + sizeof(struct nlattr), len - sizeof(struct nlattr));
    return true;
}

void rn_nlattr_table(struct rn_view attrs, struct rn_view *tb, unsigned max)
{
    struct rn_nlattr a;

    for (unsigned i = 0; i <= max; i++)
        tb[i] = absent;
    while (rn_nlattr_next(&attrs, &a)) {
        if (a.type <= max)
            tb[a.type] = a.value;
    }
}

uint8_t rn_nl_u8_at(struct rn_view v, size_t offset)
{
    return offset < v.len ? v.ptr[offset] : 0;
}

uint16_t rn_nl_u16_at(struct rn_view v, size_t offset)
{
    uint16_t n = 0;

    if (offset <= v.len && v.len - offset >= sizeof(n))
        memcpy(&n, v.ptr + offset, sizeof(n));
    return n;
}

uint32_t rn_nl_u32_at(struct rn_view v, size_t offset)
{
    uint32_t n = 0;

    if (offset <= v.len && v.len - offset >= sizeof(n))
        memcpy(&n, v.ptr + offset, sizeof(n));
    return n;
}

uint64_t rn_nl_u64_at(struct rn_view v, size_t offset)
{
    uint64_t n = 0;

    if (offset <= v.len && v.len - offset >= sizeof(n))
        memcpy(&n, v.ptr + offset, sizeof(n));
    return n;
}

uint8_t rn_nl_u8(struct rn_view v)
{
    return rn_nl_u8_at(v, 0);
}

uint16_t rn_nl_u16(struct rn_view v)
{
    return rn_nl_u16_at(v, 0);
}

uint32_t rn_nl_u32(struct rn_view v)
{
    return rn_nl_u32_at(v, 0);
}

int32_t rn_nl_i32(struct rn_view v)
{
    return (int32_t)rn_nl_u32_at(v, 0);
}

uint64_t rn_nl_u64(struct rn_view v)
{
    return rn_nl_u64_at(v, 0);
}

uint16_t rn_nl_be16(struct rn_view v)
{
    return v.len >= 2 ? rn_get_be16(v.ptr) : 0;
}

uint32_t rn_nl_be32(struct rn_view v)
{
    return v.len >= 4 ? rn_get_be32(v.ptr) : 0;
}

uint64_t rn_nl_be64(struct rn_view v)
{
    return v.len >= 8 ? rn_get_be64(v.ptr) : 0;
}

struct rn_addr rn_nl_addr(struct rn_view v)
{
    if (v.len == 4)
        return rn_addr_v4(rn_get_be32(v.ptr));
    if (v.len == 16)
        return rn_addr_v6(v.ptr);
    return rn_addr_none();
}

struct rn_view rn_nl_str(struct rn_view v)
{
    const uint8_t *nul = v.len != 0 ? memchr(v.ptr, 0, v.len) : NULL;

    if (nul != NULL)
        v.len = (size_t)(nul - v.ptr);
    return v;
}
