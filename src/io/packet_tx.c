#include "io/packet_tx.h"

#include <runnel/err.h>

#include <errno.h>

#define NONE_NOW (-1)

/* Describes packets from the front of @out; stops before one that cannot be described. */
static unsigned describe_batch(struct rn_packet_tx *tx, const struct rn_pktq *out)
{
    struct rn_pkt *pkt = out->first;
    unsigned n = 0;

    for (; n < RN_PACKET_BATCH && pkt != NULL; pkt = pkt->next) {
        struct rn_pkt_iov *iov = &tx->iov[n];

        if (!rn_pkt_to_iov(pkt, tx->has_vnet, iov))
            break;
        tx->msgs[n].msg_hdr.msg_iov = iov->iov;
        tx->msgs[n].msg_hdr.msg_iovlen = iov->n;
        n++;
    }
    return n;
}

/* The front packet failed with @host_errno. Returns as send_some. */
static int settle_failure(struct rn_device *dev, struct rn_pktq *out, int host_errno)
{
    /* The interface dropped it: to offer it again, when it is one that no interface takes, would hold up all behind it for ever. */
    bool is_lost = host_errno == ENOBUFS;
    enum rn_tx_fate fate = is_lost ? RN_TX_DROP : rn_tx_fate_of(host_errno);

    if (fate == RN_TX_CLOSED)
        rn_device_mark_closed(dev);
    if (fate != RN_TX_DROP)
        return NONE_NOW;
    if (!is_lost && rn_device_cut_front(dev, out))
        return 0;
    rn_device_drop(dev, rn_pktq_pop(out), RN_DROP_DEVICE_REFUSED);
    return 1;
}

/* Returns how many packets left the queue (0: one was cut), NONE_NOW when the socket takes no more. */
static int send_some(struct rn_packet_tx *tx, struct rn_pktq *out)
{
    unsigned n = describe_batch(tx, out);
    int sent;

    if (n == 0) {
        rn_device_drop(tx->dev, rn_pktq_pop(out), RN_DROP_MALFORMED);
        return 1;
    }
    sent = sendmmsg(tx->fd, tx->msgs, n, MSG_DONTWAIT); /* syscalls: sendmmsg */
    if (sent < 0)
        return settle_failure(tx->dev, out, errno);
    for (int i = 0; i < sent; i++)
        rn_pkt_free(rn_pktq_pop(out));
    return sent;
}

int rn_packet_tx_batch(struct rn_packet_tx *tx, struct rn_pktq *out)
{
    const struct rn_device *dev = tx->dev;
    int n = 0;

    while (!dev->is_closed && !rn_pktq_is_empty(out)) {
        int sent = send_some(tx, out);

        if (sent == NONE_NOW)
            break;
        n += sent;
    }
    return n == 0 && dev->is_closed ? RN_E_CANCELLED : n;
}
