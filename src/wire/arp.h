#pragma once
/* ARP for IPv4 over Ethernet (RFC 826). Other hardware or protocol types are malformed to us. */
#include "base/view.h"
#include <runnel/addr.h>

#define RN_ARP_BYTES 28u

enum rn_arp_op { RN_ARP_REQUEST = 1, RN_ARP_REPLY = 2 };

struct rn_arp {
    uint16_t op; /* enum rn_arp_op; others are passed on to be ignored */
    struct rn_mac sender_mac;
    struct rn_addr sender_ip;
    struct rn_mac target_mac;
    struct rn_addr target_ip;
};

/* Bytes after the 28 are link padding. Errors: MALFORMED. */
RN_MUST_USE int rn_arp_parse(struct rn_arp *ret, struct rn_view pkt);
void rn_arp_emit(const struct rn_arp *arp, uint8_t out[RN_ARP_BYTES]);
