#pragma once
/* Neighbour Discovery (RFC 4861) as IPv6's resolver: asks, answers for our own addresses, learns. */
#include "ip/ip.h"

/* Consumes @pkt, which starts at the ICMPv6 header of @type (133..137), checksum verified. */
void rn_nd_input(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ip_in *ip, uint8_t type);
/* Asks whether somebody has @addr already (RFC 4862 §5.4.2). */
void rn_nd_probe(struct rn_nic *nic, struct rn_addr addr);
/* rn_l3_ops.solicit. */
void rn_nd_solicit(struct rn_nic *nic, struct rn_addr target, const struct rn_mac *to);
