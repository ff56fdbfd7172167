#include "io/vhost_net.h"

#include "dev/gso.h"
#include "io/fd_device.h"
#include "io/tun_offload.h"
#include "wire/eth.h"

#define RX_FEATURES                                                                                \
    (RN_VIRTIO_GUEST_CSUM | RN_VIRTIO_GUEST_TSO4 | RN_VIRTIO_GUEST_TSO6 | RN_VIRTIO_GUEST_ECN |    \
     RN_VIRTIO_GUEST_USO4 | RN_VIRTIO_GUEST_USO6)
#define TX_FEATURES                                                                                \
    (RN_VIRTIO_CSUM | RN_VIRTIO_HOST_TSO4 | RN_VIRTIO_HOST_TSO6 | RN_VIRTIO_HOST_ECN |             \
     RN_VIRTIO_HOST_USO)

uint64_t rn_vhost_net_features(bool without_offloads)
{
    uint64_t always = RN_VIRTIO_VERSION_1 | RN_VIRTIO_MRG_RXBUF | RN_VIRTIO_ANY_LAYOUT |
                      RN_VIRTIO_INDIRECT_DESC | RN_VIRTIO_EVENT_IDX | RN_VHOST_PROTOCOL_FEATURES;

    return without_offloads ? always : always | RX_FEATURES | TX_FEATURES;
}

/* §5.1.6.1: a legacy driver that merges no buffers has no count of them in its header. */
static uint32_t header_bytes(const struct rn_vhost_net *net)
{
    uint64_t long_ones = RN_VIRTIO_VERSION_1 | RN_VIRTIO_MRG_RXBUF;

    return (net->session->features & long_ones) != 0 ? RN_VNET_HDR_MRG_BYTES : RN_VNET_HDR_BYTES;
}

static bool has(const struct rn_vhost_net *net, uint64_t features)
{
    return (net->session->features & features) == features;
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */
struct cursor {
    const struct iovec *iov;
    size_t at; /* in it */
};

/* Copies @bytes, which both sides have; moves both on. */
static void copy(struct cursor *to, struct cursor *from, size_t bytes)
{
    while (bytes > 0) {
        size_t n = rn_min_size(to->iov->iov_len - to->at, from->iov->iov_len - from->at);

        n = rn_min_size(n, bytes);
        memcpy((uint8_t *)to->iov->iov_base + to->at, (uint8_t *)from->iov->iov_base + from->at, n);
        bytes -= n;
        to->at += n;
        from->at += n;
        if (to->at == to->iov->iov_len)
            *to = (struct cursor){ to->iov + 1, 0 };
        if (from->at == from->iov->iov_len)
            *from = (struct cursor){ from->iov + 1, 0 };
    }
}

static void empty(struct rn_vhost_span *span)
{
    span->n_pieces = 0;
    span->n_chains = 0;
    span->bytes = 0;
}

/* --- from the guest ----------------------------------------------------------------------------------------------- */
/* Whether it is of a kind that was agreed on. */
static bool was_negotiated(const struct rn_vhost_net *net, const struct rn_pkt *pkt)
{
    static const uint64_t gso_needs[] = {
        [RN_GSO_NONE] = 0,
        [RN_GSO_TCP4] = RN_VIRTIO_HOST_TSO4,
        [RN_GSO_TCP6] = RN_VIRTIO_HOST_TSO6,
        [RN_GSO_UDP] = RN_VIRTIO_HOST_USO,
    };
    uint64_t needs = gso_needs[pkt->gso];

    if (pkt->csum == RN_CSUM_PARTIAL)
        needs |= RN_VIRTIO_CSUM;
    if ((pkt->flags & RN_PKT_GSO_ECN) != 0)
        needs |= RN_VIRTIO_HOST_ECN;
    return has(net, needs);
}

/* The frame of @len bytes whose header was @vnet is in the slab. */
static void accept_frame(struct rn_vhost_net *net, struct rn_pktq *in, const uint8_t *vnet,
                         size_t len)
{
    struct rn_device *dev = net->dev;
    struct rn_pkt *pkt = rn_rx_slab_take(&net->slab, len);

    if (pkt == NULL) {
        dev->drops.n[RN_DROP_NOMEM]++;
        return;
    }
    pkt->time_ns = dev->turn->now_ns;
    if (rn_offload_rx(pkt, vnet, dev->link_type) < 0 || !was_negotiated(net, pkt)) {
        rn_device_drop(dev, pkt, RN_DROP_MALFORMED);
        return;
    }
    rn_pktq_push(in, pkt);
}

/* Copies first and looks then: the guest may still write there. */
static void accept_span(struct rn_vhost_net *net, struct rn_pktq *in)
{
    const struct rn_vhost_span *span = &net->span;
    struct rn_device *dev = net->dev;
    uint32_t hdr_bytes = header_bytes(net);
    uint8_t vnet[RN_VNET_HDR_MRG_BYTES];
    const struct iovec hdr = { vnet, hdr_bytes };
    struct iovec slab[2];
    struct cursor from = { span->pieces, 0 };

    if (!net->session->queues[RN_VHOST_TX].is_enabled) {
        dev->drops.n[RN_DROP_NIC_DOWN]++; /* the protocol's rule: taken, and nothing happens */
        return;
    }
    if (span->bytes <= hdr_bytes) {
        dev->drops.n[RN_DROP_MALFORMED]++;
        return;
    }
    if (span->bytes - hdr_bytes >= RN_RX_SLAB_BYTES) {
        dev->drops.n[RN_DROP_TOO_BIG]++;
        return;
    }
    copy(&(struct cursor){ &hdr, 0 }, &from, hdr_bytes);
    rn_rx_slab_iov(&net->slab, slab);
    copy(&(struct cursor){ slab, 0 }, &from, (size_t)span->bytes - hdr_bytes);
    accept_frame(net, in, vnet, (size_t)span->bytes - hdr_bytes);
}

bool rn_vhost_net_receive(struct rn_vhost_net *net, struct rn_pktq *in)
{
    struct rn_vhost_ring *ring = &net->session->queues[RN_VHOST_TX].ring;

    empty(&net->span);
    if (!rn_vhost_ring_take(ring, RN_VHOST_READ, &net->span))
        return false;
    accept_span(net, in);
    rn_vhost_ring_use(ring, net->span.chains[0].head, 0);
    return true;
}

/* --- to the guest ------------------------------------------------------------------------------------------------- */
/* A super-packet that the guest would not know what to do with. */
static bool must_be_cut(const struct rn_vhost_net *net, const struct rn_pkt *pkt)
{
    static const uint64_t needs[] = {
        [RN_GSO_NONE] = 0,
        [RN_GSO_TCP4] = RN_VIRTIO_GUEST_CSUM | RN_VIRTIO_GUEST_TSO4,
        [RN_GSO_TCP6] = RN_VIRTIO_GUEST_CSUM | RN_VIRTIO_GUEST_TSO6,
        [RN_GSO_UDP] = RN_VIRTIO_GUEST_CSUM | RN_VIRTIO_GUEST_USO4 | RN_VIRTIO_GUEST_USO6,
    };
    bool lacks_ecn = (pkt->flags & RN_PKT_GSO_ECN) != 0 && !has(net, RN_VIRTIO_GUEST_ECN);

    return pkt->gso != RN_GSO_NONE && (!has(net, needs[pkt->gso]) || lacks_ecn);
}

enum room { ROOM_YES, ROOM_LATER, ROOM_NEVER };

/* Takes buffers for @bytes: one chain, or as many as it needs where the guest joins them (VIRTIO_NET_F_MRG_RXBUF). */
static enum room take_buffers(struct rn_vhost_net *net, uint64_t bytes)
{
    struct rn_vhost_ring *ring = &net->session->queues[RN_VHOST_RX].ring;
    struct rn_vhost_span *span = &net->span;
    uint32_t max = has(net, RN_VIRTIO_MRG_RXBUF) ? rn_min_u32(ring->size, RN_VHOST_CHAINS_MAX) : 1;

    empty(span);
    while (span->bytes < bytes) {
        /* All the buffers there can be, and still too small: it would wait for ever. */
        if (span->n_chains == max) {
            rn_vhost_ring_put_back(ring, span->n_chains);
            return ROOM_NEVER;
        }
        if (!rn_vhost_ring_take(ring, RN_VHOST_WRITE, span)) {
            rn_vhost_ring_put_back(ring, span->n_chains);
            return ROOM_LATER;
        }
    }
    return ROOM_YES;
}

static void use_buffers(struct rn_vhost_net *net, uint64_t bytes)
{
    struct rn_vhost_ring *ring = &net->session->queues[RN_VHOST_RX].ring;

    for (unsigned i = 0; i < net->span.n_chains; i++) {
        const struct rn_vhost_chain *chain = &net->span.chains[i];
        uint32_t n = (uint32_t)rn_min_u64(chain->bytes, bytes);

        rn_vhost_ring_use(ring, chain->head, n);
        bytes -= n;
    }
}

/* The packet that @iov describes goes into the buffers taken for it. */
static void fill(struct rn_vhost_net *net, const struct rn_pkt_iov *iov, bool has_vnet,
                 uint32_t len)
{
    uint32_t hdr_bytes = header_bytes(net);
    uint8_t vnet[RN_VNET_HDR_MRG_BYTES] = { 0 };
    const struct iovec hdr = { vnet, hdr_bytes };
    struct cursor to = { net->span.pieces, 0 };
    struct cursor from = { iov->iov + (has_vnet ? 1 : 0), 0 };

    if (has_vnet)
        memcpy(vnet, iov->vnet, RN_VNET_HDR_BYTES);
    rn_put_le16(vnet + RN_VNET_HDR_BYTES, rn_sat_u16(net->span.n_chains));
    copy(&to, &(struct cursor){ &hdr, 0 }, hdr_bytes);
    copy(&to, &from, len);
    use_buffers(net, (uint64_t)hdr_bytes + len);
}

static enum rn_vhost_sent lose_front(struct rn_vhost_net *net, struct rn_pktq *out,
                                     enum rn_drop why)
{
    rn_device_drop(net->dev, rn_pktq_pop(out), why);
    return RN_VHOST_SENT;
}

enum rn_vhost_sent rn_vhost_net_send(struct rn_vhost_net *net, struct rn_pktq *out)
{
    bool has_vnet = has(net, RN_VIRTIO_GUEST_CSUM);
    struct rn_pkt_iov iov;
    struct rn_pkt *pkt;

    if (must_be_cut(net, out->first))
        (void)rn_device_cut_front(net->dev, out);
    pkt = out->first;
    if (pkt == NULL)
        return RN_VHOST_SENT;
    if (pkt->len >= RN_RX_SLAB_BYTES)
        return lose_front(net, out, RN_DROP_TOO_BIG);
    switch (take_buffers(net, (uint64_t)header_bytes(net) + pkt->len)) {
    case ROOM_NEVER:
        return lose_front(net, out, RN_DROP_TOO_BIG);
    case ROOM_LATER:
        return RN_VHOST_NO_ROOM;
    case ROOM_YES:
    default:
        break;
    }
    if (!rn_pkt_to_iov(pkt, has_vnet, &iov)) {
        rn_vhost_ring_put_back(&net->session->queues[RN_VHOST_RX].ring, net->span.n_chains);
        return lose_front(net, out, RN_DROP_MALFORMED);
    }
    fill(net, &iov, has_vnet, pkt->len);
    rn_pkt_free(rn_pktq_pop(out));
    return RN_VHOST_SENT;
}
