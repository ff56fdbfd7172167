#pragma once
/* A device made of functions; and rn_told_new of <runnel/wrap.h>. */
#include "dev/device.h"

#include <runnel/wrap.h>

/* The rules of rn_device_ops hold for the functions. NULL: reads find nothing, writes drop (counted as CONSUMED). */
struct rn_callback_opts {
    int (*read)(void *arg, struct rn_pktq *in, unsigned max);
    int (*write)(void *arg, struct rn_pktq *out);
    void (*closed)(void *arg); /* once */
    void (*freed)(void *arg);  /* once, last */
    void *arg;
    enum rn_link_type link_type;
    struct rn_mac mac; /* RN_LINK_ETHERNET only */
    uint32_t mtu;      /* 0: 1500 */
    uint16_t batch;    /* 0: 64 */
    uint32_t caps;     /* enum rn_device_cap */
};

/* Whoever makes packets tells so with rn_device_notify. Returns owned. Errors: NOMEM. */
RN_MUST_USE int rn_callback_new(struct rn_device **ret, struct rn_turn *turn,
                                const struct rn_callback_opts *opts);
