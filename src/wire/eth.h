#pragma once
/* Ethernet II frames (RFC 894). IEEE 802.3 length frames are told apart by an ethertype below 0x600. */
#include "base/view.h"
#include <runnel/addr.h>

#define RN_ETH_HDR_BYTES 14u
/* Smaller values of the type field are lengths of 802.3 frames. */
#define RN_ETH_TYPE_MIN 0x0600u

enum rn_ethertype {
    RN_ETHERTYPE_IPV4 = 0x0800,
    RN_ETHERTYPE_ARP = 0x0806,
    RN_ETHERTYPE_VLAN = 0x8100, /* IEEE 802.1Q */
    RN_ETHERTYPE_IPV6 = 0x86dd,
    RN_ETHERTYPE_QINQ = 0x88a8, /* IEEE 802.1ad */
};

struct rn_eth_hdr {
    struct rn_mac dst;
    struct rn_mac src;
    uint16_t type; /* enum rn_ethertype */
};

/* Errors: MALFORMED. */
RN_MUST_USE int rn_eth_parse(struct rn_eth_hdr *ret, struct rn_view *ret_payload,
                             struct rn_view frame);
void rn_eth_emit(const struct rn_eth_hdr *hdr, uint8_t out[RN_ETH_HDR_BYTES]);

/* The group bit: multicast and broadcast. */
bool rn_mac_is_group(struct rn_mac mac);
bool rn_mac_is_zero(struct rn_mac mac);
bool rn_mac_eq(struct rn_mac a, struct rn_mac b);
struct rn_mac rn_mac_broadcast(void);
/* Where a multicast packet to @group goes: 01:00:5e + 23 bits (RFC 1112 §6.4), 33:33 + 32 bits (RFC 2464 §7). */
struct rn_mac rn_mac_of_group(struct rn_addr group);
