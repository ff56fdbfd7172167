#pragma once
/*
 * A device whose wire is in the caller's hands: what the stack writes waits in a bounded queue until it is drained, what is
 * injected is read by the stack. A full queue refuses (partial writes); it loses nothing.
 */
#include "dev/device.h"

struct rn_chan_opts {
    enum rn_link_type link_type;
    uint32_t mtu;        /* 0: 1500 */
    uint32_t queue_pkts; /* each way; 0: 1024 */
    uint16_t batch;      /* 0: 64 */
    uint32_t caps;       /* enum rn_device_cap: what the caller, as the wire, can take and give */
    struct rn_mac mac;
    /* Optional: there is something to drain, or (RN_DEV_WRITABLE) room to inject again, or it was closed. Called inline;
     * only schedule work in it. */
    void (*on_wire)(void *arg, struct rn_device *dev, unsigned events);
    void *arg;
};

/* Returns owned. Errors: NOMEM. */
RN_MUST_USE int rn_chan_new(struct rn_device **ret, struct rn_turn *turn,
                            const struct rn_chan_opts *opts);
/* Moves at most @max packets that were written to @to. Returns how many; 0 when none wait. */
unsigned rn_chan_drain(struct rn_device *dev, struct rn_pktq *to, unsigned max);
/* Consumes packets from the front of @from, to be read by the stack, as long as there is room. Returns how many, or CANCELLED
 * once closed. */
int rn_chan_inject(struct rn_device *dev, struct rn_pktq *from);
