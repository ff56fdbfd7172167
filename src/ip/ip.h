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
    bool is_probe;       /* the path MTU is not asked, only the NIC's (RN_PMTUD_PROBE) */
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

/* What goes on with a packet between these addresses; asked once for a conversation (nic->verdicts). */
enum rn_ip_fate {
    RN_IP_DROP,    /* verdict->drop says why */
    RN_IP_OURS,    /* an address of ours */
    RN_IP_MANY,    /* broadcast, or a group we listen to */
    RN_IP_FOREIGN, /* not ours; a promiscuous NIC takes it */
    RN_IP_FORWARD, /* not ours; we are a router */
};

/* accept.c: martians, "is it ours?". Borrowed until the next call for @nic. */
const struct rn_nic_verdict *rn_ip_judge(struct rn_nic *nic, struct rn_addr src, struct rn_addr dst,
                                         bool is_looped);
/* deliver.c. Consumes @pkt, which starts at the network header of @l3_len bytes: pulls it, hands the rest to its transport. */
void rn_ip_deliver(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ip_in *ip,
                   uint16_t l3_len);
/* Consumes @pkt, complete with its network header: loops it back or queues it on the flow's NIC. */
void rn_ip_send(struct rn_stack *stack, const struct rn_flow *flow, const struct rn_ip_out *out,
                struct rn_pkt *pkt);

/* Answers @pkt (borrowed; pulled as handed to input, its network header of l3_len bytes still before it; or l3_len 0 and
 * the header at its front) with an ICMP error, unless RFC
 * 1122 §3.2.2 / RFC 4443 §2.4 forbid it or the limiter does. @arg: MTU of TOO_BIG, pointer of PARAM. */
void rn_icmp_send_error(struct rn_nic *nic, const struct rn_pkt *pkt, enum rn_icmp_kind kind,
                        uint32_t arg);
/* The same about an endpoint pair when the packet is gone (a forwarder's late answer): @quote is the original network
 * header with at least 8 bytes of transport. */
void rn_icmp_send_error_about(struct rn_stack *stack, uint16_t nic, struct rn_view quote,
                              enum rn_icmp_kind kind);
/* The same with everything said: for gates that pass on an error they heard of outside. */
struct rn_icmp_out {
    enum rn_icmp_kind kind;
    uint16_t nic;       /* it leaves by this one; 0: any */
    uint32_t arg;       /* MTU of TOO_BIG, pointer of PARAM */
    uint8_t param_code; /* of PARAM, ICMPv6 only */
    struct rn_addr
        from; /* who says so; none: the quoted destination for PORT and PROTO, else an address of ours */
};
void rn_icmp_send(struct rn_stack *stack, const struct rn_icmp_out *out, struct rn_view quote);
/* rn_icmp_send_error with everything said but the NIC, which is @nic. */
void rn_icmp_answer(struct rn_nic *nic, const struct rn_pkt *pkt, const struct rn_icmp_out *out);
/* The quote of a datagram nobody kept: network header and 8 bytes of UDP (or echo: ports are identifier and sequence) as
 * @src sent it to @dst. Returns its length. */
#define RN_IP_QUOTE_BYTES 48u
size_t rn_ip_quote_make(const struct rn_endpoint *src, const struct rn_endpoint *dst, uint8_t proto,
                        uint8_t ret[RN_IP_QUOTE_BYTES]);
/* Is @addr one of ours (any NIC, or @nic only if not 0)? */
bool rn_ip_is_local(const struct rn_stack *stack, struct rn_addr addr, uint16_t nic);

extern const struct rn_l3_ops rn_ipv4_ops;
extern const struct rn_l3_ops rn_ipv6_ops;
extern const struct rn_l4_ops rn_icmp4_ops;
extern const struct rn_l4_ops rn_icmp6_ops;
