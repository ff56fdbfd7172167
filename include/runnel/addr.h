#pragma once
/*
 * Addresses, prefixes and endpoints as plain values. One type carries both families: IPv4 is kept v4-mapped
 * (RFC 4291 §2.5.5.2), all zero is "none". Bytes are in wire order inside the value and nowhere else.
 */
#include <runnel/attr.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rn_addr {
    union {
        uint8_t b[16];
        uint64_t
            w[2]; /* for comparing and hashing only; the order of bytes in it is the machine's */
    };
};

struct rn_prefix {
    struct rn_addr addr; /* bits beyond @bits are zero */
    uint8_t bits;        /* 0..32 for IPv4, 0..128 for IPv6, as users write it */
    uint8_t is_v4;
};

/* Zero @nic means any NIC; it is also the scope of a link-local address. Port in host order. */
struct rn_endpoint {
    struct rn_addr addr;
    uint16_t port;
    uint16_t nic;
};

struct rn_mac {
    uint8_t b[6];
};

enum rn_family { RN_FAMILY_NONE = 0, RN_FAMILY_V4 = 4, RN_FAMILY_V6 = 6 };

/* Longest text: "[" + 45 + "%" + 5 + "]:" + 5 + NUL, and a prefix. */
#define RN_ADDR_TEXT_BYTES     46
#define RN_ENDPOINT_TEXT_BYTES 64
#define RN_PREFIX_TEXT_BYTES   50
#define RN_MAC_TEXT_BYTES      18

static inline struct rn_addr rn_addr_none(void)
{
    return (struct rn_addr){ .w = { 0, 0 } };
}

static inline bool rn_addr_is_none(struct rn_addr a)
{
    return (a.w[0] | a.w[1]) == 0;
}

static inline bool rn_addr_eq(struct rn_addr a, struct rn_addr b)
{
    return ((a.w[0] ^ b.w[0]) | (a.w[1] ^ b.w[1])) == 0;
}

/* A word of an address as a number, or a number as such a word: the first byte is the highest. */
static inline uint64_t rn_addr_word(uint64_t word_or_number)
{
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? word_or_number
                                                  : __builtin_bswap64(word_or_number);
}

/* From a host-order number: 0x7f000001 is 127.0.0.1. */
static inline struct rn_addr rn_addr_v4(uint32_t host_order)
{
    return (struct rn_addr){ .w = { 0, rn_addr_word(0xffff00000000u | host_order) } };
}

static inline bool rn_addr_is_v4(struct rn_addr a)
{
    return a.w[0] == 0 && rn_addr_word(a.w[1]) >> 32 == 0xffff;
}

/* Host-order number of a v4 address; 0 if it is none. */
static inline uint32_t rn_addr_to_v4(struct rn_addr a)
{
    return rn_addr_is_v4(a) ? (uint32_t)rn_addr_word(a.w[1]) : 0;
}

/* From wire order. A v4-mapped address is IPv4 from here on. */
RN_PUBLIC struct rn_addr rn_addr_v6(const uint8_t bytes[16]);
/* RN_FAMILY_NONE for the zero value. */
RN_PUBLIC enum rn_family rn_addr_family(struct rn_addr a);
RN_PUBLIC bool rn_addr_is_any(struct rn_addr a);       /* 0.0.0.0, ::, none */
RN_PUBLIC bool rn_addr_is_loopback(struct rn_addr a);  /* 127/8, ::1 */
RN_PUBLIC bool rn_addr_is_multicast(struct rn_addr a); /* 224/4, ff00::/8 */
RN_PUBLIC bool rn_addr_is_broadcast(struct rn_addr a); /* 255.255.255.255 only */
/* May be one end of a conversation: none of any, multicast, broadcast. */
RN_PUBLIC bool rn_addr_is_unicast(struct rn_addr a);
RN_PUBLIC bool rn_addr_is_link_local(struct rn_addr a); /* 169.254/16, fe80::/10 */
/* Total order for sorted output: none < IPv4 < IPv6, then by bytes. < 0, 0, > 0. */
RN_PUBLIC int rn_addr_cmp(struct rn_addr a, struct rn_addr b);

/* RFC 4291 §2.2 and dotted quads without leading zeros; RFC 5952 on output. A zone ("%eth0") is not accepted
 * here. "::" yields the zero value; "::ffff:1.2.3.4" is the IPv4 address.
 * Errors: PARSE. */
RN_PUBLIC RN_MUST_USE int rn_addr_parse(const char *text, struct rn_addr *ret);
/* Writes at most RN_ADDR_TEXT_BYTES with NUL, returns @buf. "none" is written as "-". */
RN_PUBLIC char *rn_addr_print(struct rn_addr a, char buf[RN_ADDR_TEXT_BYTES]);
/* "1.2.3.4:80", "[::1]:80", "[fe80::1%3]:80" (the NIC's id), "*:80" or "[::]:80" for any address. Errors: PARSE. */
RN_PUBLIC RN_MUST_USE int rn_endpoint_parse(const char *text, struct rn_endpoint *ret);
RN_PUBLIC char *rn_endpoint_print(const struct rn_endpoint *e, char buf[RN_ENDPOINT_TEXT_BYTES]);

/* Clears host bits. @bits is clamped to the family's maximum. */
RN_PUBLIC struct rn_prefix rn_prefix_of(struct rn_addr a, unsigned bits);
RN_PUBLIC bool rn_prefix_contains(const struct rn_prefix *p, struct rn_addr a);
RN_PUBLIC bool rn_prefix_overlaps(const struct rn_prefix *p, const struct rn_prefix *q);
RN_PUBLIC bool rn_prefix_eq(const struct rn_prefix *p, const struct rn_prefix *q);
/* Highest address of the prefix: the broadcast address of an IPv4 subnet. (That of ::/80 is v4-mapped, thus IPv4.) */
RN_PUBLIC struct rn_addr rn_prefix_last(const struct rn_prefix *p);
/* "10.0.0.0/8", "fe80::/10"; a bare address is a host prefix. Errors: PARSE (also for set host bits). */
RN_PUBLIC RN_MUST_USE int rn_prefix_parse(const char *text, struct rn_prefix *ret);
RN_PUBLIC char *rn_prefix_print(const struct rn_prefix *p, char buf[RN_PREFIX_TEXT_BYTES]);

/* Errors: PARSE. */
RN_PUBLIC RN_MUST_USE int rn_mac_parse(const char *text, struct rn_mac *ret);
RN_PUBLIC char *rn_mac_print(struct rn_mac mac, char buf[RN_MAC_TEXT_BYTES]);
