#include "dev/chan.h"

#include "dev/bytes.h"

#include <runnel/err.h>

#define DEFAULT_MTU   1500u
#define DEFAULT_QUEUE 1024u
#define DEFAULT_BATCH 64u
#define GSO_MAX_BYTES (65535u + 14u)

struct chan {
    struct rn_device dev;
    struct rn_chan_opts opts;
    struct rn_pktq written; /* for the caller to drain */
    struct rn_pktq
        as_bytes; /* the one of them that rn_chan_take found too large, cut if it had to be */
    struct rn_pktq injected; /* for the owner to read */
    bool refused_write;
    bool refused_inject;
};

static struct chan *chan_of(struct rn_device *dev)
{
    return rn_container_of(dev, struct chan, dev);
}

static void tell_wire(struct chan *chan, unsigned events)
{
    if (chan->opts.on_wire != NULL)
        chan->opts.on_wire(chan->opts.arg, &chan->dev, events);
}

static unsigned move(struct rn_pktq *to, struct rn_pktq *from, unsigned max)
{
    unsigned n;

    for (n = 0; n < max && !rn_pktq_is_empty(from); n++)
        rn_pktq_push(to, rn_pktq_pop(from));
    return n;
}

static int chan_read(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct chan *chan = chan_of(dev);
    unsigned n = move(in, &chan->injected, max);

    if (n != 0 && chan->refused_inject) {
        chan->refused_inject = false;
        tell_wire(chan, RN_DEV_WRITABLE);
    }
    if (n != 0)
        return (int)n;
    return dev->is_closed ? RN_E_CANCELLED : RN_E_WOULD_BLOCK;
}

static int chan_write(struct rn_device *dev, struct rn_pktq *out)
{
    struct chan *chan = chan_of(dev);
    bool was_empty = rn_pktq_is_empty(&chan->written);
    unsigned n;

    if (dev->is_closed)
        return RN_E_CANCELLED;
    n = move(&chan->written, out, chan->opts.queue_pkts - chan->written.n_pkts);
    chan->refused_write = !rn_pktq_is_empty(out);
    if (was_empty && n != 0)
        tell_wire(chan, RN_DEV_READABLE);
    return (int)n;
}

unsigned rn_chan_drain(struct rn_device *dev, struct rn_pktq *to, unsigned max)
{
    struct chan *chan = chan_of(dev);
    unsigned n = move(to, &chan->written, max);

    if (n != 0 && chan->refused_write) {
        chan->refused_write = false;
        rn_device_notify(dev, RN_DEV_WRITABLE);
    }
    return n;
}

int rn_chan_inject(struct rn_device *dev, struct rn_pktq *from)
{
    struct chan *chan = chan_of(dev);
    bool was_empty = rn_pktq_is_empty(&chan->injected);
    unsigned n;

    if (dev->is_closed)
        return RN_E_CANCELLED;
    n = move(&chan->injected, from, chan->opts.queue_pkts - chan->injected.n_pkts);
    chan->refused_inject = !rn_pktq_is_empty(from);
    if (was_empty && n != 0)
        rn_device_notify(dev, RN_DEV_READABLE);
    return (int)n;
}

int rn_chan_take(struct rn_device *dev, void *buf, size_t cap)
{
    struct chan *chan = chan_of(dev);
    struct rn_pktq one = { 0 };
    int n;

    /* More than once: what cannot be made a wire packet is dropped there. */
    while (rn_pktq_is_empty(&chan->as_bytes) && rn_chan_drain(dev, &one, 1) > 0)
        rn_bytes_prepare(dev, &one, &chan->as_bytes);
    n = rn_bytes_take(&chan->as_bytes, buf, cap);
    return n == RN_E_WOULD_BLOCK && dev->is_closed ? RN_E_CANCELLED : n;
}

int rn_chan_put(struct rn_device *dev, const void *bytes, size_t len)
{
    struct rn_pktq one = { 0 };
    struct rn_pkt *pkt;
    int n = dev->is_closed ? RN_E_CANCELLED : rn_bytes_packet(&pkt, dev, bytes, len);

    if (n < 0)
        return n;
    rn_pktq_push(&one, pkt);
    n = rn_chan_inject(dev, &one);
    rn_pktq_free_all(&one); /* what was refused is still in the caller's bytes */
    return n == 0 ? RN_E_WOULD_BLOCK : (int)len;
}

static void chan_close(struct rn_device *dev)
{
    if (dev->is_closed)
        return;
    dev->is_closed = true;
    tell_wire(chan_of(dev), RN_DEV_CLOSED);
    rn_device_notify(dev, RN_DEV_CLOSED);
}

static void chan_destroy(struct rn_device *dev)
{
    struct chan *chan = chan_of(dev);

    chan_close(dev);
    rn_pktq_free_all(&chan->written);
    rn_pktq_free_all(&chan->as_bytes);
    rn_pktq_free_all(&chan->injected);
    rn_alloc_free(rn_turn_alloc(dev->turn), chan, sizeof(*chan));
}

static const struct rn_device_ops chan_ops = {
    .kind = "chan",
    .read_batch = chan_read,
    .write_batch = chan_write,
    .close = chan_close,
    .destroy = chan_destroy,
};

int rn_chan_new(struct rn_device **ret, struct rn_turn *turn, const struct rn_chan_opts *opts)
{
    struct chan *chan = rn_alloc_new(rn_turn_alloc(turn), sizeof(*chan));
    struct rn_device *dev;

    if (chan == NULL)
        return RN_E_NOMEM;
    chan->opts = *opts;
    if (chan->opts.queue_pkts == 0)
        chan->opts.queue_pkts = DEFAULT_QUEUE;
    dev = &chan->dev;
    dev->ops = &chan_ops;
    dev->turn = turn;
    memcpy(dev->name, "chan", sizeof("chan"));
    dev->link_type = opts->link_type;
    dev->caps = opts->caps;
    dev->mtu = opts->mtu != 0 ? opts->mtu : DEFAULT_MTU;
    dev->gso_max_bytes =
        (opts->caps & (RN_DEV_TSO4 | RN_DEV_TSO6 | RN_DEV_USO)) != 0 ? GSO_MAX_BYTES : 0;
    dev->batch = opts->batch != 0 ? opts->batch : DEFAULT_BATCH;
    dev->mac = opts->mac;
    *ret = dev;
    return RN_OK;
}
