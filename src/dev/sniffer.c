#include "dev/sniffer.h"

#include "dev/stacked.h"
#include <runnel/err.h>

struct sniffer {
    struct rn_stacked base;
    struct rn_sniff_sink sink;
};

static struct sniffer *sniffer_of(struct rn_device *dev)
{
    return rn_container_of(dev, struct sniffer, base.dev);
}

static int sniffer_read(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct sniffer *self = sniffer_of(dev);
    struct rn_pktq got = { 0 };
    int n = self->base.below->ops->read_batch(self->base.below, &got, max);

    for (const struct rn_pkt *pkt = got.first; pkt != NULL; pkt = pkt->next)
        self->sink.packet(self->sink.arg, pkt, false, dev->turn->now_ns);
    rn_pktq_splice(in, &got);
    return n;
}

/* The device below consumes from the front: what it will take is only known afterwards, so packets are shown as they
 * are offered, one at a time, and only if the offer was taken. */
static int sniffer_write(struct rn_device *dev, struct rn_pktq *out)
{
    struct sniffer *self = sniffer_of(dev);
    int taken = 0;

    while (!rn_pktq_is_empty(out)) {
        struct rn_pktq one = { 0 };
        struct rn_pkt *shown = rn_pkt_clone(out->first);
        int n;

        rn_pktq_push(&one, rn_pktq_pop(out));
        n = self->base.below->ops->write_batch(self->base.below, &one);
        if (n > 0 && shown != NULL)
            self->sink.packet(self->sink.arg, shown, true, dev->turn->now_ns);
        rn_pkt_free(shown);
        if (n > 0)
            taken += n;
        /* As it was, or what is left of it: the device may have cut it. */
        if (!rn_pktq_is_empty(&one)) {
            rn_pktq_splice(&one, out);
            *out = one;
            return n < 0 && taken == 0 ? n : taken;
        }
        if (n < 0)
            return taken != 0 ? taken : n;
    }
    return taken;
}

static void sniffer_destroy(struct rn_device *dev)
{
    struct sniffer *self = sniffer_of(dev);
    const struct rn_alloc *alloc = rn_turn_alloc(dev->turn);

    rn_stacked_fini(&self->base);
    rn_alloc_free(alloc, self, sizeof(*self));
}

static const struct rn_device_ops sniffer_ops = {
    .kind = "sniffer",
    .read_batch = sniffer_read,
    .write_batch = sniffer_write,
    .poll_fd = rn_stacked_poll_fd,
    .ready = rn_stacked_ready,
    .is_holding = rn_stacked_is_holding,
    .close = rn_stacked_close,
    .destroy = sniffer_destroy,
};

int rn_sniffer_new(struct rn_device **ret, struct rn_device *below,
                   const struct rn_sniff_sink *sink)
{
    struct sniffer *self = rn_alloc_new(rn_turn_alloc(below->turn), sizeof(*self));

    if (self == NULL)
        return RN_E_NOMEM;
    self->sink = *sink;
    rn_stacked_init(&self->base, below, &sniffer_ops);
    *ret = &self->base.dev;
    return RN_OK;
}
