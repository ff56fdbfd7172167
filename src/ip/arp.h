#pragma once
/* ARP (RFC 826) as IPv4's resolver: asks, answers for our own addresses only, learns. */
#include "stack/nic.h"

/* Consumes @pkt, which starts at the ARP packet. */
void rn_arp_input(struct rn_nic *nic, struct rn_pkt *pkt);
/* rn_l3_ops.solicit. */
void rn_arp_solicit(struct rn_nic *nic, struct rn_addr target, const struct rn_mac *to);
/* rn_l3_ops.addr_added: tells the link (RFC 5227 §2.3). */
void rn_arp_announce(struct rn_nic *nic, struct rn_addr addr);
