#pragma once
/* Duplicate address detection (RFC 4862 §5.4): an IPv6 address on Ethernet is asked for before it is used. */
#include "ip/ip.h"

#define RN_DAD_TRANSMITS  1                 /* RFC 4862 §5.1 DupAddrDetectTransmits */
#define RN_DAD_RETRANS_NS (1 * RN_NS_PER_S) /* RFC 4861 §10 RETRANS_TIMER */

/* rn_l3_ops.addr_added, .addr_removed: starts for a tentative address; stops. */
void rn_dad_start(struct rn_nic *nic, struct rn_addr addr);
void rn_dad_stop(struct rn_nic *nic, struct rn_addr addr);
/* Somebody else asks for, or claims, @own, which is tentative: it stays so, and is never used. */
void rn_dad_fail(struct rn_nic_addr *own);
