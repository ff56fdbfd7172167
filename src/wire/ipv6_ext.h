#pragma once
/*
 * Walks the IPv6 extension headers (RFC 8200 §4) and the options inside two of them (§4.2). It tells what is there;
 * what to do about it, and which order is acceptable, is ip/exthdr.c's.
 */
#include "base/view.h"
#include "base/writer.h"
#include "wire/proto.h"

/* A chain longer than this is malformed to us: RFC 8504 §5.3 allows such limits, and nobody sends more. */
#define RN_IPV6_EXT_MAX       8u
#define RN_IPV6_EXT_MAX_BYTES 512u

#define RN_IPV6_FRAG_BYTES 8u

struct rn_ipv6_frag {
    uint16_t off_bytes; /* a multiple of 8 */
    bool more;
    uint32_t id;
};

struct rn_ipv6_ext {
    uint8_t type;          /* enum rn_proto: HOP_BY_HOP, ROUTING, FRAGMENT, DST_OPTS or AH */
    uint8_t routing_type;  /* of ROUTING */
    uint8_t segments_left; /* of ROUTING */
    uint16_t
        next_at; /* offset, from the first extension header, of the field that named this header */
    uint16_t at; /* its own offset, for ICMPv6 pointers */
    struct rn_view body;      /* after the first two bytes: options, or the routing header's rest */
    struct rn_ipv6_frag frag; /* of FRAGMENT */
};

struct rn_ipv6_ext_iter {
    struct rn_reader rest;
    uint8_t next; /* protocol of what lies at .rest */
    uint8_t n_seen;
    bool
        is_later_fragment; /* a fragment header with an offset went by: .rest is data in the middle of @next */
    uint16_t at; /* offset of .rest from the first extension header */
    uint16_t
        next_at; /* offset of the next-header field that named it; meaningless while n_seen is 0 */
};

/* @first is the next-header field of the IPv6 header, @bytes what follows it. */
struct rn_ipv6_ext_iter rn_ipv6_ext_iter_of(uint8_t first, struct rn_view bytes);
/* 1: @ret is the next extension header; 0: it->next is no extension header. Errors: MALFORMED (cut short, too many,
 * or too long together). */
RN_MUST_USE int rn_ipv6_ext_next(struct rn_ipv6_ext_iter *it, struct rn_ipv6_ext *ret);

/* Without the fragment's payload. @next is the protocol of the first header of the fragmented part. */
void rn_ipv6_frag_emit(const struct rn_ipv6_frag *frag, uint8_t next,
                       uint8_t out[RN_IPV6_FRAG_BYTES]);

/* What RFC 8200 §4.2 wants done with an option nobody knows: its two highest bits. */
enum rn_ipv6_opt_action {
    RN_IPV6_OPT_SKIP = 0,
    RN_IPV6_OPT_DROP = 1,
    RN_IPV6_OPT_DROP_ICMP = 2,         /* parameter problem code 2, whatever the destination */
    RN_IPV6_OPT_DROP_ICMP_UNICAST = 3, /* only if the destination was no multicast */
};

enum rn_ipv6_opt_type {
    RN_IPV6_OPT_PAD1 = 0,
    RN_IPV6_OPT_PADN = 1,
    RN_IPV6_OPT_ROUTER_ALERT = 5, /* RFC 2711 §2.1 */
    RN_IPV6_OPT_JUMBO = 0xc2,     /* RFC 2675 §2 */
};

struct rn_ipv6_opt {
    uint8_t type; /* never padding */
    uint16_t at;  /* offset within the options, for ICMPv6 pointers */
    struct rn_view data;
};

struct rn_ipv6_opt_iter {
    struct rn_reader rest;
    uint16_t at;
};

struct rn_ipv6_opt_iter rn_ipv6_opt_iter_of(struct rn_view body);
/* 1: @ret is the next option, padding passed over; 0: end. Errors: MALFORMED. */
RN_MUST_USE int rn_ipv6_opt_next(struct rn_ipv6_opt_iter *it, struct rn_ipv6_opt *ret);
enum rn_ipv6_opt_action rn_ipv6_opt_action(uint8_t type);
