#pragma once
/* Network interfaces of a stack: where packets come in and leave, and the addresses on them. */
#include <runnel/stack.h>

struct rn_nic;
struct rn_device; /* a packet device: device.h */

enum rn_nic_flag {
    RN_NIC_PROMISCUOUS = 1 << 0, /* accept packets to any address (forwarders, gates) */
    RN_NIC_SPOOFING = 1 << 1,    /* allow sending from addresses that are not ours */
    RN_NIC_NO_DAD =
        1 << 2, /* IPv6 addresses on Ethernet are usable at once, not after a second (RFC 4862) */
};

struct rn_nic_opts {
    const char *name;        /* copied, at most 15 bytes; NULL: "nicN" */
    uint32_t flags;          /* enum rn_nic_flag */
    uint32_t queue_max_pkts; /* output queue limit for datagrams and forwarded packets; 0: 4096 */
};

/* A NIC over @device, which must live on the stack's turn and outlive the NIC; borrows it. NICs count from 1.
 * Returns borrowed (the stack owns it). Errors: NOMEM, LIMIT (65535 NICs), BAD_NIC. */
RN_PUBLIC RN_MUST_USE int rn_nic_new(struct rn_nic **ret, struct rn_stack *stack,
                                     struct rn_device *device, const struct rn_nic_opts *opts);
/* Lets packets flow between @nic and its device by themselves, in every turn of the stack: enough for devices in memory
 * (pipes); a device with a descriptor also needs a driver on a loop. Not for those who feed the NIC by hand. Errors:
 * NOMEM, ALREADY_BOUND. */
RN_PUBLIC RN_MUST_USE int rn_nic_start(struct rn_nic *nic);
/* Consumes @nic: detaches the device, drops queues, removes its addresses and routes. NULL is legal. Returns NULL. */
RN_PUBLIC struct rn_nic *rn_nic_free(struct rn_nic *nic);
RN_PUBLIC uint16_t rn_nic_id(const struct rn_nic *nic);
RN_PUBLIC const char *rn_nic_name(const struct rn_nic *nic);
RN_PUBLIC uint32_t rn_nic_mtu(const struct rn_nic *nic);
/* NULL if there is none. */
RN_PUBLIC struct rn_nic *rn_nic_find(const struct rn_stack *stack, uint16_t id);
RN_PUBLIC struct rn_nic *rn_nic_find_name(const struct rn_stack *stack, const char *name);
RN_PUBLIC void rn_nic_set_flags(struct rn_nic *nic, uint32_t set, uint32_t clear);
/* Administrative state; a NIC that is down drops everything. New NICs are up. */
RN_PUBLIC void rn_nic_set_up(struct rn_nic *nic, bool is_up);

/* Assigns an address with its on-link prefix length; adds the on-link route. Errors: DUP_ADDR, BAD_ADDR, NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_nic_add_addr(struct rn_nic *nic, struct rn_addr addr,
                                          unsigned prefix_bits);
/* Errors: NOT_FOUND. Connections bound to it are aborted only when they next send (as Linux does). */
RN_PUBLIC RN_MUST_USE int rn_nic_remove_addr(struct rn_nic *nic, struct rn_addr addr);
/* Copies at most @max addresses; returns how many there are. */
RN_PUBLIC size_t rn_nic_addrs(const struct rn_nic *nic, struct rn_prefix *ret, size_t max);
