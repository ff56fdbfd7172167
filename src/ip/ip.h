#pragma once
/* The network layer as the transports see it: find a way out, send a packet, hear of errors. */
#include "stack/nic.h"
#include "stack/stack.h"

/* What a transport says of a packet it sends. */
struct rn_ip_out {
    struct rn_addr src; /* none: chosen by the route (only for rn_flow_find) */
    struct rn_addr dst;
    uint16_t nic; /* 0: any; else it must leave by this one */
    uint8_t proto;
    uint8_t tos;
    uint8_t ttl;         /* 0: the stack's default */
    bool is_spoofed;     /* src need not be ours (gates, RSTs of forwarders) */
    uint32_t flow_label; /* IPv6 */
};

/* Looks up and caches the way to out->dst, revalidating what @flow holds; a no-op when it is still true. Sets
 * @ret_src to the source to use. Errors: NET_UNREACH, BAD_LOCAL_ADDR, NO_NIC. */
RN_MUST_USE int rn_flow_find(struct rn_stack *stack, struct rn_flow *flow,
                             const struct rn_ip_out *out, struct rn_addr *ret_src);
/* Is the cached answer still true? */
static inline bool rn_flow_is_fresh(const struct rn_stack *stack, const struct rn_flow *flow)
{
    return flow->gen == stack->route_gen;
}

/* Consumes @pkt, which starts at its transport header and has headroom for the rest. Adds the network header, asks the
 * output hooks, fragments when it must and may (never GSO packets), resolves the neighbour, queues on the NIC.
 * Errors (for the caller's information; the packet is gone): NET_UNREACH, MSG_TOO_LONG (larger than the path MTU with
 * RN_PKT_NO_FRAGMENT), BAD_LOCAL_ADDR, NO_BUFFER. */
int rn_ip_output(struct rn_stack *stack, struct rn_flow *flow, const struct rn_ip_out *out,
                 struct rn_pkt *pkt);

/* Payload bytes a transport may put in one packet on this way: path MTU less network header. */
uint32_t rn_flow_payload_mtu(const struct rn_flow *flow, struct rn_addr dst);
/* Lowers the path MTU towards @dst after ICMP (RFC 1191, 8201; never below 552 for v4 or 1280 for v6); kept in ip/pmtu.c
 * for 10 minutes, then raised again. Bumps route_gen if it changed. */
void rn_pmtu_lower(struct rn_stack *stack, struct rn_addr dst, uint32_t mtu);
/* A transport heard from the peer: the neighbour is reachable (RFC 4861 §7.3.1). */
void rn_flow_confirm(struct rn_stack *stack, struct rn_flow *flow);

/* Answers @pkt (borrowed; pulled as handed to input, its network header still before it) with an ICMP error, unless RFC
 * 1122 §3.2.2 / RFC 4443 §2.4 forbid it or the limiter does. @arg: MTU of TOO_BIG, pointer of PARAM. */
void rn_icmp_send_error(struct rn_nic *nic, const struct rn_pkt *pkt, enum rn_icmp_kind kind,
                        uint32_t arg);
/* The same about an endpoint pair when the packet is gone (a forwarder's late answer): @quote is the original network
 * header with at least 8 bytes of transport. */
void rn_icmp_send_error_about(struct rn_stack *stack, uint16_t nic, struct rn_view quote,
                              enum rn_icmp_kind kind);
/* Is @addr one of ours (any NIC, or @nic only if not 0)? */
bool rn_ip_is_local(const struct rn_stack *stack, struct rn_addr addr, uint16_t nic);

extern const struct rn_l3_ops rn_ipv4_ops;
extern const struct rn_l3_ops rn_ipv6_ops;
extern const struct rn_l4_ops rn_icmp4_ops;
extern const struct rn_l4_ops rn_icmp6_ops;
