#pragma once
/* ICMPv6 (RFC 4443): the common header, errors and echo. Neighbour discovery is in ndp.h, quoted packets in quote.h;
 * checksums are the caller's. */
#include "base/view.h"
#include <runnel/attr.h>

#define RN_ICMP6_HDR_BYTES   8u
#define RN_ICMP6_CHECKSUM_AT 2u
/* An error is at most this long in all, IPv6 header included (RFC 4443 §2.4 c). */
#define RN_ICMP6_ERROR_MAX_BYTES 1280u

enum rn_icmp6_type {
    RN_ICMP6_UNREACH = 1,
    RN_ICMP6_TOO_BIG = 2,
    RN_ICMP6_TIME_EXCEEDED = 3,
    RN_ICMP6_PARAM_PROBLEM = 4,
    RN_ICMP6_ECHO = 128,
    RN_ICMP6_ECHO_REPLY = 129,
    RN_ICMP6_ROUTER_SOLICIT = 133, /* RFC 4861 §4, to 137 */
    RN_ICMP6_ROUTER_ADVERT = 134,
    RN_ICMP6_NEIGH_SOLICIT = 135,
    RN_ICMP6_NEIGH_ADVERT = 136,
    RN_ICMP6_REDIRECT = 137,
};

enum rn_icmp6_unreach {
    RN_ICMP6_NO_ROUTE = 0,
    RN_ICMP6_ADMIN_PROHIBITED = 1,
    RN_ICMP6_BEYOND_SCOPE = 2,
    RN_ICMP6_ADDR = 3,
    RN_ICMP6_PORT = 4,
    RN_ICMP6_POLICY = 5,
    RN_ICMP6_REJECT_ROUTE = 6,
};

enum rn_icmp6_time_exceeded { RN_ICMP6_HOP_LIMIT = 0, RN_ICMP6_REASSEMBLY = 1 };

enum rn_icmp6_param {
    RN_ICMP6_PARAM_FIELD = 0,
    RN_ICMP6_PARAM_NEXT_HEADER = 1,
    RN_ICMP6_PARAM_OPTION = 2,
    RN_ICMP6_PARAM_FIRST_FRAGMENT = 3, /* RFC 7112 §5 */
};

/* The eight bytes of errors and echo; which of the fields is meant depends on the type, the others are zero. */
struct rn_icmp6_hdr {
    uint8_t type;
    uint8_t code;
    uint16_t checksum;
    uint16_t id;      /* ECHO, ECHO_REPLY */
    uint16_t seq;     /* the same */
    uint32_t mtu;     /* TOO_BIG */
    uint32_t pointer; /* PARAM_PROBLEM: byte of the quoted packet that is wrong */
};

/* Errors: MALFORMED. */
RN_MUST_USE int rn_icmp6_parse(struct rn_icmp6_hdr *ret, struct rn_view *ret_payload,
                               struct rn_view msg);
/* The checksum is written as it stands in @hdr. */
void rn_icmp6_emit(const struct rn_icmp6_hdr *hdr, uint8_t out[RN_ICMP6_HDR_BYTES]);

/* Carries a quoted packet; never answered with an error of ours: types below 128 (RFC 4443 §2.1, §2.4 e). */
static inline bool rn_icmp6_is_error(uint8_t type)
{
    return type < 128;
}
