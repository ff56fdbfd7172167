#pragma once
/*
 * Segmentation in software: cuts a super-packet into what a device can carry, without copying payload (segments refer to
 * the same buffers), and completes checksums for devices that do not.
 */
#include "dev/device.h"

/* Consumes @pkt, whose first @link_len bytes are a link header. Appends the segments to @out, checksums PARTIAL. Returns
 * their number, MALFORMED or NOMEM (the packet was dropped and counted). A packet without GSO passes unchanged. */
int rn_gso_cut(struct rn_pkt *pkt, size_t link_len, struct rn_pktq *out);
/* Consumes @pkt: makes of it what @dev accepts (cut if it lacks the offload or the packet is over its gso_max_bytes,
 * checksum completed if it lacks TX_CSUM) and appends that to @out. Errors as rn_gso_cut. */
int rn_gso_conform(const struct rn_device *dev, struct rn_pkt *pkt, struct rn_pktq *out);
/* Whether @dev takes @pkt, which has GSO, whole. */
bool rn_gso_is_taken(const struct rn_device *dev, const struct rn_pkt *pkt);
