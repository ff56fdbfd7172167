#pragma once
/*
 * Two packet devices joined back to back on one turn: what is written to one end is read from the other, by reference.
 * With offloads it behaves like a veth pair (super-packets and PARTIAL checksums pass untouched); without, like a wire.
 */
#include "dev/device.h"

#include <runnel/pipe.h>

struct rn_pipe_opts {
    enum rn_link_type link_type;
    uint32_t mtu; /* 0: 1500 */
    uint32_t
        queue_pkts; /* per direction; beyond it writes are refused until the reader drains; 0: 1024 */
    bool has_offload;     /* checksum, TSO and USO both ways */
    struct rn_mac mac[2]; /* RN_LINK_ETHERNET; zero: made up */
};

/* Both ends live on @turn; each is freed by rn_device_free in any order. Returns owned. Errors: NOMEM. */
RN_MUST_USE int rn_pipe_new(struct rn_device *ret[2], struct rn_turn *turn,
                            const struct rn_pipe_opts *opts);
