#pragma once
/*
 * Merging in software, for devices that deliver wire packets: neighbouring segments of a TCP stream, and equal datagrams of a UDP
 * flow, become one super-packet that goes up the stack once. Payload is referred to, but for tiny datagrams. Only packets whose headers are
 * the same but for lengths, checksums and positions are merged, and only with good checksums, so that dev/gso.c makes the
 * same packets of it again.
 */
#include "dev/device.h"

enum rn_gro_what {
    RN_GRO_TCP = 1 << 0,
    RN_GRO_UDP = 1 << 1,
};

/* Merges within @q, in place: a merged packet stands where its first part stood. @what: enum rn_gro_what. Packets that take no
 * part pass untouched, but for a checksum found good on the way (VALID). */
void rn_gro_merge(struct rn_pktq *q, enum rn_link_type link, unsigned what);
