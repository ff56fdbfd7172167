#include "outnet/udp_train.h"

static unsigned views_of(const struct rn_pkt *pkt)
{
    return 1u + pkt->n_frags;
}

static bool goes_the_same_way(const struct rn_net_msg *a, const struct rn_net_msg *b)
{
    return a->peer.port == b->peer.port && a->peer.nic == b->peer.nic &&
           rn_addr_eq(a->peer.addr, b->peer.addr) && a->tos == b->tos && a->ttl == b->ttl &&
           a->dont_fragment == b->dont_fragment;
}

bool rn_udp_train_takes(const struct rn_udp_train *train, const struct rn_pkt *pkt,
                        const struct rn_net_msg *msg)
{
    const struct rn_pktq *q = &train->pkts;

    if (rn_pktq_is_empty(q))
        return true;
    /* A shorter one ends a train, and an empty one would not be seen in it. */
    if (q->first->gso != RN_GSO_NONE || pkt->gso != RN_GSO_NONE || pkt->len == 0 ||
        pkt->len > q->first->len || q->last->len != q->first->len)
        return false;
    return q->n_pkts < RN_UDP_TRAIN_PKTS_MAX && q->n_bytes + pkt->len <= RN_UDP_TRAIN_BYTES_MAX &&
           train->n_views + views_of(pkt) <= RN_UDP_TRAIN_VIEWS_MAX &&
           goes_the_same_way(&train->msg, msg);
}

void rn_udp_train_add(struct rn_udp_train *train, struct rn_pkt *pkt, const struct rn_net_msg *msg)
{
    if (rn_pktq_is_empty(&train->pkts)) {
        train->msg = *msg;
        train->n_views = 0;
    }
    train->n_views += views_of(pkt);
    rn_pktq_push(&train->pkts, pkt);
}

int64_t rn_udp_train_send(const struct rn_udp_train *train, struct rn_net_dgram *dgram)
{
    struct rn_slice slices[RN_UDP_TRAIN_VIEWS_MAX];
    struct rn_net_msg msg = train->msg;
    unsigned n = 0;

    msg.segment_bytes = rn_sat_u16(train->pkts.first->len);
    for (const struct rn_pkt *pkt = train->pkts.first; pkt != NULL; pkt = pkt->next) {
        for (unsigned i = 0; i < views_of(pkt) && n < RN_UDP_TRAIN_VIEWS_MAX; i++) {
            struct rn_view piece = rn_pkt_piece(pkt, i);

            if (piece.len != 0)
                slices[n++] = (struct rn_slice){ piece.ptr, piece.len };
        }
    }
    return dgram->ops->send(dgram, slices, n, &msg);
}
