#pragma once
/*
 * Reading netlink bytes, live or recorded: messages in a datagram, attributes in a message. Works on views at any
 * alignment, so that a stream from a file is read by the same code as the kernel's reply; every length is checked,
 * a broken one ends the walk. Values are in the byte order of the machine that made them.
 */
#include "base/view.h"

#include <runnel/attr.h>

struct rn_nlmsg {
    uint16_t type;
    uint16_t flags;
    uint32_t seq;
    struct rn_view payload;
};

struct rn_nlattr {
    uint16_t type; /* without NLA_F_NESTED and NLA_F_NET_BYTEORDER */
    struct rn_view value;
};

/* Takes the next message off @rest; false at the end or at a broken length, which empties @rest. */
bool rn_nlmsg_next(struct rn_view *rest, struct rn_nlmsg *ret);
/* Takes the family header of @bytes off @payload; NULL if it is shorter. Its fields are read with rn_nl_*_at(). */
bool rn_nlmsg_take_header(struct rn_view *payload, size_t bytes, struct rn_view *ret);
bool rn_nlattr_next(struct rn_view *rest, struct rn_nlattr *ret);
/* Fills @tb[0..max]; absent ones have ptr NULL, of repeated ones the last wins, types above @max are skipped. */
void rn_nlattr_table(struct rn_view attrs, struct rn_view *tb, unsigned max);

/* Zero when the value is absent or shorter. */
uint8_t rn_nl_u8(struct rn_view v);
uint16_t rn_nl_u16(struct rn_view v);
uint32_t rn_nl_u32(struct rn_view v);
int32_t rn_nl_i32(struct rn_view v);
uint64_t rn_nl_u64(struct rn_view v);
uint16_t rn_nl_be16(struct rn_view v);
uint32_t rn_nl_be32(struct rn_view v);
uint64_t rn_nl_be64(struct rn_view v);
/* The value at @offset inside a header; zero beyond its end. */
uint8_t rn_nl_u8_at(struct rn_view v, size_t offset);
uint16_t rn_nl_u16_at(struct rn_view v, size_t offset);
uint32_t rn_nl_u32_at(struct rn_view v, size_t offset);
uint64_t rn_nl_u64_at(struct rn_view v, size_t offset);
/* An address by the length of the value; none for any other length than 4 and 16. */
struct rn_addr rn_nl_addr(struct rn_view v);
/* Text up to the first NUL. */
struct rn_view rn_nl_str(struct rn_view v);
static inline bool rn_nl_has(struct rn_view v)
{
    return v.ptr != NULL;
}
