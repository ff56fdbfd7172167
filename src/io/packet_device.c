#include "io/packet_device.h"

#include "io/packet_tx.h"
#include "io/rx_slab.h"
#include "io/tun_offload.h"
#include <runnel/err.h>

#include <errno.h>
#include <linux/if_packet.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EMPTY_READS_MAX 64u

struct rx_slot {
    struct rn_rx_slab slab;
    uint8_t vnet[RN_VNET_HDR_BYTES];
    struct iovec iov[3];
};

/*
 * Of several sockets the kernel fills one until that has no room, then goes on to the next, round and round. So we read one until
 * it is empty, and go on when the next has something; after that nothing more comes to the first until the round is complete.
 */
struct packet_device {
    struct rn_device dev;
    int fds[RN_PACKET_SOCKETS_MAX];
    unsigned n_fds;
    unsigned at;  /* the socket that is read */
    int epoll_fd; /* watches all when there are several; -1 */
    bool has_vnet;
    bool is_promiscuous;
    bool is_full; /* several: EPOLLOUT of the first was asked for */
    struct rn_dry dry;
    uint64_t lost;
    struct rx_slot slots[RN_PACKET_BATCH];
    struct mmsghdr rx[RN_PACKET_BATCH];
    struct rn_packet_tx tx;
};

static struct packet_device *of(const struct rn_device *dev)
{
    return rn_container_of(dev, struct packet_device, dev);
}

/* --- receiving ------------------------------------------------------------------------------------------------ */
static void arm_slot(struct packet_device *pdev, unsigned i)
{
    struct rx_slot *slot = &pdev->slots[i];

    slot->iov[0].iov_base = slot->vnet;
    slot->iov[0].iov_len = pdev->has_vnet ? RN_VNET_HDR_BYTES : 0;
    rn_rx_slab_iov(&slot->slab, slot->iov + 1);
    pdev->rx[i].msg_hdr.msg_iov = slot->iov;
    pdev->rx[i].msg_hdr.msg_iovlen = RN_ARRAY_LEN(slot->iov);
}

static void accept_frame(struct packet_device *pdev, struct rn_pktq *in, struct rx_slot *slot,
                         size_t len)
{
    struct rn_device *dev = &pdev->dev;
    struct rn_view front = rn_view_of(slot->slab.small->data, rn_min_size(len, RN_BUF_SMALL_BYTES));
    struct rn_pkt *pkt;

    if (!pdev->is_promiscuous && !rn_packet_is_for(dev, front)) {
        dev->drops.n[RN_DROP_NOT_FOR_US]++;
        return;
    }
    pkt = rn_rx_slab_take(&slot->slab, len);
    if (pkt == NULL) {
        dev->drops.n[RN_DROP_NOMEM]++;
        return;
    }
    pkt->time_ns = dev->turn->now_ns;
    if (pdev->has_vnet && rn_offload_rx(pkt, slot->vnet, RN_LINK_ETHERNET) < 0) {
        rn_device_drop(dev, pkt, RN_DROP_MALFORMED);
        return;
    }
    rn_pktq_push(in, pkt);
}

static void accept_slot(struct packet_device *pdev, struct rn_pktq *in, unsigned i)
{
    size_t vnet_len = pdev->has_vnet ? RN_VNET_HDR_BYTES : 0;
    size_t n = pdev->rx[i].msg_len;

    if ((pdev->rx[i].msg_hdr.msg_flags & MSG_TRUNC) != 0 || n >= vnet_len + RN_RX_SLAB_BYTES)
        pdev->dev.drops.n[RN_DROP_TOO_BIG]++;
    else if (n <= vnet_len)
        pdev->dev.drops.n[RN_DROP_MALFORMED]++;
    else
        accept_frame(pdev, in, &pdev->slots[i], n - vnet_len);
    arm_slot(pdev, i);
}

/* Returns how many frames the socket gave (some may have been dropped), 0 when it has none now. */
static unsigned receive(struct packet_device *pdev, struct rn_pktq *in, unsigned max)
{
    int n = recvmmsg(pdev->fds[pdev->at], pdev->rx, rn_min_u32(max, RN_PACKET_BATCH), MSG_DONTWAIT,
                     NULL); /* syscalls: recvmmsg */

    if (n < 0) {
        enum rn_rx_fate fate = rn_rx_fate_of(errno);

        if (fate == RN_RX_CLOSED)
            rn_device_mark_closed(&pdev->dev);
        return fate == RN_RX_AGAIN ? 1 : 0;
    }
    for (unsigned i = 0; i < (unsigned)n; i++)
        accept_slot(pdev, in, i);
    return (unsigned)n;
}

/* The first socket takes packets again. */
static void on_room(struct packet_device *pdev)
{
    struct epoll_event again = { .events = EPOLLIN, .data.u32 = 0 };
    int err = epoll_ctl(pdev->epoll_fd, EPOLL_CTL_MOD, pdev->fds[0], &again);

    (void)err; /* of a descriptor that is in the set it cannot fail */
    pdev->is_full = false;
    rn_device_notify(&pdev->dev, RN_DEV_WRITABLE);
}

/* The next socket after the present one, in the kernel's order, that has frames; -1 when none has. */
static int next_ready(struct packet_device *pdev)
{
    struct epoll_event ready[RN_PACKET_SOCKETS_MAX];
    int n = epoll_wait(pdev->epoll_fd, ready, RN_ARRAY_LEN(ready), 0); /* syscalls: epoll_wait */
    unsigned nearest = pdev->n_fds;

    for (int i = 0; i < n; i++) {
        unsigned ahead = (ready[i].data.u32 + pdev->n_fds - pdev->at) % pdev->n_fds;

        if ((ready[i].events & EPOLLOUT) != 0 && pdev->is_full)
            on_room(pdev);
        if ((ready[i].events & ~(unsigned)EPOLLOUT) != 0)
            nearest = rn_min_u32(nearest, ahead);
    }
    return nearest == pdev->n_fds ? -1 : (int)((pdev->at + nearest) % pdev->n_fds);
}

/* The present socket gave less than asked. Returns what came after that, 0 when all are empty. */
static unsigned receive_next(struct packet_device *pdev, struct rn_pktq *in, unsigned max)
{
    int next = pdev->n_fds > 1 ? next_ready(pdev) : -1;
    unsigned got;

    if (next < 0)
        return 0;
    /* Between the two looks it may have been filled, which made the kernel go on. */
    got = receive(pdev, in, max);
    if (got == 0)
        pdev->at = (unsigned)next;
    return got > 0 || pdev->dev.is_closed ? got : receive(pdev, in, max);
}

static int packet_read_batch(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct packet_device *pdev = of(dev);
    uint32_t had_pkts = in->n_pkts;
    uint64_t had_bytes = in->n_bytes;
    unsigned budget = max + EMPTY_READS_MAX; /* frames that are not for us cost time too */

    while (in->n_pkts - had_pkts < max && in->n_bytes - had_bytes < RN_DEVICE_TURN_BYTES &&
           budget > 0 && !dev->is_closed && !rn_is_dry(&pdev->dry, dev->turn)) {
        unsigned want = rn_min_u32(max - (in->n_pkts - had_pkts), budget);
        unsigned got = receive(pdev, in, want);

        budget -= got;
        if (got >= rn_min_u32(want, RN_PACKET_BATCH))
            continue;
        got = got < want && budget > 0 ? receive_next(pdev, in, rn_min_u32(want - got, budget)) : 0;
        budget -= got;
        if (got == 0) {
            rn_dry_note(&pdev->dry, dev->turn);
            break;
        }
    }
    if (in->n_pkts > had_pkts)
        return (int)(in->n_pkts - had_pkts);
    return dev->is_closed ? RN_E_CANCELLED : RN_E_WOULD_BLOCK;
}

/* --- the rest of a device --------------------------------------------------------------------------------------- */
/* The set of several sockets is readable only: being writable again must become an event in it. */
static void ask_for_room(struct packet_device *pdev)
{
    struct epoll_event both = { .events = EPOLLIN | EPOLLOUT, .data.u32 = 0 };

    if (epoll_ctl(pdev->epoll_fd, EPOLL_CTL_MOD, pdev->fds[0], &both) ==
        0) /* syscalls: epoll_ctl */
        pdev->is_full = true;
}

static int packet_write_batch(struct rn_device *dev, struct rn_pktq *out)
{
    struct packet_device *pdev = of(dev);
    int n = rn_packet_tx_batch(&pdev->tx, out);

    if (n >= 0 && !rn_pktq_is_empty(out) && !dev->is_closed && pdev->n_fds > 1)
        ask_for_room(pdev);
    return n;
}

static int packet_poll_fd(const struct rn_device *dev)
{
    return of(dev)->n_fds > 1 ? of(dev)->epoll_fd : of(dev)->fds[0];
}

static void packet_close(struct rn_device *dev)
{
    rn_device_mark_closed(dev);
}

static void release(struct packet_device *pdev)
{
    for (unsigned i = 0; i < RN_PACKET_BATCH; i++)
        rn_rx_slab_fini(&pdev->slots[i].slab);
    if (pdev->epoll_fd >= 0)
        close(pdev->epoll_fd);
    rn_alloc_free(rn_turn_alloc(pdev->dev.turn), pdev, sizeof(*pdev));
}

static void packet_destroy(struct rn_device *dev)
{
    struct packet_device *pdev = of(dev);

    packet_close(dev);
    for (unsigned i = 0; i < pdev->n_fds; i++)
        close(pdev->fds[i]);
    release(pdev);
}

static const struct rn_device_ops packet_ops = {
    .kind = "packet",
    .read_batch = packet_read_batch,
    .write_batch = packet_write_batch,
    .poll_fd = packet_poll_fd,
    .close = packet_close,
    .destroy = packet_destroy,
};

uint64_t rn_packet_lost(struct rn_device *dev)
{
    struct packet_device *pdev = of(dev);

    if (dev->ops != &packet_ops)
        return rn_packet_ring_lost(dev);
    for (unsigned i = 0; i < pdev->n_fds; i++)
        pdev->lost += rn_packet_take_lost(pdev->fds[i]);
    return pdev->lost;
}

/* --- making one --------------------------------------------------------------------------------------------------- */
static int watch_all(struct packet_device *pdev)
{
    if (pdev->n_fds == 1)
        return RN_OK;
    pdev->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (pdev->epoll_fd < 0)
        return rn_err_from_errno(errno);
    for (unsigned i = 0; i < pdev->n_fds; i++) {
        struct epoll_event ev = { .events = EPOLLIN, .data.u32 = i };

        if (epoll_ctl(pdev->epoll_fd, EPOLL_CTL_ADD, pdev->fds[i], &ev) < 0)
            return rn_err_from_errno(errno);
    }
    return RN_OK;
}

static int arm_slots(struct packet_device *pdev)
{
    for (unsigned i = 0; i < RN_PACKET_BATCH; i++) {
        int err = rn_rx_slab_init(&pdev->slots[i].slab, pdev->dev.turn->pool);

        if (err < 0)
            return err;
        arm_slot(pdev, i);
    }
    return RN_OK;
}

int rn_packet_from_fds(struct rn_device **ret, struct rn_turn *turn, const int *fds, unsigned n,
                       const struct rn_packet_opts *opts)
{
    struct packet_device *pdev;
    int err;

    if (n == 0 || n > RN_PACKET_SOCKETS_MAX)
        return RN_E_BAD_OPTION;
    pdev = rn_alloc_new(rn_turn_alloc(turn), sizeof(*pdev));
    if (pdev == NULL)
        return RN_E_NOMEM;
    for (unsigned i = 0; i < n; i++) {
        pdev->fds[i] = fds[i];
        pdev->has_vnet = rn_packet_tune(fds[i], opts);
    }
    pdev->n_fds = n;
    pdev->epoll_fd = -1;
    pdev->is_promiscuous = opts->is_promiscuous;
    pdev->dev.ops = &packet_ops;
    rn_packet_describe(&pdev->dev, turn, opts, pdev->has_vnet);
    pdev->tx.dev = &pdev->dev;
    pdev->tx.fd = fds[0];
    pdev->tx.has_vnet = pdev->has_vnet;
    err = arm_slots(pdev);
    if (err >= 0)
        err = watch_all(pdev);
    if (err < 0) {
        release(pdev);
        return err;
    }
    *ret = &pdev->dev;
    return RN_OK;
}
