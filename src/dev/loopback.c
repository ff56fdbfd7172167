#include "dev/loopback.h"

#include <runnel/err.h>

#define QUEUE_PKTS    1024u
#define BATCH         64u
#define GSO_MAX_BYTES 65535u

struct loopback {
    struct rn_device dev;
    struct rn_pktq queue;
    bool was_refused;
};

static struct loopback *loopback_of(struct rn_device *dev)
{
    return rn_container_of(dev, struct loopback, dev);
}

static int loopback_read(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct loopback *lo = loopback_of(dev);
    unsigned n;

    for (n = 0; n < max && !rn_pktq_is_empty(&lo->queue); n++)
        rn_pktq_push(in, rn_pktq_pop(&lo->queue));
    if (n != 0 && lo->was_refused) {
        lo->was_refused = false;
        rn_device_notify(dev, RN_DEV_WRITABLE);
    }
    if (n != 0)
        return (int)n;
    return dev->is_closed ? RN_E_CANCELLED : RN_E_WOULD_BLOCK;
}

/* It comes back as a packet that was just received: what output noted on it goes. */
static void turn_round(struct rn_pkt *pkt, const struct rn_turn *turn)
{
    pkt->flags = (uint8_t)((pkt->flags & (RN_PKT_GSO_ECN | RN_PKT_GSO_FIXED_ID)) | RN_PKT_LOOPED |
                           RN_PKT_LENT);
    pkt->nic = 0;
    pkt->flow_hash = 0;
    pkt->time_ns = turn->now_ns;
}

static int loopback_write(struct rn_device *dev, struct rn_pktq *out)
{
    struct loopback *lo = loopback_of(dev);
    bool was_empty = rn_pktq_is_empty(&lo->queue);
    int n;

    if (dev->is_closed)
        return RN_E_CANCELLED;
    for (n = 0; lo->queue.n_pkts < QUEUE_PKTS && !rn_pktq_is_empty(out); n++) {
        struct rn_pkt *pkt = rn_pktq_pop(out);

        turn_round(pkt, dev->turn);
        rn_pktq_push(&lo->queue, pkt);
    }
    lo->was_refused = !rn_pktq_is_empty(out);
    if (was_empty && n != 0)
        rn_device_notify(dev, RN_DEV_READABLE);
    return n;
}

static void loopback_close(struct rn_device *dev)
{
    if (dev->is_closed)
        return;
    dev->is_closed = true;
    rn_device_notify(dev, RN_DEV_CLOSED);
}

static void loopback_destroy(struct rn_device *dev)
{
    struct loopback *lo = loopback_of(dev);

    loopback_close(dev);
    rn_pktq_free_all(&lo->queue);
    rn_alloc_free(rn_turn_alloc(dev->turn), lo, sizeof(*lo));
}

static const struct rn_device_ops loopback_ops = {
    .kind = "loopback",
    .read_batch = loopback_read,
    .write_batch = loopback_write,
    .close = loopback_close,
    .destroy = loopback_destroy,
};

int rn_loopback_new(struct rn_device **ret, struct rn_turn *turn, uint32_t mtu)
{
    struct loopback *lo = rn_alloc_new(rn_turn_alloc(turn), sizeof(*lo));
    struct rn_device *dev;

    if (lo == NULL)
        return RN_E_NOMEM;
    dev = &lo->dev;
    dev->ops = &loopback_ops;
    dev->turn = turn;
    memcpy(dev->name, "lo", sizeof("lo"));
    dev->caps =
        RN_DEV_LOOPBACK | RN_DEV_RX_CSUM | RN_DEV_TX_CSUM | RN_DEV_TSO4 | RN_DEV_TSO6 | RN_DEV_USO;
    dev->mtu = mtu != 0 ? mtu : RN_LOOPBACK_MTU;
    dev->gso_max_bytes = GSO_MAX_BYTES;
    dev->batch = BATCH;
    *ret = dev;
    return RN_OK;
}
