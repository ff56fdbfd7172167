/* Ethernet, 802.1Q and ARP: what parses is emitted to the same bytes. */
#include "wire/arp.h"
#include "wire/eth.h"
#include "wire/vlan.h"
#include <runnel/err.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_arp(struct rn_view bytes)
{
    struct rn_arp arp;
    uint8_t out[RN_ARP_BYTES];

    if (rn_arp_parse(&arp, bytes) < 0)
        return;
    rn_arp_emit(&arp, out);
    if (memcmp(out, bytes.ptr, sizeof out) != 0)
        abort();
}

static void check_vlan(struct rn_view bytes)
{
    struct rn_vlan_tag tag;
    struct rn_view payload;
    uint8_t out[RN_VLAN_TAG_BYTES];

    if (rn_vlan_parse(&tag, &payload, bytes) < 0)
        return;
    rn_vlan_emit(&tag, out);
    if (memcmp(out, bytes.ptr, sizeof out) != 0 || payload.len + sizeof out != bytes.len)
        abort();
    check_arp(payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rn_eth_hdr eth;
    struct rn_view payload;
    uint8_t out[RN_ETH_HDR_BYTES];

    if (rn_eth_parse(&eth, &payload, rn_view_of(data, size)) < 0)
        return 0;
    rn_eth_emit(&eth, out);
    if (memcmp(out, data, sizeof out) != 0 || payload.len + sizeof out != size)
        abort();
    if (eth.type == RN_ETHERTYPE_VLAN)
        check_vlan(payload);
    else
        check_arp(payload);
    return 0;
}
