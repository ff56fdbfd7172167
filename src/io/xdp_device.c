#include "io/fd_device.h"
#include "io/packet_device.h"
#include "io/xdp_prog.h"
#include "io/xdp_ring.h"
#include "wire/eth.h"
#include <runnel/err.h>
#include <runnel/xdp.h>

#include <errno.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Frames of the shared memory: a half for receiving, a half for sending. */
#define HALF_FRAMES 512u
#define FRAME_BYTES 4096u
/* What the kernel keeps before a frame (XDP_PACKET_HEADROOM). */
#define FRAME_HEADROOM  256u
#define FRAME_MAX_BYTES (FRAME_BYTES - FRAME_HEADROOM)
#define MEMORY_BYTES    (2u * HALF_FRAMES * FRAME_BYTES)
/* A kick sends what is queued, a batch at a time; a veth is never busy for longer. */
#define KICKS_MAX 32u

struct xdp_device {
    struct rn_device dev;
    int fd;
    bool is_promiscuous;
    struct rn_xdp_prog prog;
    uint8_t *memory;
    struct rn_xdp_ring ring[RN_XDP_RINGS];
    uint32_t free_tx[HALF_FRAMES]; /* frames for sending that are not on their way */
    uint32_t n_free_tx;
};

static struct xdp_device *of(const struct rn_device *dev)
{
    return rn_container_of(dev, struct xdp_device, dev);
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */
/* Takes one frame and gives its memory back to the kernel, of whose frames there are never more than entries. */
static void read_one(struct xdp_device *xdp, struct rn_pktq *in)
{
    const struct xdp_desc desc = *rn_xdp_ring_desc(&xdp->ring[RN_XDP_RX]);
    struct rn_pkt *pkt;

    if (desc.addr >= MEMORY_BYTES || desc.len > MEMORY_BYTES - desc.addr || desc.len == 0) {
        xdp->dev.drops.n[RN_DROP_MALFORMED]++;
        return; /* the kernel would be broken; do not lend it that frame again */
    }
    pkt = rn_packet_copy(&xdp->dev, rn_view_of(xdp->memory + desc.addr, desc.len),
                         xdp->is_promiscuous);
    if (pkt != NULL)
        rn_pktq_push(in, pkt);
    *rn_xdp_ring_addr(&xdp->ring[RN_XDP_FILL]) = desc.addr & ~(uint64_t)(FRAME_BYTES - 1);
}

static int xdp_read_batch(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct xdp_device *xdp = of(dev);
    struct rn_xdp_ring *rx = &xdp->ring[RN_XDP_RX];
    uint32_t had = in->n_pkts;
    uint32_t budget = dev->is_closed ? 0 : HALF_FRAMES; /* frames for others cost time too */

    for (; in->n_pkts - had < max && budget > 0 && rn_xdp_ring_waiting(rx) > 0; budget--)
        read_one(xdp, in);
    rn_xdp_ring_give_back(rx);
    rn_xdp_ring_publish(&xdp->ring[RN_XDP_FILL]);
    if (in->n_pkts > had)
        return (int)(in->n_pkts - had);
    return dev->is_closed ? RN_E_CANCELLED : RN_E_WOULD_BLOCK;
}

/* --- sending ------------------------------------------------------------------------------------------------------ */
static void collect_sent(struct xdp_device *xdp)
{
    struct rn_xdp_ring *done = &xdp->ring[RN_XDP_DONE];

    while (rn_xdp_ring_waiting(done) > 0 && xdp->n_free_tx < HALF_FRAMES)
        xdp->free_tx[xdp->n_free_tx++] =
            (uint32_t)(*rn_xdp_ring_addr(done) / FRAME_BYTES); /* of 1024 */
    rn_xdp_ring_give_back(done);
}

/* Returns false for a packet that tells of a checksum outside of it. */
static bool queue_one(struct xdp_device *xdp, const struct rn_pkt *pkt)
{
    uint32_t frame = xdp->free_tx[xdp->n_free_tx - 1];
    uint64_t addr = (uint64_t)frame * FRAME_BYTES;

    if (!rn_pkt_copy_out_complete(pkt, xdp->memory + addr))
        return false;
    xdp->n_free_tx--;
    *rn_xdp_ring_desc(&xdp->ring[RN_XDP_TX]) = (struct xdp_desc){ .addr = addr, .len = pkt->len };
    return true;
}

/* Returns true when the front packet of @out is done with, one way or the other. */
static bool write_one(struct xdp_device *xdp, struct rn_pktq *out)
{
    struct rn_pkt *pkt = out->first;

    if (pkt->len > FRAME_MAX_BYTES || pkt->gso != RN_GSO_NONE) {
        rn_device_drop(&xdp->dev, rn_pktq_pop(out), RN_DROP_TOO_BIG);
        return true;
    }
    if (xdp->n_free_tx == 0 || rn_xdp_ring_room(&xdp->ring[RN_XDP_TX]) == 0)
        return false;
    if (!queue_one(xdp, pkt))
        rn_device_drop(&xdp->dev, rn_pktq_pop(out), RN_DROP_MALFORMED);
    else
        rn_pkt_free(rn_pktq_pop(out));
    return true;
}

/* Without a driver of its own the kernel sends during this call. */
static void kick(struct xdp_device *xdp)
{
    for (unsigned i = 0; i < KICKS_MAX; i++) {
        if (sendto(xdp->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
            return;
        if (errno == ENXIO || errno == ENETDOWN || errno == EBADF) {
            if (errno != ENETDOWN)
                rn_device_mark_closed(&xdp->dev);
            return;
        }
        if (errno != EAGAIN && errno != EBUSY && errno != ENOBUFS)
            return;
    }
}

static int xdp_write_batch(struct rn_device *dev, struct rn_pktq *out)
{
    struct xdp_device *xdp = of(dev);
    int n = 0;

    if (dev->is_closed)
        return RN_E_CANCELLED;
    collect_sent(xdp);
    while (!rn_pktq_is_empty(out)) {
        if (write_one(xdp, out)) {
            n++;
            continue;
        }
        rn_xdp_ring_publish(&xdp->ring[RN_XDP_TX]);
        kick(xdp);
        collect_sent(xdp);
        if (xdp->n_free_tx == 0 || rn_xdp_ring_room(&xdp->ring[RN_XDP_TX]) == 0)
            return n;
    }
    if (n > 0) {
        rn_xdp_ring_publish(&xdp->ring[RN_XDP_TX]);
        kick(xdp);
    }
    return n;
}

/* --- the rest of a device ----------------------------------------------------------------------------------------- */
static int xdp_poll_fd(const struct rn_device *dev)
{
    return of(dev)->fd;
}

static void xdp_close(struct rn_device *dev)
{
    rn_device_mark_closed(dev);
}

static void release(struct xdp_device *xdp)
{
    rn_xdp_prog_fini(&xdp->prog);
    for (unsigned i = 0; i < RN_XDP_RINGS; i++)
        rn_xdp_ring_unmap(&xdp->ring[i]);
    if (xdp->fd >= 0)
        close(xdp->fd);
    if (xdp->memory != NULL)
        munmap(xdp->memory, MEMORY_BYTES);
    rn_alloc_free(rn_turn_alloc(xdp->dev.turn), xdp, sizeof(*xdp));
}

static void xdp_destroy(struct rn_device *dev)
{
    xdp_close(dev);
    release(of(dev));
}

static const struct rn_device_ops xdp_ops = {
    .kind = "xdp",
    .read_batch = xdp_read_batch,
    .write_batch = xdp_write_batch,
    .poll_fd = xdp_poll_fd,
    .close = xdp_close,
    .destroy = xdp_destroy,
};

uint64_t rn_xdp_lost(struct rn_device *device)
{
    struct xdp_statistics stats = { 0 };
    socklen_t len = sizeof(stats);

    if (getsockopt(of(device)->fd, SOL_XDP, XDP_STATISTICS, &stats, &len) < 0)
        return 0;
    return stats.rx_dropped + stats.rx_ring_full + stats.rx_fill_ring_empty_descs;
}

/* --- making one --------------------------------------------------------------------------------------------------- */
static int register_memory(struct xdp_device *xdp)
{
    struct xdp_umem_reg reg = { .len = MEMORY_BYTES, .chunk_size = FRAME_BYTES };
    void *memory =
        mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return RN_E_NOMEM;
    xdp->memory = memory;
    reg.addr = (uint64_t)(uintptr_t)memory;
    if (setsockopt(xdp->fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) < 0)
        return rn_err_from_errno(errno);
    return RN_OK;
}

static int map_rings(struct xdp_device *xdp)
{
    for (unsigned i = 0; i < RN_XDP_RINGS; i++) {
        int err = rn_xdp_ring_map(&xdp->ring[i], xdp->fd, (enum rn_xdp_ring_kind)i, HALF_FRAMES);

        if (err < 0)
            return err;
    }
    for (uint32_t i = 0; i < HALF_FRAMES; i++) {
        *rn_xdp_ring_addr(&xdp->ring[RN_XDP_FILL]) = (uint64_t)i * FRAME_BYTES;
        xdp->free_tx[i] = HALF_FRAMES + i;
    }
    xdp->n_free_tx = HALF_FRAMES;
    rn_xdp_ring_publish(&xdp->ring[RN_XDP_FILL]);
    return RN_OK;
}

static int join_queue(struct xdp_device *xdp, uint32_t ifindex, const struct rn_xdp_opts *opts)
{
    struct sockaddr_xdp at = { .sxdp_family = AF_XDP,
                               .sxdp_ifindex = ifindex,
                               .sxdp_queue_id = opts->queue,
                               .sxdp_flags = opts->may_be_zero_copy ? 0 : XDP_COPY };
    int err;

    if (bind(xdp->fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        return rn_err_from_errno(errno);
    err = rn_xdp_prog_attach(&xdp->prog, ifindex, opts->is_generic);
    return err < 0 ? err : rn_xdp_prog_redirect(&xdp->prog, opts->queue, xdp->fd);
}

static void describe(struct xdp_device *xdp, const struct rn_xdp_opts *opts)
{
    const struct rn_packet_opts named = { .name = opts->name, .mac = opts->mac };
    uint32_t mtu = rn_packet_mtu(&named);

    rn_packet_describe(&xdp->dev, xdp->dev.turn, &named, false);
    xdp->dev.mtu = rn_min_u32(mtu != 0 ? mtu : 1500, FRAME_MAX_BYTES - RN_ETH_HDR_BYTES);
}

static int set_up(struct xdp_device *xdp, const struct rn_xdp_opts *opts)
{
    uint32_t ifindex = if_nametoindex(opts->name);
    int err;

    if (ifindex == 0)
        return rn_err_from_errno(errno);
    xdp->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (xdp->fd < 0)
        return rn_err_from_errno(errno);
    err = register_memory(xdp);
    if (err >= 0)
        err = map_rings(xdp);
    if (err >= 0)
        err = join_queue(xdp, ifindex, opts);
    if (err >= 0)
        describe(xdp, opts);
    return err;
}

int rn_xdp_open(struct rn_device **ret, struct rn_turn *turn, const struct rn_xdp_opts *opts)
{
    struct xdp_device *xdp = rn_alloc_new(rn_turn_alloc(turn), sizeof(*xdp));
    int err;

    if (xdp == NULL)
        return RN_E_NOMEM;
    xdp->dev.turn = turn;
    xdp->dev.ops = &xdp_ops;
    xdp->fd = -1;
    xdp->prog = (struct rn_xdp_prog)RN_XDP_PROG_NONE;
    xdp->is_promiscuous = opts->is_promiscuous;
    err = set_up(xdp, opts);
    if (err < 0) {
        release(xdp);
        return err;
    }
    *ret = &xdp->dev;
    return RN_OK;
}
