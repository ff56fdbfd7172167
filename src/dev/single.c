#include "dev/single.h"

#include "dev/bytes.h"
#include <runnel/err.h>

static void on_device(struct rn_device *dev, unsigned events)
{
    const struct rn_single *single = dev->owner;

    if (single->on_event != NULL)
        single->on_event(single->arg, events);
}

int rn_single_new(struct rn_single **ret, struct rn_device *device,
                  void (*on_event)(void *arg, unsigned events), void *arg)
{
    struct rn_single *single = rn_alloc_new(rn_turn_alloc(device->turn), sizeof(*single));

    if (single == NULL)
        return RN_E_NOMEM;
    *single = (struct rn_single){ .dev = device, .on_event = on_event, .arg = arg };
    device->owner = single;
    device->notify = on_device;
    *ret = single;
    return RN_OK;
}

struct rn_single *rn_single_free(struct rn_single *single)
{
    if (single == NULL)
        return NULL;
    rn_pktq_free_all(&single->in);
    single->dev->notify = NULL;
    single->dev->owner = NULL;
    rn_alloc_free(rn_turn_alloc(single->dev->turn), single, sizeof(*single));
    return NULL;
}

int rn_single_read(struct rn_single *single, void *buf, size_t cap)
{
    struct rn_device *dev = single->dev;
    int n = 0;

    while (rn_pktq_is_empty(&single->in) && n >= 0) {
        struct rn_pktq batch = { 0 };

        n = dev->ops->read_batch(dev, &batch, RN_DEVICE_TURN_PKTS);
        rn_bytes_prepare(dev, &batch, &single->in);
    }
    if (rn_pktq_is_empty(&single->in))
        return n == RN_E_WOULD_BLOCK ? n : RN_E_CANCELLED;
    return rn_bytes_take(&single->in, buf, cap);
}

int rn_single_write(struct rn_single *single, const void *bytes, size_t len)
{
    struct rn_device *dev = single->dev;
    struct rn_pktq q = { 0 };
    struct rn_pkt *pkt;
    int n = rn_bytes_packet(&pkt, dev, bytes, len);

    if (n < 0)
        return n;
    rn_pktq_push(&q, pkt);
    n = dev->ops->write_batch(dev, &q);
    rn_pktq_free_all(&q); /* what was refused is still in the caller's bytes */
    if (n < 0)
        return RN_E_CANCELLED;
    return n == 0 ? RN_E_WOULD_BLOCK : (int)len;
}
