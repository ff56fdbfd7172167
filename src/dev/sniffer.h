#pragma once
/* A device that shows every packet of the one below it to a sink, both ways, and changes nothing. */
#include "dev/device.h"

struct rn_sniff_sink {
    /* Const data only; @is_out: towards the device below. The packet is as the device gives or gets it (super-packets,
     * PARTIAL checksums). */
    void (*packet)(void *arg, const struct rn_pkt *pkt, bool is_out, int64_t now_ns);
    void *arg;
};

/* Consumes @below: freed with the sniffer. Returns owned. Errors: NOMEM (then @below is still the caller's). */
RN_MUST_USE int rn_sniffer_new(struct rn_device **ret, struct rn_device *below,
                               const struct rn_sniff_sink *sink);
