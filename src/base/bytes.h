#pragma once
/*
 * Big-endian loads and stores, checked narrowing, alignment. The only place where byte order is spelled out;
 * everything above wire/ is in host order.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RN_NS_PER_US 1000LL
#define RN_NS_PER_MS 1000000LL
#define RN_NS_PER_S  1000000000LL

#define RN_ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define rn_container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline uint16_t rn_get_be16(const uint8_t *p)
{
    return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

static inline uint32_t rn_get_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t rn_get_be64(const uint8_t *p)
{
    return (uint64_t)rn_get_be32(p) << 32 | rn_get_be32(p + 4);
}

/* Little-endian: SipHash, capture files and dumps; no Internet protocol. */
static inline uint64_t rn_get_le64(const uint8_t *p)
{
    return (uint64_t)p[7] << 56 | (uint64_t)p[6] << 48 | (uint64_t)p[5] << 40 |
           (uint64_t)p[4] << 32 | (uint64_t)p[3] << 24 | (uint64_t)p[2] << 16 |
           (uint64_t)p[1] << 8 | p[0];
}

static inline void rn_put_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void rn_put_be32(uint8_t *p, uint32_t v)
{
    rn_put_be16(p, (uint16_t)(v >> 16));
    rn_put_be16(p + 2, (uint16_t)v);
}

static inline void rn_put_be64(uint8_t *p, uint64_t v)
{
    rn_put_be32(p, (uint32_t)(v >> 32));
    rn_put_be32(p + 4, (uint32_t)v);
}

/* Little endian is spoken by virtio_net_hdr and by our pcapng sections only. */
static inline uint16_t rn_get_le16(const uint8_t *p)
{
    return (uint16_t)((unsigned)p[1] << 8 | p[0]);
}

static inline uint32_t rn_get_le32(const uint8_t *p)
{
    return (uint32_t)rn_get_le16(p + 2) << 16 | rn_get_le16(p);
}

static inline void rn_put_le16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void rn_put_le32(uint8_t *p, uint32_t v)
{
    rn_put_le16(p, (uint16_t)v);
    rn_put_le16(p + 2, (uint16_t)(v >> 16));
}

/* Saturating narrowing: a value that does not fit becomes the largest that does. */
static inline uint8_t rn_sat_u8(uint64_t v)
{
    return v > UINT8_MAX ? UINT8_MAX : (uint8_t)v;
}

static inline uint16_t rn_sat_u16(uint64_t v)
{
    return v > UINT16_MAX ? UINT16_MAX : (uint16_t)v;
}

static inline uint32_t rn_sat_u32(uint64_t v)
{
    return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static inline uint64_t rn_min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t rn_max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline uint32_t rn_min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t rn_max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static inline size_t rn_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline int64_t rn_min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t rn_max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Memory-safety invariants only; no peer may reach it. Live in release: a trap, no message, no syscall. */
#define rn_assert(cond) ((cond) ? (void)0 : __builtin_trap())
