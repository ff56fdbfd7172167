#pragma once
/*
 * An Ethernet device over an AF_PACKET socket bound to one interface, usually the far end of a veth pair: the way into a
 * network without /dev/net/tun. PACKET_VNET_HDR gives it the offloads of TUN; frames travel in batches. It hears what
 * is addressed to its own MAC or to a group, as a NIC that is not promiscuous does, and not what it sent itself.
 *
 * The kernel queues what we have not read yet, and drops beyond that. Root gets 8 MiB of queue; an ordinary user twice
 * net.core.rmem_max, at Debian's default of 208 KiB six frames of 64 KiB, which costs a fast TCP inside up to half of its
 * speed in retransmissions. `sysctl net.core.rmem_max=4194304` mends it; rn_packet_lost tells whether it matters.
 */
#include "dev/device.h"
#include <runnel/attr.h>

struct rn_packet_opts {
    const char *name; /* of the interface, for people */
    uint32_t mtu;     /* of the interface */
    struct rn_mac
        mac; /* of the NIC behind this device; must differ from the interface's own, whose IP stack would answer too */
    bool is_promiscuous; /* deliver frames for anybody */
    bool without_offloads;
};

/* Adopts a SOCK_RAW AF_PACKET socket that is bound to its interface and ETH_P_ALL. Takes @fd over on success only.
 * Returns owned. Errors: NOMEM, host. */
RN_MUST_USE int rn_packet_from_fd(struct rn_device **ret, struct rn_turn *turn, int fd,
                                  const struct rn_packet_opts *opts);
/* Opens and binds one in the present network namespace (CAP_NET_RAW); opts->name is the interface. */
RN_MUST_USE int rn_packet_open(struct rn_device **ret, struct rn_turn *turn,
                               const struct rn_packet_opts *opts);
/* Frames the kernel lost because the socket's queue was full, since the device was opened. */
uint64_t rn_packet_lost(struct rn_device *dev);
