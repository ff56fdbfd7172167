#pragma once
/*
 * The virtio header of TUN and AF_PACKET <-> metadata of a packet. What a header claims is checked against the real
 * frame with the rules Linux arrived at after a decade of fixes: see SECURITY in the table of tun_offload_test.c.
 */
#include "base/pkt.h"
#include "dev/device.h"

/* More segments than this in one frame are an attack on whoever cuts it: TCP at an MSS of 64 and UDP_MAX_SEGMENTS of Linux. */
#define RN_OFFLOAD_TCP_SEGMENTS_MAX 1024u
#define RN_OFFLOAD_UDP_SEGMENTS_MAX 128u

/*
 * Interprets the RN_VNET_HDR_BYTES at @vnet: sets csum and gso fields of the received @pkt. A checksum to be made at a place
 * that is not the transport header we see (a tunnel inside the network) is made here. Errors: MALFORMED, the caller drops.
 */
RN_MUST_USE int rn_offload_rx(struct rn_pkt *pkt, const uint8_t *vnet, enum rn_link_type link);
/* Writes the RN_VNET_HDR_BYTES that ask the kernel for what @pkt lacks. */
void rn_offload_tx(const struct rn_pkt *pkt, uint8_t *ret_vnet);
