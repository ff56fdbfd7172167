#pragma once
/*
 * One device in front of many: every packet that it reads goes to one of up to sixteen fronts, chosen by a function of the caller;
 * what is written to any front leaves through it.
 */
#include "dev/device.h"

#define RN_SPLIT_FRONTS_MAX 16u

struct rn_split;

struct rn_split_opts {
    /* Which front gets @pkt (const data only); any number without a front: dropped. NULL: the first front gets all. */
    unsigned (*route)(void *arg, const struct rn_pkt *pkt);
    void *arg;
    uint32_t
        queue_pkts; /* unread packets of one front; beyond it they are dropped (RX_QUEUE_FULL); 0: 1024 */
};

/* Consumes @below on success. Returns owned. Errors: NOMEM. */
RN_MUST_USE int rn_split_new(struct rn_split **ret, struct rn_device *below,
                             const struct rn_split_opts *opts);
/* Closes the fronts, which stay their owners', and frees the device below. Returns NULL. */
struct rn_split *rn_split_free(struct rn_split *split);
/* A front with number @index. Returns owned; freeing it leaves the number free. Errors: NOMEM, EXISTS, BAD_OPTION (index). */
RN_MUST_USE int rn_split_front(struct rn_device **ret, struct rn_split *split, unsigned index);
/* Drops of packets without a front. Borrowed. */
const struct rn_drop_account *rn_split_drops(const struct rn_split *split);
