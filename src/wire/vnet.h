#pragma once
/*
 * virtio_net_hdr as TUN (IFF_VNET_HDR) and AF_PACKET (PACKET_VNET_HDR) speak it: 10 bytes, or 12 with num_buffers, little
 * endian as VIRTIO 1.2 §5.1.6 has it. What is checked here is only what the header says about itself: whether it
 * fits the packet behind it (protocol, checksum field, real header length) is for whoever has parsed that packet.
 */
#include "base/view.h"
#include <runnel/attr.h>

#define RN_VNET_HDR_BYTES     10u
#define RN_VNET_HDR_MRG_BYTES 12u
#define RN_VNET_GSO_SIZE_FORBIDDEN                                                                 \
    0xffffu /* Linux's GSO_BY_FRAGS; crashed it once (CVE-2023-54051) */

enum rn_vnet_flag {
    RN_VNET_NEEDS_CSUM = 1, /* csum_start and csum_offset are to be used */
    RN_VNET_DATA_VALID = 2, /* the checksum has been verified */
    RN_VNET_RSC_INFO = 4,   /* never negotiated by us; ignored */
};

enum rn_vnet_gso {
    RN_VNET_GSO_NONE = 0,
    RN_VNET_GSO_TCP4 = 1,
    RN_VNET_GSO_TCP6 = 4,
    RN_VNET_GSO_UDP_L4 = 5, /* equal datagrams ("USO"), not the fragments of the old type 3 */
    RN_VNET_GSO_ECN = 0x80, /* bit beside the TCP types */
};

struct rn_vnet_hdr {
    uint8_t flags; /* enum rn_vnet_flag */
    uint8_t gso;   /* enum rn_vnet_gso without the ECN bit */
    bool gso_ecn;
    uint16_t hdr_len; /* a hint, often wrong: parse the packet instead */
    uint16_t gso_size;
    uint16_t csum_start;
    uint16_t csum_offset;
    uint16_t num_buffers; /* of the 12-byte form */
};

/* @hdr holds exactly 10 or 12 bytes. Errors: MALFORMED (unknown GSO type, ECN beside no TCP, a GSO size of 0 or
 * the forbidden one). */
RN_MUST_USE int rn_vnet_parse(struct rn_vnet_hdr *ret, struct rn_view hdr);
/* Writes @len bytes, RN_VNET_HDR_BYTES or RN_VNET_HDR_MRG_BYTES. */
void rn_vnet_emit(const struct rn_vnet_hdr *hdr, uint8_t *out, size_t len);
