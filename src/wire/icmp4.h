#pragma once
/* ICMP (RFC 792, RFC 1191 §4 for the MTU). The quoted packet of an error is in quote.h; checksums are the caller's. */
#include "base/view.h"
#include <runnel/addr.h>

#define RN_ICMP4_HDR_BYTES   8u
#define RN_ICMP4_CHECKSUM_AT 2u
/* An error is at most this long in all, IP header included (RFC 1812 §4.3.2.3). */
#define RN_ICMP4_ERROR_MAX_BYTES 576u

enum rn_icmp4_type {
    RN_ICMP4_ECHO_REPLY = 0,
    RN_ICMP4_UNREACH = 3,
    RN_ICMP4_SOURCE_QUENCH = 4, /* RFC 6633: ignored */
    RN_ICMP4_REDIRECT = 5,
    RN_ICMP4_ECHO = 8,
    RN_ICMP4_TIME_EXCEEDED = 11,
    RN_ICMP4_PARAM_PROBLEM = 12,
    RN_ICMP4_TIMESTAMP = 13,
    RN_ICMP4_TIMESTAMP_REPLY = 14,
};

enum rn_icmp4_unreach {
    RN_ICMP4_NET = 0,
    RN_ICMP4_HOST = 1,
    RN_ICMP4_PROTO = 2,
    RN_ICMP4_PORT = 3,
    RN_ICMP4_FRAG_NEEDED = 4,
    RN_ICMP4_SRC_ROUTE = 5,
    RN_ICMP4_NET_UNKNOWN = 6, /* RFC 1122 §3.2.2.1, as are the next */
    RN_ICMP4_HOST_UNKNOWN = 7,
    RN_ICMP4_HOST_ISOLATED = 8,
    RN_ICMP4_NET_PROHIBITED = 9,
    RN_ICMP4_HOST_PROHIBITED = 10,
    RN_ICMP4_NET_TOS = 11,
    RN_ICMP4_HOST_TOS = 12,
    RN_ICMP4_ADMIN_PROHIBITED = 13, /* RFC 1812 §5.2.7.1 */
};

enum rn_icmp4_time_exceeded { RN_ICMP4_TTL_IN_TRANSIT = 0, RN_ICMP4_REASSEMBLY = 1 };

/* The eight bytes all messages share; which of the fields is meant depends on the type, the others are zero. */
struct rn_icmp4_hdr {
    uint8_t type;
    uint8_t code;
    uint8_t pointer; /* PARAM_PROBLEM: byte of the quoted header that is wrong */
    uint16_t checksum;
    uint16_t id;            /* ECHO, TIMESTAMP and their replies */
    uint16_t seq;           /* the same */
    uint16_t mtu;           /* UNREACH with FRAG_NEEDED; 0 from routers older than RFC 1191 */
    struct rn_addr gateway; /* REDIRECT */
};

/* Errors: MALFORMED. */
RN_MUST_USE int rn_icmp4_parse(struct rn_icmp4_hdr *ret, struct rn_view *ret_payload,
                               struct rn_view msg);
/* The checksum is written as it stands in @hdr. */
void rn_icmp4_emit(const struct rn_icmp4_hdr *hdr, uint8_t out[RN_ICMP4_HDR_BYTES]);
/* Carries a quoted packet; never answered with an error of ours (RFC 1122 §3.2.2). */
bool rn_icmp4_is_error(uint8_t type);
