#pragma once
/* The host's own network: sockets of this process on its loop. */
#include "io/loop.h"
#include "outnet/net.h"

struct rn_net_native_opts {
    uint32_t mark;    /* SO_MARK of every socket; 0 none (needs CAP_NET_ADMIN) */
    size_t max_conns; /* 0: as many as file descriptors allow, less a reserve of 64 */
    /* ICMP echo sockets opened while the process still might; 0: try an unprivileged ping socket when asked. Consumed
     * by the net. Raw ones (SOCK_RAW) are told by has_raw_echo. */
    int echo4_fd;
    int echo6_fd;
    bool has_raw_echo;
};

/* Borrows @loop. Returns owned. Errors: NOMEM. */
RN_MUST_USE int rn_net_native_new(struct rn_net **ret, struct rn_loop *loop,
                                  const struct rn_net_native_opts *opts);
/* Wraps an accepted or connected, non-blocking TCP socket; consumes @fd on success. Returns owned. */
RN_MUST_USE int rn_net_native_adopt(struct rn_net_conn **ret, struct rn_net *net, int fd);
/* Wraps a bound, non-blocking UDP socket; consumes @fd on success. Returns owned. */
RN_MUST_USE int rn_net_native_adopt_dgram(struct rn_net_dgram **ret, struct rn_net *net, int fd);
/* Never reaches anything: every dial ends with @err, every datagram is refused with it. Returns owned. */
RN_MUST_USE int rn_net_reject_new(struct rn_net **ret, struct rn_turn *turn, int err);
