#pragma once
/* The 802.1Q tag: four bytes between the MAC addresses and the ethertype of the payload. The first two, the tag's own
 * ethertype, are already eaten by rn_eth_parse. */
#include "base/view.h"
#include <runnel/attr.h>

#define RN_VLAN_TAG_BYTES 4u
#define RN_VLAN_ID_MAX    4094u /* 4095 is reserved, 0 means priority only (IEEE 802.1Q §9.6) */

struct rn_vlan_tag {
    uint16_t id;
    uint16_t type; /* of what follows, enum rn_ethertype */
    uint8_t priority;
    bool may_drop; /* DEI */
};

/* @body is what follows the ethertype RN_ETHERTYPE_VLAN or _QINQ. Errors: MALFORMED. */
RN_MUST_USE int rn_vlan_parse(struct rn_vlan_tag *ret, struct rn_view *ret_payload,
                              struct rn_view body);
/* The four bytes that follow that ethertype. */
void rn_vlan_emit(const struct rn_vlan_tag *tag, uint8_t out[RN_VLAN_TAG_BYTES]);
