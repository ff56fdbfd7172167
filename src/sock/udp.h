#pragma once
/* UDP inside the core, and what gates use of it: datagrams by reference, under any name. */
#include "sock/dgram.h"

extern const struct rn_l4_ops rn_udp_ops;

/* Per-stack state (rn_l4_ops.attach). */
struct rn_udp_stack {
    struct rn_stack *stack;
    struct rn_list socks; /* struct rn_dgram_sock.link */
    struct rn_udp_forwarder *forwarder;
};

static inline struct rn_udp_stack *rn_udp_stack_of(const struct rn_stack *stack)
{
    return rn_stack_l4_state(stack, RN_PROTO_UDP);
}

/* A socket by its node in the demultiplexer; the caller knows that it is one of UDP. */
static inline struct rn_dgram_sock *rn_udp_of_node(struct rn_demux_node *node)
{
    return rn_dgram_of(rn_container_of(node, struct rn_sock, demux));
}

/* How a gate sends. */
struct rn_udp_way {
    struct rn_endpoint src; /* need not be ours */
    struct rn_endpoint dst;
    uint16_t
        segment_bytes; /* not 0: the payload is datagrams of this size, the last may be shorter */
    uint8_t ttl;       /* 0: the stack's */
    uint8_t tos;
    bool dont_fragment;
    struct rn_flow *
        flow; /* kept by the caller, one for each dst, released by rn_flow_release; NULL: looked up each time */
};

/* Consumes @payload, whose buffers travel on by reference. Errors as rn_ip_output. */
int rn_udp_send_from(struct rn_stack *stack, const struct rn_udp_way *way, struct rn_pkt *payload);
/* Consumes @pkt, which starts at its UDP header, for no socket: to the forwarder, which asks its function as an event. */
void rn_udp_forward(struct rn_udp_forwarder *fwd, struct rn_pkt *pkt,
                    const struct rn_dgram_note *note);
/* The stack goes: drops what waits and detaches; the forwarder's owner still frees it. */
void rn_udp_forwarder_orphan(struct rn_udp_forwarder *fwd);
/* Pulls the UDP header and gives @pkt (consumed) to @d. */
void rn_udp_deliver(struct rn_dgram_sock *d, struct rn_pkt *pkt, const struct rn_dgram_note *note);

/* --- inside a forwarder's function ------------------------------------------------------------------------------- */

/* The datagram's payload; with .gso RN_GSO_UDP datagrams of .gso_size. Borrowed until the function returns. */
const struct rn_pkt *rn_udp_request_pkt(struct rn_udp_request *req);
/* Returns owned the payload: the request counts as answered. */
struct rn_pkt *rn_udp_request_take(struct rn_udp_request *req);
