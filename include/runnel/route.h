#pragma once
/* The route table: longest prefix first, then lowest metric. */
#include <runnel/nic.h>

struct rn_route_entry {
    struct rn_prefix dst;
    struct rn_addr gateway; /* none: on-link */
    struct rn_addr source;  /* preferred source address; none: chosen (RFC 6724 §5) */
    uint16_t nic;
    uint32_t metric;
    uint32_t mtu; /* 0: the NIC's */
};

/* Errors: EXISTS (same dst, gateway, nic, metric), NO_NIC, BAD_ADDR (gateway not on-link), NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_route_add(struct rn_stack *stack, const struct rn_route_entry *entry);
/* Removes the entries that match @entry's dst, nic and gateway. Errors: NOT_FOUND. */
RN_PUBLIC RN_MUST_USE int rn_route_remove(struct rn_stack *stack,
                                          const struct rn_route_entry *entry);
/* Which entry a packet to @dst takes (nic 0: any). Errors: NET_UNREACH. */
RN_PUBLIC RN_MUST_USE int rn_route_get(const struct rn_stack *stack, struct rn_addr dst,
                                       uint16_t nic, struct rn_route_entry *ret);
/* Copies at most @max entries, longest prefix first; returns how many there are. */
RN_PUBLIC size_t rn_route_list(const struct rn_stack *stack, struct rn_route_entry *ret,
                               size_t max);
