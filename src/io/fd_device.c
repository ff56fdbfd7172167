#include "io/fd_device.h"

#include "dev/gso.h"
#include "io/tun_offload.h"
#include "wire/eth.h"
#include <runnel/err.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Failing reads in one batch (a link that is down answers EIO for ever). */
#define RX_FAILURES_MAX   64u
#define LONELY_AFTER      8u
#define LONELY_LOOK_EVERY 32u
/* An ACK with all its options, a question, an answer. */
#define FLAT_MAX_BYTES 512u

static struct rn_fd_device *of(const struct rn_device *dev)
{
    return rn_container_of(dev, struct rn_fd_device, dev);
}

void rn_device_drop(struct rn_device *dev, struct rn_pkt *pkt, enum rn_drop why)
{
    pkt->account = &dev->drops;
    rn_pkt_drop(pkt, why);
}

void rn_device_mark_closed(struct rn_device *dev)
{
    if (dev->is_closed)
        return;
    dev->is_closed = true;
    rn_device_notify(dev, RN_DEV_CLOSED);
}

enum rn_tx_fate rn_tx_fate_of(int host_errno)
{
    switch (host_errno) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
    case EINTR:
        return RN_TX_RETRY;
    case EBADF:
    case EBADFD:
    case EPIPE:
    case ENXIO:
    case ENODEV:
    case ECONNRESET:
    case ENOTCONN:
        return RN_TX_CLOSED;
    default:
        return RN_TX_DROP;
    }
}

enum rn_rx_fate rn_rx_fate_of(int host_errno)
{
    switch (host_errno) {
    case EAGAIN:
        return RN_RX_EMPTY;
    case EINTR:
    case ENETDOWN: /* told once by packet sockets when the link goes down */
    case EIO:      /* TUN whose link is down */
    case ENOBUFS:
    case ENOMEM:
    case EMSGSIZE:
        return RN_RX_AGAIN;
    default:
        return RN_RX_CLOSED;
    }
}

/* The @len bytes at @off of the landing: a copy, or the landing itself, in whose place comes a fresh one. Returns owned, or NULL
 * when memory is short: then the frame is lost and the landing is as before. */
static struct rn_pkt *take_frame(struct rn_fd_device *fdev, size_t off, size_t len)
{
    struct rn_pool *pool = fdev->dev.turn->pool;
    struct rn_buf *fresh;
    struct rn_pkt *pkt;

    if (len <= RN_FD_COPY_MAX_BYTES)
        return rn_pkt_from_bytes(pool, fdev->landing->data + off, len);
    pkt = rn_pkt_new(pool);
    fresh = pkt != NULL ? rn_buf_new(pool, RN_BUF_BIG) : NULL;
    if (fresh == NULL || !rn_pkt_append_ref(pkt, fdev->landing, rn_sat_u32(off), rn_sat_u32(len))) {
        rn_buf_unref(fresh);
        rn_pkt_free(pkt);
        return NULL;
    }
    rn_buf_unref(fdev->landing);
    fdev->landing = fresh;
    return pkt;
}

/* Interprets the virtio header and hands the packet to @in, or drops it. */
static void accept_frame(struct rn_fd_device *fdev, struct rn_pktq *in, size_t len)
{
    uint8_t vnet[RN_VNET_HDR_BYTES];
    struct rn_pkt *pkt;

    memcpy(vnet, fdev->landing->data, sizeof(vnet));
    pkt = take_frame(fdev, fdev->vnet_len, len);
    if (pkt == NULL) {
        fdev->dev.drops.n[RN_DROP_NOMEM]++;
        return;
    }
    pkt->time_ns = fdev->dev.turn->now_ns;
    if (fdev->vnet_len != 0 && rn_offload_rx(pkt, vnet, fdev->dev.link_type) < 0) {
        rn_device_drop(&fdev->dev, pkt, RN_DROP_MALFORMED);
        return;
    }
    rn_pktq_push(in, pkt);
}

/* Returns 0: the descriptor has nothing, or is closed. */
static int on_read_error(struct rn_fd_device *fdev, unsigned *failures)
{
    enum rn_rx_fate fate = rn_rx_fate_of(errno);

    if (fate == RN_RX_CLOSED)
        rn_device_mark_closed(&fdev->dev);
    if (fate == RN_RX_EMPTY)
        rn_dry_note(&fdev->dry, fdev->dev.turn);
    return fate == RN_RX_AGAIN && ++*failures < RX_FAILURES_MAX;
}

/* Reads one frame. Returns 1 if the descriptor gave one (even if it was dropped), 0 when it is empty or closed. */
static int read_one(struct rn_fd_device *fdev, struct rn_pktq *in, unsigned *failures)
{
    ssize_t n = read(fdev->fd, fdev->landing->data, RN_FD_FRAME_BYTES); /* syscalls: read */

    if (n < 0)
        return on_read_error(fdev, failures);
    if (n == 0) { /* end of file of a socket */
        rn_device_mark_closed(&fdev->dev);
        return 0;
    }
    if ((size_t)n <= fdev->vnet_len) {
        fdev->dev.drops.n[RN_DROP_MALFORMED]++;
        return ++*failures < RX_FAILURES_MAX;
    }
    if ((size_t)n >= RN_FD_FRAME_BYTES) {
        fdev->dev.drops.n[RN_DROP_TOO_BIG]++;
        return 1;
    }
    accept_frame(fdev, in, (size_t)n - fdev->vnet_len);
    return 1;
}

/* The turn has read @n frames of @bytes so far. Is that enough, without a look for more? Looks now and then all the same. */
static bool is_lonely(struct rn_fd_device *fdev, uint32_t n, uint64_t bytes)
{
    struct rn_lonely *lonely = &fdev->lonely;

    /* Of bulk the end may never be found, so it is not waited for. */
    if (n > 1 || bytes > RN_BUF_SMALL_BYTES)
        lonely->n_alone = 0;
    if (!fdev->dev.is_level_driven || lonely->n_alone < LONELY_AFTER)
        return false;
    if (lonely->n_blind++ < LONELY_LOOK_EVERY)
        return true;
    lonely->n_blind = 0;
    return false;
}

/* The end was found after @n frames of @bytes. */
static void learn_end(struct rn_lonely *lonely, uint32_t n, uint64_t bytes)
{
    if (n == 1 && bytes <= RN_BUF_SMALL_BYTES && lonely->n_alone < LONELY_AFTER)
        lonely->n_alone++;
}

static int fd_read_batch(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct rn_fd_device *fdev = of(dev);
    uint32_t had_pkts = in->n_pkts;
    uint64_t had_bytes = in->n_bytes;
    unsigned failures = 0;

    while (in->n_pkts - had_pkts < max && in->n_bytes - had_bytes < RN_DEVICE_TURN_BYTES) {
        if (dev->is_closed || rn_is_dry(&fdev->dry, dev->turn))
            break;
        if (read_one(fdev, in, &failures) == 0) {
            learn_end(&fdev->lonely, in->n_pkts - had_pkts, in->n_bytes - had_bytes);
            break;
        }
        if (is_lonely(fdev, in->n_pkts - had_pkts, in->n_bytes - had_bytes))
            rn_dry_note(&fdev->dry, dev->turn);
    }
    if (in->n_pkts > had_pkts)
        return (int)(in->n_pkts - had_pkts);
    return dev->is_closed ? RN_E_CANCELLED : RN_E_WOULD_BLOCK;
}

static bool append_iov(struct rn_pkt_iov *out, const struct rn_view *views, unsigned n_views)
{
    for (unsigned i = 0; i < n_views; i++) {
        /* iovec has no const; the kernel only reads it. */
        out->iov[out->n].iov_base = (void *)(uintptr_t)views[i].ptr;
        out->iov[out->n].iov_len = views[i].len;
        out->n++;
    }
    return n_views > 0;
}

bool rn_pkt_to_iov(struct rn_pkt *pkt, bool has_vnet, struct rn_pkt_iov *ret)
{
    struct rn_view views[1 + RN_PKT_FRAGS_MAX];

    ret->n = 0;
    if (has_vnet) {
        rn_offload_tx(pkt, ret->vnet);
        ret->iov[ret->n++] = (struct iovec){ ret->vnet, RN_VNET_HDR_BYTES };
    } else if (pkt->csum == RN_CSUM_PARTIAL && !rn_pkt_complete_checksum(pkt)) {
        return false;
    }
    return append_iov(ret, views, rn_pkt_views(pkt, 0, views, RN_ARRAY_LEN(views)));
}

void rn_device_cut(struct rn_device *dev, struct rn_pkt *pkt, struct rn_pktq *out)
{
    size_t link_len = dev->link_type == RN_LINK_ETHERNET ? RN_ETH_HDR_BYTES : 0;

    pkt->account = &dev->drops;
    (void)rn_gso_cut(pkt, link_len, out); /* what cannot be cut is dropped there */
}

bool rn_device_cut_front(struct rn_device *dev, struct rn_pktq *out)
{
    struct rn_pktq segments = { 0 };

    if (out->first->gso == RN_GSO_NONE)
        return false;
    rn_device_cut(dev, rn_pktq_pop(out), &segments);
    rn_pktq_splice(&segments, out);
    *out = segments;
    return true;
}

/* In one piece, since of a list the kernel checks every entry: for these sizes that is dearer than a copy. Returns its length with
 * the virtio header; 0: malformed. */
static size_t flatten(const struct rn_fd_device *fdev, const struct rn_pkt *pkt, uint8_t *out)
{
    if (fdev->vnet_len == 0)
        return rn_pkt_copy_out_complete(pkt, out) ? pkt->len : 0;
    rn_offload_tx(pkt, out);
    rn_pkt_copy_out(pkt, 0, out + RN_VNET_HDR_BYTES, pkt->len);
    return RN_VNET_HDR_BYTES + (size_t)pkt->len;
}

/* Returns as write(2), and 0 for what is malformed. */
static ssize_t send_pkt(const struct rn_fd_device *fdev, struct rn_pkt *pkt)
{
    RN_UNSET uint8_t flat[RN_VNET_HDR_BYTES + FLAT_MAX_BYTES];
    RN_UNSET struct rn_pkt_iov iov;
    size_t len;

    if (pkt->len <= FLAT_MAX_BYTES) {
        len = flatten(fdev, pkt, flat);
        return len == 0 ? 0 : write(fdev->fd, flat, len); /* syscalls: write */
    }
    if (!rn_pkt_to_iov(pkt, fdev->vnet_len != 0, &iov))
        return 0;
    return writev(fdev->fd, iov.iov, (int)iov.n); /* syscalls: writev */
}

enum write_fate { WRITE_DONE, WRITE_CUT, WRITE_STOP };

/* What became of the front packet of @out: done with one way or the other; in its place are its segments; or it must wait. */
static enum write_fate write_one(struct rn_fd_device *fdev, struct rn_pktq *out)
{
    ssize_t n = send_pkt(fdev, out->first);
    enum rn_tx_fate fate;

    if (n > 0) {
        rn_pkt_free(rn_pktq_pop(out));
        return WRITE_DONE;
    }
    if (n == 0) {
        rn_device_drop(&fdev->dev, rn_pktq_pop(out), RN_DROP_MALFORMED);
        return WRITE_DONE;
    }
    fate = rn_tx_fate_of(errno);
    if (fate == RN_TX_RETRY)
        return WRITE_STOP;
    if (fate == RN_TX_CLOSED) {
        rn_device_mark_closed(&fdev->dev);
        return WRITE_STOP;
    }
    if (rn_device_cut_front(&fdev->dev, out))
        return WRITE_CUT;
    rn_device_drop(&fdev->dev, rn_pktq_pop(out), RN_DROP_DEVICE_REFUSED);
    return WRITE_DONE;
}

static int fd_write_batch(struct rn_device *dev, struct rn_pktq *out)
{
    struct rn_fd_device *fdev = of(dev);
    enum write_fate fate = WRITE_DONE;
    int n = 0;

    /* Of bulk the other way the ACKs come singly too, but those that wait are worth taking at once. */
    if (out->n_bytes > RN_BUF_SMALL_BYTES)
        fdev->lonely.n_alone = 0;
    while (fate != WRITE_STOP && !dev->is_closed && !rn_pktq_is_empty(out)) {
        fate = write_one(fdev, out);
        n += fate == WRITE_DONE; /* of a packet that was cut each segment counts */
    }
    return n == 0 && dev->is_closed ? RN_E_CANCELLED : n;
}

static int fd_poll_fd(const struct rn_device *dev)
{
    return of(dev)->fd;
}

/* The descriptor stays open until destroy: a driver may still have it in its epoll set. */
static void fd_close(struct rn_device *dev)
{
    rn_device_mark_closed(dev);
}

static void fd_destroy(struct rn_device *dev)
{
    struct rn_fd_device *fdev = of(dev);

    fd_close(dev);
    close(fdev->fd); /* syscalls: close */
    rn_buf_unref(fdev->landing);
    rn_alloc_free(rn_turn_alloc(dev->turn), fdev, sizeof(*fdev));
}

static const struct rn_device_ops fd_ops = {
    .kind = "fd",
    .read_batch = fd_read_batch,
    .write_batch = fd_write_batch,
    .poll_fd = fd_poll_fd,
    .close = fd_close,
    .destroy = fd_destroy,
};

void rn_fd_device_describe(struct rn_device *dev, struct rn_turn *turn,
                           const struct rn_fd_device_opts *opts)
{
    dev->turn = turn;
    dev->link_type = opts->link_type;
    dev->caps = opts->caps;
    dev->mtu = opts->mtu;
    dev->gso_max_bytes =
        (opts->caps & (RN_DEV_TSO4 | RN_DEV_TSO6 | RN_DEV_USO)) != 0 ? UINT16_MAX : 0;
    dev->batch = RN_DEVICE_TURN_PKTS;
    dev->mac = opts->mac;
    if (opts->name != NULL)
        strncpy(dev->name, opts->name, sizeof(dev->name) - 1);
}

static int set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return rn_err_from_errno(errno);
    return RN_OK;
}

int rn_fd_device_new(struct rn_device **ret, struct rn_turn *turn,
                     const struct rn_fd_device_opts *opts)
{
    const struct rn_alloc *alloc = rn_turn_alloc(turn);
    struct rn_fd_device *fdev = rn_alloc_new(alloc, sizeof(*fdev));
    int err;

    if (fdev == NULL)
        return RN_E_NOMEM;
    fdev->ops = fd_ops;
    fdev->ops.kind = opts->kind;
    fdev->dev.ops = &fdev->ops;
    fdev->fd = opts->fd;
    fdev->vnet_len = opts->has_vnet ? RN_VNET_HDR_BYTES : 0;
    rn_fd_device_describe(&fdev->dev, turn, opts);
    fdev->landing = rn_buf_new(turn->pool, RN_BUF_BIG);
    err = fdev->landing != NULL ? set_nonblocking(opts->fd) : RN_E_NOMEM;
    if (err < 0) {
        rn_buf_unref(fdev->landing);
        rn_alloc_free(alloc, fdev, sizeof(*fdev));
        return err;
    }
    *ret = &fdev->dev;
    return RN_OK;
}
