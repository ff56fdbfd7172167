#pragma once
/* Two packet devices joined back to back in memory: a network without any system, for tests and for stacks side by side. */
#include <runnel/addr.h>
#include <runnel/device.h>

#include <stdint.h>

struct rn_turn;

/* With offloads it behaves like a veth pair (super-packets and missing checksums pass untouched); without, like a wire. Packets pass
 * by reference. */
struct rn_pipe_opts {
    enum rn_link_type link_type;
    uint32_t mtu; /* 0: 1500 */
    uint32_t
        queue_pkts; /* per direction; beyond it writes are refused until the reader drains; 0: 1024 */
    bool has_offload;     /* checksum, TSO and USO both ways */
    struct rn_mac mac[2]; /* RN_LINK_ETHERNET; zero: made up */
};

/* Both ends live on @turn; each is freed by rn_device_free in any order. Returns owned. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_pipe_new(struct rn_device *ret[2], struct rn_turn *turn,
                                      const struct rn_pipe_opts *opts);
/* The shortest way to one. What is written to one end is read from the other: IP packets of at most @mtu bytes (0: 1500),
 * super-segments by reference. Put each under a NIC (rn_nic_new, rn_nic_start), free each by rn_device_free, in any order. Returns owned. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_pipe_open(struct rn_device *ret[2], struct rn_turn *turn,
                                       uint32_t mtu);
