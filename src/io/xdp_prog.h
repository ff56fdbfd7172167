#pragma once
/* The XDP program that hands the frames of one queue to an AF_XDP socket: loaded by bpf(2), without libraries. */
#include <runnel/attr.h>
#include <stdint.h>

/* All are closed by rn_xdp_prog_fini; closing the link detaches the program. */
struct rn_xdp_prog {
    int map;
    int prog;
    int link;
};

#define RN_XDP_PROG_NONE                                                                           \
    {                                                                                              \
        -1, -1, -1                                                                                 \
    }

/* Loads the program and attaches it to interface @ifindex; frames of queues without a socket go on to the kernel. Errors: host. */
RN_MUST_USE int rn_xdp_prog_attach(struct rn_xdp_prog *prog, uint32_t ifindex, int is_generic);
/* From now on frames of @queue go to socket @fd. Errors: host. */
RN_MUST_USE int rn_xdp_prog_redirect(const struct rn_xdp_prog *prog, uint32_t queue, int fd);
void rn_xdp_prog_fini(struct rn_xdp_prog *prog);
