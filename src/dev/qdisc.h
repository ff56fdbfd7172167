#pragma once
/*
 * A queue in front of a device: what the device below refuses, or a rate holds back, waits here in the order of a discipline.
 * It takes everything it is given and drops, counted, what is too much.
 */
#include "dev/device.h"

enum rn_qdisc_kind {
    RN_QDISC_FIFO,
    RN_QDISC_FQ_CODEL, /* RFC 8290: fair between flows, short queues by CoDel (RFC 8289), ECN */
};

/* Zero is a FIFO of 1000 packets without a rate. */
struct rn_qdisc_opts {
    enum rn_qdisc_kind kind;
    uint32_t limit_pkts;       /* 0: 1000, of FQ_CODEL 10240 (RFC 8290 §5.2.3) */
    uint64_t rate_bytes_per_s; /* token bucket; 0: as fast as the device below */
    uint32_t
        burst_bytes;     /* 0: 64 KiB; at least a packet of the MTU. Larger super-packets are cut */
    int64_t target_ns;   /* FQ_CODEL: 0: 5 ms (RFC 8289 §4.4) */
    int64_t interval_ns; /* FQ_CODEL: 0: 100 ms (RFC 8289 §4.3) */
    uint32_t quantum_bytes; /* FQ_CODEL: 0: 1514 (RFC 8290 §5.2.4) */
};

struct rn_qdisc_stats {
    uint64_t n_sent;
    uint64_t n_over_limit; /* dropped: queue full */
    uint64_t n_codel;      /* dropped by CoDel */
    uint64_t n_marked;     /* ECN CE instead of a drop */
    uint32_t backlog_pkts;
};

/* Consumes @below on success. Returns owned. Errors: NOMEM, BAD_OPTION. */
RN_MUST_USE int rn_qdisc_new(struct rn_device **ret, struct rn_device *below,
                             const struct rn_qdisc_opts *opts);
void rn_qdisc_get_stats(const struct rn_device *dev, struct rn_qdisc_stats *ret);
