#include "dev/bytes.h"

#include "dev/gso.h"
#include "wire/eth.h"
#include <runnel/err.h>

void rn_bytes_prepare(const struct rn_device *dev, struct rn_pktq *from, struct rn_pktq *to)
{
    const struct rn_device plain = { .link_type = dev->link_type };
    struct rn_pkt *pkt;

    while ((pkt = rn_pktq_pop(from)) != NULL)
        (void)rn_gso_conform(&plain, pkt, to); /* what cannot be cut is dropped there */
}

int rn_bytes_take(struct rn_pktq *q, void *buf, size_t cap)
{
    struct rn_pkt *pkt = q->first;
    uint32_t len;

    if (pkt == NULL)
        return RN_E_WOULD_BLOCK;
    len = pkt->len;
    if (len > cap)
        return RN_E_MSG_TOO_LONG;
    (void)rn_pktq_pop(q);
    rn_pkt_copy_out(pkt, 0, buf, len);
    rn_pkt_free(pkt);
    return (int)len; /* 64 KiB and headers at most */
}

int rn_bytes_packet(struct rn_pkt **ret, const struct rn_device *dev, const void *bytes, size_t len)
{
    size_t link_len = dev->link_type == RN_LINK_ETHERNET ? RN_ETH_HDR_BYTES : 0;
    struct rn_pkt *pkt;

    if (len == 0 || len > dev->mtu + link_len)
        return RN_E_MSG_TOO_LONG;
    pkt = rn_pkt_from_bytes(dev->turn->pool, bytes, len);
    if (pkt == NULL)
        return RN_E_NO_BUFFER;
    *ret = pkt;
    return RN_OK;
}
