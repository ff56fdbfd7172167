#pragma once
/* A packet as functions are shown it that look at packets: they may read it until they return, and nothing else. */
#include <runnel/attr.h>

#include <stddef.h>
#include <stdint.h>

struct rn_pkt;

/* All bytes, link header included where its device has one. A super-packet (with offloads) is longer than the MTU. */
RN_PUBLIC uint32_t rn_pkt_length(const struct rn_pkt *pkt);
/* Copies @len bytes at @off out; the range must lie inside the packet. */
RN_PUBLIC void rn_pkt_copy_out(const struct rn_pkt *pkt, size_t off, void *out, size_t len);
