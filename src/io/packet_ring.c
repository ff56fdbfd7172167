/*
 * PACKET_MMAP, TPACKET_V3: the kernel packs frames into blocks of shared memory and hands whole blocks over. Sending is
 * packet_device.c's way: one sendmmsg for a batch costs less than the kernel's walk over a ring of sending slots.
 */
#include "io/packet_device.h"

#include "io/packet_tx.h"
#include "io/tun_offload.h"
#include "wire/eth.h"
#include <runnel/err.h>

#include <errno.h>
#include <linux/if_packet.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

/* A block holds any frame there is (64 KiB of payload and headers). */
#define BLOCK_BYTES        (256u << 10)
#define RING_DEFAULT_BYTES (2u << 20)
/* The kernel wants frames of one size that tile a block, and then packs them by their real size all the same. */
#define FRAME_BYTES 2048u
/* After this a block is handed over however empty it is; the least there is. */
#define RETIRE_MS 1u

struct packet_ring {
    struct rn_device dev;
    int fd;
    bool has_vnet;
    bool is_promiscuous;
    uint8_t *map;
    size_t map_bytes;
    unsigned n_blocks;
    unsigned at;       /* the block that is read or awaited */
    unsigned left;     /* frames of it not yet read; 0: it was not opened yet */
    uint32_t frame_at; /* the next of them, from the block's start */
    uint64_t lost;
    struct rn_packet_tx tx;
};

static struct packet_ring *of(const struct rn_device *dev)
{
    return rn_container_of(dev, struct packet_ring, dev);
}

/* --- reading ---------------------------------------------------------------------------------------------------- */
static uint8_t *block_start(const struct packet_ring *ring)
{
    return ring->map + (size_t)ring->at * BLOCK_BYTES;
}

/* The kernel's own structure at the start of shared memory that is aligned to pages. */
static struct tpacket_block_desc *block_of(const struct packet_ring *ring)
{
    return (struct tpacket_block_desc *)(void *)block_start(ring);
}

/* The word through which kernel and reader hand a block to each other. */
static _Atomic uint32_t *status_of(const struct packet_ring *ring)
{
    return (_Atomic uint32_t *)&block_of(ring)->hdr.bh1.block_status;
}

static bool open_block(struct packet_ring *ring)
{
    const struct tpacket_hdr_v1 *hdr = &block_of(ring)->hdr.bh1;

    if ((atomic_load_explicit(status_of(ring), memory_order_acquire) & TP_STATUS_USER) == 0)
        return false;
    ring->left = hdr->num_pkts;
    ring->frame_at = hdr->offset_to_first_pkt;
    return true;
}

static void give_back_block(struct packet_ring *ring)
{
    atomic_store_explicit(status_of(ring), TP_STATUS_KERNEL, memory_order_release);
    ring->at = (ring->at + 1) % ring->n_blocks;
    ring->left = 0;
}

static void accept_frame(struct packet_ring *ring, struct rn_pktq *in, struct rn_view frame,
                         const uint8_t *vnet)
{
    struct rn_device *dev = &ring->dev;
    struct rn_pkt *pkt = rn_packet_copy(dev, frame, ring->is_promiscuous);

    if (pkt == NULL)
        return;
    if (ring->has_vnet && rn_offload_rx(pkt, vnet, RN_LINK_ETHERNET) < 0) {
        rn_device_drop(dev, pkt, RN_DROP_MALFORMED);
        return;
    }
    rn_pktq_push(in, pkt);
}

/* One frame of the open block. The offsets are the kernel's, but a mistake of its shall not become one of ours. */
static void read_frame(struct packet_ring *ring, struct rn_pktq *in)
{
    const uint8_t *start = block_start(ring);
    uint32_t room = BLOCK_BYTES - rn_min_u32(ring->frame_at, BLOCK_BYTES);
    uint32_t vnet_len = ring->has_vnet ? RN_VNET_HDR_BYTES : 0;
    struct tpacket3_hdr hdr;

    if (room < sizeof(hdr)) {
        ring->left = 0;
        return;
    }
    memcpy(&hdr, start + ring->frame_at, sizeof(hdr));
    if (hdr.tp_mac < sizeof(hdr) + vnet_len || hdr.tp_mac > room ||
        hdr.tp_snaplen > room - hdr.tp_mac || hdr.tp_snaplen == 0) {
        ring->dev.drops.n[RN_DROP_MALFORMED]++;
    } else if (hdr.tp_snaplen < hdr.tp_len) {
        ring->dev.drops.n[RN_DROP_TOO_BIG]++;
    } else {
        const uint8_t *frame = start + ring->frame_at + hdr.tp_mac;

        accept_frame(ring, in, rn_view_of(frame, hdr.tp_snaplen), frame - vnet_len);
    }
    ring->left--;
    if (hdr.tp_next_offset == 0 || hdr.tp_next_offset > room)
        ring->left = 0;
    ring->frame_at += hdr.tp_next_offset;
}

/* An error that waits (the interface went down) would wake us for ever: no reading of the ring takes it away. */
static void take_error(struct packet_ring *ring)
{
    int host_errno = 0;
    socklen_t len = sizeof(host_errno);

    if (getsockopt(ring->fd, SOL_SOCKET, SO_ERROR, &host_errno, &len) == 0 && host_errno != 0 &&
        rn_rx_fate_of(host_errno) == RN_RX_CLOSED)
        rn_device_mark_closed(&ring->dev);
}

static int ring_read_batch(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct packet_ring *ring = of(dev);
    uint32_t had_pkts = in->n_pkts;
    uint64_t had_bytes = in->n_bytes;
    unsigned blocks = 0; /* frames for others cost time too */

    while (in->n_pkts - had_pkts < max && in->n_bytes - had_bytes < RN_DEVICE_TURN_BYTES &&
           blocks < ring->n_blocks && !dev->is_closed) {
        if (ring->left == 0 && !open_block(ring))
            break;
        if (ring->left > 0)
            read_frame(ring, in);
        if (ring->left == 0) {
            give_back_block(ring);
            blocks++;
        }
    }
    if (in->n_pkts > had_pkts)
        return (int)(in->n_pkts - had_pkts);
    if (!dev->is_closed)
        take_error(ring);
    return dev->is_closed ? RN_E_CANCELLED : RN_E_WOULD_BLOCK;
}

/* --- the rest of a device --------------------------------------------------------------------------------------- */
static int ring_write_batch(struct rn_device *dev, struct rn_pktq *out)
{
    return rn_packet_tx_batch(&of(dev)->tx, out);
}

static int ring_poll_fd(const struct rn_device *dev)
{
    return of(dev)->fd;
}

static void ring_close(struct rn_device *dev)
{
    rn_device_mark_closed(dev);
}

static void release(struct packet_ring *ring)
{
    if (ring->map != NULL)
        munmap(ring->map, ring->map_bytes);
    rn_alloc_free(rn_turn_alloc(ring->dev.turn), ring, sizeof(*ring));
}

static void ring_destroy(struct rn_device *dev)
{
    ring_close(dev);
    close(of(dev)->fd);
    release(of(dev));
}

static const struct rn_device_ops ring_ops = {
    .kind = "packet-ring",
    .read_batch = ring_read_batch,
    .write_batch = ring_write_batch,
    .poll_fd = ring_poll_fd,
    .close = ring_close,
    .destroy = ring_destroy,
};

uint64_t rn_packet_ring_lost(struct rn_device *dev)
{
    of(dev)->lost += rn_packet_take_lost(of(dev)->fd);
    return of(dev)->lost;
}

/* --- making one --------------------------------------------------------------------------------------------------- */
static int make_ring(struct packet_ring *ring, uint32_t bytes)
{
    int version = TPACKET_V3;
    struct tpacket_req3 req = { .tp_block_size = BLOCK_BYTES,
                                .tp_frame_size = FRAME_BYTES,
                                .tp_retire_blk_tov = RETIRE_MS };
    void *map;

    ring->n_blocks = rn_max_u32(bytes / BLOCK_BYTES, 2);
    ring->map_bytes = (size_t)ring->n_blocks * BLOCK_BYTES;
    req.tp_block_nr = ring->n_blocks;
    req.tp_frame_nr = ring->n_blocks * (BLOCK_BYTES / FRAME_BYTES);
    if (setsockopt(ring->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0 ||
        setsockopt(ring->fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)) < 0)
        return rn_err_from_errno(errno);
    map = mmap(NULL, ring->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
    if (map == MAP_FAILED)
        return rn_err_from_errno(errno);
    ring->map = map;
    return RN_OK;
}

/* The ring before the binding: no frame may come by the other way. */
static int prepare(struct packet_ring *ring, const struct rn_packet_opts *opts)
{
    int err;

    ring->has_vnet = rn_packet_tune(ring->fd, opts);
    err = make_ring(ring, opts->ring_bytes != 0 ? opts->ring_bytes : RING_DEFAULT_BYTES);
    if (err >= 0)
        err = rn_packet_bind(ring->fd, opts);
    return err;
}

int rn_packet_ring_open(struct rn_device **ret, struct rn_turn *turn,
                        const struct rn_packet_opts *opts)
{
    struct packet_ring *ring = rn_alloc_new(rn_turn_alloc(turn), sizeof(*ring));
    int err;

    if (ring == NULL)
        return RN_E_NOMEM;
    ring->dev.turn = turn;
    ring->dev.ops = &ring_ops;
    ring->is_promiscuous = opts->is_promiscuous;
    ring->fd = rn_packet_socket();
    err = ring->fd < 0 ? ring->fd : prepare(ring, opts);
    if (err < 0) {
        if (ring->fd >= 0)
            close(ring->fd);
        release(ring);
        return err;
    }
    rn_packet_describe(&ring->dev, turn, opts, ring->has_vnet);
    ring->dev.mtu = rn_packet_mtu(opts);
    ring->tx.dev = &ring->dev;
    ring->tx.fd = ring->fd;
    ring->tx.has_vnet = ring->has_vnet;
    *ret = &ring->dev;
    return RN_OK;
}
