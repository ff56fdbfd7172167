#pragma once
/* Acting on IPv6 extension headers (RFC 8200 §4): options, routing headers, fragments. */
#include "ip/ip.h"

/*
 * @pkt starts at its IPv6 header, whose next header @first names an extension. True: go on with ip->proto behind *ret_l3_len
 * bytes. False: @pkt was consumed (dropped, or a fragment that waits or was delivered with the rest).
 */
bool rn_exthdr_walk(struct rn_nic *nic, struct rn_pkt *pkt, struct rn_ip_in *ip, uint8_t first,
                    uint16_t *ret_l3_len);
