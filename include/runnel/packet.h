#pragma once
/*
 * Ethernet devices over AF_PACKET sockets: the way onto an interface that exists already, usually the far end of a veth pair, and
 * into a network without /dev/net/tun. PACKET_VNET_HDR gives them the offloads of a TUN. They hear what is addressed to their
 * own MAC or to a group, as a NIC that is not promiscuous does, and not what they sent themselves.
 *
 * Two ways to receive. rn_packet_open: recvmmsg, straight into our slabs, no wait, little memory. rn_packet_ring_open: a ring in
 * shared memory (PACKET_MMAP, TPACKET_V3), which takes bursts of many small frames without a system call; the kernel hands a
 * block over when it is full or a millisecond old, so that a lonely frame waits that long: for capture and bulk, not for
 * conversations.
 */
#include <runnel/addr.h>
#include <runnel/device.h>

#include <stdint.h>

struct rn_turn;

/* Sockets of one device at most. */
#define RN_PACKET_SOCKETS_MAX 16u

/* All but name and mac may be zero. */
struct rn_packet_opts {
    const char *name; /* of the interface; when adopting, for people only */
    uint32_t mtu;     /* 0: ask the interface (only possible in its own network namespace) */
    struct rn_mac
        mac; /* of the NIC behind this device; must differ from the interface's own, whose IP stack would answer too */
    bool is_promiscuous;   /* deliver frames for anybody */
    bool without_offloads; /* no super-segments, no missing checksums */
    /* Not 0: devices of one interface and number, one for each loop, share its frames by the hash of their flows
     * (PACKET_FANOUT); one socket each. */
    uint16_t fanout_group;
    uint32_t queue_bytes; /* asked for each socket; 0: 8 MiB */
    unsigned n_sockets;   /* of rn_packet_open; 0: as many as make 8 MiB of queue */
    uint32_t ring_bytes;  /* of rn_packet_ring_open: 0: 2 MiB; rounded to blocks of 256 KiB */
};

/*
 * Opens the interface opts->name in the present network namespace (CAP_NET_RAW).
 *
 * The kernel queues what we have not read yet, and drops beyond that. Root gets 8 MiB of queue. An ordinary user gets twice
 * net.core.rmem_max for a socket, at Debian's default of 208 KiB six frames of 64 KiB: then as many sockets are opened as make up
 * for it, and the kernel goes on to the next when one is full (PACKET_FANOUT_ROLLOVER). Order is kept.
 *
 * Returns owned. Errors: NOMEM, host (EPERM, ENODEV).
 */
RN_PUBLIC RN_MUST_USE int rn_packet_open(struct rn_device **ret, struct rn_turn *turn,
                                         const struct rn_packet_opts *opts);
/* The same through a ring. Errors: also host (ENOMEM: the kernel has no such ring to give). */
RN_PUBLIC RN_MUST_USE int rn_packet_ring_open(struct rn_device **ret, struct rn_turn *turn,
                                              const struct rn_packet_opts *opts);
/* Adopts @n (1..RN_PACKET_SOCKETS_MAX) SOCK_RAW AF_PACKET sockets bound to one interface and ETH_P_ALL; of several the kernel
 * must fill one after the other (PACKET_FANOUT_ROLLOVER, in this order). Takes the descriptors over on success only. opts->mtu
 * must be given. Returns owned. Errors: NOMEM, BAD_OPTION, host. */
RN_PUBLIC RN_MUST_USE int rn_packet_from_fds(struct rn_device **ret, struct rn_turn *turn,
                                             const int *fds, unsigned n,
                                             const struct rn_packet_opts *opts);
/* Frames the kernel lost because the queue was full, since the device was opened. */
RN_PUBLIC uint64_t rn_packet_lost(struct rn_device *dev);
