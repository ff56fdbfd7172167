#pragma once
/* Two ways to put functions where a device is wanted: a device made of functions, and a device whose reads and writes are told. */
#include "dev/device.h"

/* The rules of rn_device_ops hold for the functions. NULL: reads find nothing, writes drop (counted as CONSUMED). */
struct rn_callback_opts {
    int (*read)(void *arg, struct rn_pktq *in, unsigned max);
    int (*write)(void *arg, struct rn_pktq *out);
    void (*closed)(void *arg); /* once */
    void *arg;
    enum rn_link_type link_type;
    uint32_t mtu;   /* 0: 1500 */
    uint16_t batch; /* 0: 64 */
    uint32_t caps;  /* enum rn_device_cap */
};

/* Whoever makes packets tells so with rn_device_notify. Returns owned. Errors: NOMEM. */
RN_MUST_USE int rn_callback_new(struct rn_device **ret, struct rn_turn *turn,
                                const struct rn_callback_opts *opts);

/* Told after every operation of the device below, with what it returned, errors included. Either may be NULL. */
struct rn_told {
    void (*on_read)(void *arg, int result);
    void (*on_write)(void *arg, int result);
    void *arg;
};

/* Consumes @below on success: freed with it. Returns owned. Errors: NOMEM. */
RN_MUST_USE int rn_told_new(struct rn_device **ret, struct rn_device *below,
                            const struct rn_told *told);
