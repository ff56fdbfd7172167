#pragma once
/*
 * A packet device between two processes through shared memory: a ring of packets each way in a sealed memfd, an eventfd each way
 * that rings only when the other side sleeps. No system call per packet. The two sides need not trust each other: whatever the
 * other writes into the memory, positions and lengths are checked against it and packets are copied before they are looked at;
 * a side that breaks the rules is cut off (the device closes).
 *
 * A side that dies without closing is not noticed: keep the UNIX socket over which the descriptors went (SCM_RIGHTS), and
 * close the device when that ends.
 */
#include <runnel/addr.h>
#include <runnel/device.h>

#include <stdint.h>

struct rn_turn;

/* memfd, then the eventfd that wakes the first side, then the one that wakes the second. */
#define RN_SHM_FDS 3u

/* Zero is: IP packets, MTU 1500, no offloads, 1 MiB each way. Of the adopting side only name and mac count. */
struct rn_shm_opts {
    const char *name; /* NULL: "shm" */
    uint32_t mtu;     /* 0: 1500 */
    struct rn_mac mac;
    uint32_t
        ring_bytes; /* each way; rounded up to a power of two of at least 256 KiB, at most 64 MiB; 0: 1 MiB */
    bool is_ethernet;
    bool has_offload; /* super-segments and missing checksums pass as they are */
};

/* Makes memory and eventfds and is the first side. Returns owned. Errors: NOMEM, BAD_OPTION, host. */
RN_PUBLIC RN_MUST_USE int rn_shm_new(struct rn_device **ret, struct rn_turn *turn,
                                     const struct rn_shm_opts *opts);
/* The descriptors to hand to the other side; borrowed from @device, which must be one of rn_shm_new. */
RN_PUBLIC void rn_shm_fds(const struct rn_device *device, int ret[RN_SHM_FDS]);
/* Is the second side. Takes @fds over on success only. Returns owned. Errors: NOMEM, MALFORMED (no such memory, or it could still be
 * shrunk), VERSION, host. */
RN_PUBLIC RN_MUST_USE int rn_shm_from_fds(struct rn_device **ret, struct rn_turn *turn,
                                          const int fds[RN_SHM_FDS],
                                          const struct rn_shm_opts *opts);
