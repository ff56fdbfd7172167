#include "dev/copy.h"

#include "dev/gro.h"
#include "dev/gso.h"
#include <runnel/err.h>

static unsigned batch_of(const struct rn_device *dev)
{
    return dev->batch != 0 ? dev->batch : 1;
}

/* Appends @pkt to what is in hand, as the destination wants it. */
static void hold(struct rn_copy *copy, struct rn_pkt *pkt)
{
    if (copy->to == NULL)
        rn_pktq_push(&copy->held, pkt);
    else
        (void)rn_gso_conform(copy->to, pkt, &copy->held); /* what cannot be cut is dropped there */
}

void rn_copy_set_from(struct rn_copy *copy, struct rn_device *from)
{
    copy->from = from;
    copy->may_read = from != NULL;
}

void rn_copy_set_to(struct rn_copy *copy, struct rn_device *to)
{
    struct rn_pktq in_hand = copy->held;
    struct rn_pkt *pkt;

    copy->held = (struct rn_pktq){ 0 };
    copy->to = to;
    copy->may_write = to != NULL;
    while ((pkt = rn_pktq_pop(&in_hand)) != NULL)
        hold(copy, pkt);
}

/* Moves up to @max packets from the front of @q to the end of @batch. */
static void take_batch(struct rn_pktq *batch, struct rn_pktq *q, unsigned max)
{
    while (batch->n_pkts < max && !rn_pktq_is_empty(q))
        rn_pktq_push(batch, rn_pktq_pop(q));
}

/* Writes what is in hand, batch by batch. Returns the device's error, else 0. */
static int flush(struct rn_copy *copy)
{
    while (copy->may_write && !rn_pktq_is_empty(&copy->held)) {
        struct rn_pktq batch = { 0 };
        int n;

        take_batch(&batch, &copy->held, batch_of(copy->to));
        n = copy->to->ops->write_batch(copy->to, &batch);
        if (!rn_pktq_is_empty(&batch)) {
            copy->may_write = false;
            rn_pktq_splice(&batch, &copy->held);
            copy->held = batch;
        }
        if (n < 0)
            return n;
        copy->n_pkts += (unsigned)n;
    }
    return 0;
}

/* What is worth merging: a source with offloads gives large packets already. */
static unsigned mergeable(const struct rn_copy *copy)
{
    unsigned what = 0;

    if (copy->does_not_merge || copy->to == NULL || (copy->from->caps & RN_DEV_RX_CSUM) != 0)
        return 0;
    if ((copy->to->caps & RN_DEV_TSO4) != 0 && (copy->to->caps & RN_DEV_TSO6) != 0)
        what |= RN_GRO_TCP;
    if ((copy->to->caps & RN_DEV_USO) != 0)
        what |= RN_GRO_UDP;
    return what;
}

static void take_in(struct rn_copy *copy, struct rn_pktq *in)
{
    unsigned what = mergeable(copy);
    struct rn_pkt *pkt;

    if (what != 0 && in->n_pkts > 1)
        rn_gro_merge(in, copy->from->link_type, what);

    while ((pkt = rn_pktq_pop(in)) != NULL) {
        if (copy->on_packet != NULL)
            pkt = copy->on_packet(copy->arg, pkt);
        if (pkt != NULL)
            hold(copy, pkt);
    }
}

enum rn_copy_state rn_copy_run(struct rn_copy *copy)
{
    uint64_t n_bytes = 0;
    unsigned n_pkts = 0;

    for (;;) {
        struct rn_pktq in = { 0 };
        int n;

        if (flush(copy) < 0 || (copy->to != NULL && copy->to->is_closed))
            return RN_COPY_TO_FAILED;
        /* Without a destination nothing is read: the packets wait where they are. */
        if (!rn_pktq_is_empty(&copy->held) || !copy->may_read || copy->to == NULL)
            return RN_COPY_WAITS;
        if (n_pkts >= RN_DEVICE_TURN_PKTS || n_bytes >= RN_DEVICE_TURN_BYTES)
            return RN_COPY_HAS_MORE;
        n = copy->from->ops->read_batch(copy->from, &in, batch_of(copy->from));
        if (n < 0) {
            copy->may_read = false;
            return n == RN_E_WOULD_BLOCK ? RN_COPY_WAITS : RN_COPY_FROM_FAILED;
        }
        n_pkts +=
            n == 0
                ? 1
                : (unsigned)n; /* 0: all of it was lost on the way; ask again, but not for ever */
        n_bytes += in.n_bytes;
        take_in(copy, &in);
    }
}

void rn_copy_fini(struct rn_copy *copy)
{
    rn_pktq_free_all(&copy->held);
    *copy = (struct rn_copy){ 0 };
}
