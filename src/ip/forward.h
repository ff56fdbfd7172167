#pragma once
/* Routing of packets that are not ours (rn_stack_opts.is_forwarding). */
#include "ip/ip.h"

/* Consumes @pkt, which starts at its network header, validated and judged RN_IP_FORWARD. */
void rn_ipv4_forward(struct rn_nic *nic, struct rn_pkt *pkt, struct rn_addr src,
                     struct rn_addr dst);
void rn_ipv6_forward(struct rn_nic *nic, struct rn_pkt *pkt, struct rn_addr src,
                     struct rn_addr dst);
