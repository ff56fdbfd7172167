#pragma once
/*
 * An Ethernet device over AF_XDP: frames of one queue of an interface are taken by a small XDP program before the kernel's stack sees
 * them, and travel through rings in memory shared with the kernel. For a NIC of its own, or the far end of a veth pair.
 *
 * Everything that arrives on that queue is taken; what is for another MAC is dropped. A frame must fit 3 840 bytes, and there are no
 * offloads: on a veth pair, turn off checksum offload at the other end (`ethtool -K veth tx off`), or its packets arrive with
 * unfinished checksums.
 */
#include <runnel/addr.h>
#include <runnel/device.h>

#include <stdint.h>

struct rn_turn;

/* All but name and mac may be zero. */
struct rn_xdp_opts {
    const char *name;  /* of the interface, in the present network namespace */
    struct rn_mac mac; /* of the NIC behind this device */
    uint32_t queue;
    bool is_promiscuous;   /* deliver frames for anybody */
    bool is_generic;       /* run the program in the kernel's stack even where the driver could */
    bool may_be_zero_copy; /* let a driver that can write into our memory do so */
};

/* Loads and attaches the program (detached with the device). Returns owned. Errors: NOMEM, host (EPERM without CAP_NET_ADMIN,
 * CAP_NET_RAW and CAP_BPF; EBUSY: the interface has a program already, or the queue a socket; ENODEV; ERANGE: its MTU is too
 * large). */
RN_PUBLIC RN_MUST_USE int rn_xdp_open(struct rn_device **ret, struct rn_turn *turn,
                                      const struct rn_xdp_opts *opts);
/* Frames the kernel lost because we did not read in time. */
RN_PUBLIC uint64_t rn_xdp_lost(struct rn_device *device);
