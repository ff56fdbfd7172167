#pragma once
/* Protocol numbers of the IPv4 protocol and IPv6 next-header fields (one registry, RFC 5237). */

enum rn_proto {
    RN_PROTO_HOP_BY_HOP = 0, /* RFC 8200 §4.3 */
    RN_PROTO_ICMP4 = 1,
    RN_PROTO_IGMP = 2,
    RN_PROTO_TCP = 6,
    RN_PROTO_UDP = 17,
    RN_PROTO_ROUTING = 43,  /* RFC 8200 §4.4 */
    RN_PROTO_FRAGMENT = 44, /* RFC 8200 §4.5 */
    RN_PROTO_ESP = 50,
    RN_PROTO_AH = 51,
    RN_PROTO_ICMP6 = 58,
    RN_PROTO_NO_NEXT = 59,  /* RFC 8200 §4.7 */
    RN_PROTO_DST_OPTS = 60, /* RFC 8200 §4.6 */
};
