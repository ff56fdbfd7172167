#pragma once
/*
 * The const tables through which the machine calls upwards: network protocols and transport protocols given at stack
 * creation. What a packet means travels beside it as a value, parsed once.
 */
#include "base/pkt.h"
#include "base/seq.h"
#include "wire/proto.h"
#include <runnel/addr.h>

struct rn_stack;
struct rn_nic;

enum rn_l3 { RN_L3_V4, RN_L3_V6, RN_L3_COUNT };

/* What the network layer learned of a packet that is ours; the packet has been pulled to its transport header
 * (pkt->l3_len bytes of network header still lie, contiguous, before the front) and trimmed to the datagram. */
struct rn_ip_in {
    struct rn_addr src;
    struct rn_addr dst;
    uint8_t proto;
    uint8_t ttl;
    uint8_t tos;
    bool is_to_many; /* multicast or broadcast destination: no RST, no ICMP errors */
    bool
        is_ours; /* the destination is an address of ours; false: only a promiscuous NIC made it through */
};

enum rn_icmp_kind {
    RN_ICMP_NET_UNREACH,
    RN_ICMP_HOST_UNREACH,
    RN_ICMP_PROTO_UNREACH,
    RN_ICMP_PORT_UNREACH,
    RN_ICMP_PROHIBITED,
    RN_ICMP_TOO_BIG, /* .mtu */
    RN_ICMP_TTL,     /* in transit */
    RN_ICMP_REASS_TIME,
    RN_ICMP_PARAM, /* .pointer */
};

/* An ICMP error about a packet of ours, as quoted in it: local is our side. */
struct rn_icmp_err {
    enum rn_icmp_kind kind;
    uint8_t type, code;
    uint8_t proto;
    struct rn_endpoint local;
    struct rn_endpoint remote;
    struct rn_addr offender; /* who sent the error */
    uint32_t mtu;
    uint32_t pointer;
    bool has_seq;
    rn_seq seq; /* TCP: quoted sequence number (RFC 5927 §4) */
};

struct rn_l4_ops {
    uint8_t proto;
    const char *name;
    /* Per-stack state, kept in stack->l4_state[slot]; may be NULL. */
    int (*attach)(struct rn_stack *stack, void **ret_state);
    /* Aborts every socket of the protocol and frees the state. */
    void (*detach)(struct rn_stack *stack, void *state);
    /* Consumes @pkt. */
    void (*input)(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ip_in *ip);
    /* The stack's socket memory has just become full: give up what is held in vain. May be NULL. */
    void (*strained)(struct rn_stack *stack, void *state);
    /* The stack's socket memory was full and has room again: who waits for it goes on. May be NULL. */
    void (*relieved)(struct rn_stack *stack, void *state);
    /* An ICMP error for a conversation of this protocol; may be NULL. */
    void (*error)(struct rn_stack *stack, const struct rn_icmp_err *err);
};

struct rn_l3_ops {
    enum rn_l3 l3;
    uint16_t ethertype;
    uint16_t resolver_ethertype; /* of a resolver beside the protocol (ARP); 0: none */
    const char *name;
    int (*attach)(struct rn_stack *stack, void **ret_state);
    void (*detach)(struct rn_stack *stack, void *state);
    /* Consumes @pkt, which starts at the network header. */
    void (*input)(struct rn_nic *nic, struct rn_pkt *pkt);
    /* Consumes @pkt, which starts behind the link header; NULL without resolver_ethertype. */
    void (*resolver_input)(struct rn_nic *nic, struct rn_pkt *pkt);
    /* Asks for a neighbour's link address: ARP request or neighbour solicitation. @to none: multicast/broadcast. */
    void (*solicit)(struct rn_nic *nic, struct rn_addr target, const struct rn_mac *to);
    /* Resolution failed: @pkt (consumed) could not be sent; answer as RFC 1812 §4.3.3.1 / RFC 4861 §7.2.2 say. */
    void (*unreachable)(struct rn_nic *nic, struct rn_pkt *pkt);
    /* An address was added to or is leaving @nic. */
    void (*addr_added)(struct rn_nic *nic, struct rn_addr addr);
    void (*addr_removed)(struct rn_nic *nic, struct rn_addr addr);
};

/*
 * Conversations of ICMP echo: ping sockets and the echo forwarder. ICMP itself answers for our own addresses; what
 * belongs to somebody above the network layer goes through here.
 */
struct rn_echo_ops {
    int (*attach)(struct rn_stack *stack, void **ret_state);
    void (*detach)(struct rn_stack *stack, void *state);
    /* Both consume @pkt, which starts at the ICMP header, checksum verified. */
    void (*reply)(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ip_in *ip);
    /* A request to an address that is not ours, on a promiscuous NIC. */
    void (*foreign_request)(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ip_in *ip);
    /* An error about an echo request of ours; the ports of @err are the identifier. */
    void (*error)(struct rn_stack *stack, const struct rn_icmp_err *err);
};

#define RN_L4_MAX 8

struct rn_protos {
    const struct rn_l3_ops *l3[RN_L3_COUNT]; /* NULL: family is absent */
    const struct rn_l4_ops *l4[RN_L4_MAX];   /* NULL-terminated when shorter */
    const struct rn_echo_ops *echo;          /* NULL: echo replies go nowhere */
};
