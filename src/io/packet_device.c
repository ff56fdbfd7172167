#include "io/packet_device.h"

#include "io/fd_device.h"
#include "io/tun_offload.h"
#include "wire/eth.h"
#include <runnel/err.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 16u
/* Asked for; an ordinary user gets twice net.core.rmem_max. */
#define SOCKET_BUF_BYTES (8 << 20)
#define EMPTY_READS_MAX  64u

struct rx_slot {
    struct rn_rx_slab slab;
    uint8_t vnet[RN_VNET_HDR_BYTES];
    struct iovec iov[3];
};

struct packet_device {
    struct rn_device dev;
    int fd;
    bool has_vnet;
    bool is_promiscuous;
    struct rn_dry dry;
    uint64_t lost;
    struct rx_slot slots[BATCH];
    struct mmsghdr rx[BATCH];
    struct mmsghdr tx[BATCH];
    struct rn_pkt_iov tx_iov[BATCH];
};

static struct packet_device *of(const struct rn_device *dev)
{
    return rn_container_of(dev, struct packet_device, dev);
}

static void arm_slot(struct packet_device *pdev, unsigned i)
{
    struct rx_slot *slot = &pdev->slots[i];

    slot->iov[0].iov_base = slot->vnet;
    slot->iov[0].iov_len = pdev->has_vnet ? RN_VNET_HDR_BYTES : 0;
    rn_rx_slab_iov(&slot->slab, slot->iov + 1);
    pdev->rx[i].msg_hdr.msg_iov = slot->iov;
    pdev->rx[i].msg_hdr.msg_iovlen = RN_ARRAY_LEN(slot->iov);
}

static bool is_for_us(const struct packet_device *pdev, const struct rx_slot *slot, size_t len)
{
    struct rn_mac dst;

    if (pdev->is_promiscuous)
        return true;
    if (len < RN_ETH_HDR_BYTES)
        return false;
    memcpy(dst.b, slot->slab.small->data, sizeof(dst.b));
    return rn_mac_is_group(dst) || rn_mac_eq(dst, pdev->dev.mac);
}

static void accept_frame(struct packet_device *pdev, struct rn_pktq *in, struct rx_slot *slot,
                         size_t len)
{
    struct rn_device *dev = &pdev->dev;
    struct rn_pkt *pkt;

    if (!is_for_us(pdev, slot, len)) {
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
static int receive(struct packet_device *pdev, struct rn_pktq *in, unsigned max)
{
    int n = recvmmsg(pdev->fd, pdev->rx, rn_min_u32(max, BATCH), /* syscalls: recvmmsg */
                     MSG_DONTWAIT, NULL);

    if (n < 0) {
        enum rn_rx_fate fate = rn_rx_fate_of(errno);

        if (fate == RN_RX_CLOSED)
            rn_device_mark_closed(&pdev->dev);
        return fate == RN_RX_AGAIN ? 1 : 0;
    }
    for (unsigned i = 0; i < (unsigned)n; i++)
        accept_slot(pdev, in, i);
    return n;
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
        unsigned got = (unsigned)receive(pdev, in, want);

        budget -= got;
        if (got < rn_min_u32(want, BATCH)) {
            rn_dry_note(&pdev->dry, dev->turn);
            break;
        }
    }
    if (in->n_pkts > had_pkts)
        return (int)(in->n_pkts - had_pkts);
    return dev->is_closed ? RN_E_CANCELLED : RN_E_WOULD_BLOCK;
}

/* Describes up to BATCH packets from the front of @out; stops before one that cannot be described. */
static unsigned describe_batch(struct packet_device *pdev, const struct rn_pktq *out)
{
    struct rn_pkt *pkt = out->first;
    unsigned n = 0;

    for (; n < BATCH && pkt != NULL; pkt = pkt->next) {
        struct rn_pkt_iov *iov = &pdev->tx_iov[n];

        if (!rn_pkt_to_iov(pkt, pdev->has_vnet, iov))
            break;
        pdev->tx[n].msg_hdr.msg_iov = iov->iov;
        pdev->tx[n].msg_hdr.msg_iovlen = iov->n;
        n++;
    }
    return n;
}

/* The front packet failed with the present errno. Returns true when it is gone and the next may be tried. */
static bool settle_failure(struct packet_device *pdev, struct rn_pktq *out)
{
    enum rn_tx_fate fate = rn_tx_fate_of(errno);

    if (fate == RN_TX_CLOSED)
        rn_device_mark_closed(&pdev->dev);
    if (fate != RN_TX_DROP)
        return false;
    rn_device_drop(&pdev->dev, rn_pktq_pop(out), RN_DROP_DEVICE_REFUSED);
    return true;
}

/* Returns how many packets left the queue; 0 when the socket takes no more now. */
static int send_some(struct packet_device *pdev, struct rn_pktq *out)
{
    unsigned n = describe_batch(pdev, out);
    int sent;

    if (n == 0) {
        rn_device_drop(&pdev->dev, rn_pktq_pop(out), RN_DROP_MALFORMED);
        return 1;
    }
    sent = sendmmsg(pdev->fd, pdev->tx, n, MSG_DONTWAIT); /* syscalls: sendmmsg */
    if (sent < 0)
        return settle_failure(pdev, out) ? 1 : 0;
    for (int i = 0; i < sent; i++)
        rn_pkt_free(rn_pktq_pop(out));
    return sent;
}

static int packet_write_batch(struct rn_device *dev, struct rn_pktq *out)
{
    struct packet_device *pdev = of(dev);
    int n = 0;

    while (!dev->is_closed && !rn_pktq_is_empty(out)) {
        int sent = send_some(pdev, out);

        if (sent == 0)
            break;
        n += sent;
    }
    return n == 0 && dev->is_closed ? RN_E_CANCELLED : n;
}

static int packet_poll_fd(const struct rn_device *dev)
{
    return of(dev)->fd;
}

static void packet_close(struct rn_device *dev)
{
    rn_device_mark_closed(dev);
}

static void release(struct packet_device *pdev)
{
    for (unsigned i = 0; i < BATCH; i++)
        rn_rx_slab_fini(&pdev->slots[i].slab);
    rn_alloc_free(rn_turn_alloc(pdev->dev.turn), pdev, sizeof(*pdev));
}

static void packet_destroy(struct rn_device *dev)
{
    packet_close(dev);
    close(of(dev)->fd);
    release(of(dev));
}

uint64_t rn_packet_lost(struct rn_device *dev)
{
    struct packet_device *pdev = of(dev);
    struct tpacket_stats stats = { 0 };
    socklen_t len = sizeof(stats);

    /* The kernel resets its count at every reading. */
    if (getsockopt(pdev->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) ==
        0) /* syscalls: getsockopt */
        pdev->lost += stats.tp_drops;
    return pdev->lost;
}

static const struct rn_device_ops packet_ops = {
    .kind = "packet",
    .read_batch = packet_read_batch,
    .write_batch = packet_write_batch,
    .poll_fd = packet_poll_fd,
    .close = packet_close,
    .destroy = packet_destroy,
};

static bool turn_on(int fd, int option)
{
    int one = 1;

    return setsockopt(fd, SOL_PACKET, option, &one, sizeof(one)) == 0;
}

static void widen(int fd, int forced, int plain)
{
    int bytes = SOCKET_BUF_BYTES;

    if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof(bytes)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof(bytes));
}

static void tune(struct packet_device *pdev, const struct rn_packet_opts *opts)
{
    pdev->has_vnet = !opts->without_offloads && turn_on(pdev->fd, PACKET_VNET_HDR);
    (void)turn_on(pdev->fd, PACKET_IGNORE_OUTGOING); /* Linux 4.20 */
    (void)turn_on(pdev->fd, PACKET_QDISC_BYPASS);    /* a veth has no queue anyway */
    widen(pdev->fd, SO_RCVBUFFORCE, SO_RCVBUF);
    widen(pdev->fd, SO_SNDBUFFORCE, SO_SNDBUF);
}

static void describe(struct packet_device *pdev, struct rn_turn *turn,
                     const struct rn_packet_opts *opts)
{
    struct rn_device *dev = &pdev->dev;

    dev->ops = &packet_ops;
    dev->turn = turn;
    dev->link_type = RN_LINK_ETHERNET;
    dev->mtu = opts->mtu;
    dev->mac = opts->mac;
    dev->batch = BATCH;
    if (pdev->has_vnet) {
        dev->caps = RN_DEV_RX_CSUM | RN_DEV_TX_CSUM | RN_DEV_TSO4 | RN_DEV_TSO6 | RN_DEV_USO;
        dev->gso_max_bytes = UINT16_MAX;
    }
    if (opts->name != NULL)
        strncpy(dev->name, opts->name, sizeof(dev->name) - 1);
}

int rn_packet_from_fd(struct rn_device **ret, struct rn_turn *turn, int fd,
                      const struct rn_packet_opts *opts)
{
    struct packet_device *pdev = rn_alloc_new(rn_turn_alloc(turn), sizeof(*pdev));
    int err = RN_OK;

    if (pdev == NULL)
        return RN_E_NOMEM;
    pdev->fd = fd;
    pdev->is_promiscuous = opts->is_promiscuous;
    tune(pdev, opts);
    describe(pdev, turn, opts);
    for (unsigned i = 0; i < BATCH && err >= 0; i++) {
        err = rn_rx_slab_init(&pdev->slots[i].slab, turn->pool);
        if (err >= 0)
            arm_slot(pdev, i);
    }
    if (err < 0) {
        release(pdev);
        return err;
    }
    *ret = &pdev->dev;
    return RN_OK;
}

static int open_bound(const char *name)
{
    struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return rn_err_from_errno(errno);
    at.sll_ifindex = (int)if_nametoindex(name);
    if (at.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
        int err = rn_err_from_errno(errno);

        close(fd);
        return err;
    }
    return fd;
}

int rn_packet_open(struct rn_device **ret, struct rn_turn *turn, const struct rn_packet_opts *opts)
{
    int fd = open_bound(opts->name);
    int err;

    if (fd < 0)
        return fd;
    err = rn_packet_from_fd(ret, turn, fd, opts);
    if (err < 0)
        close(fd);
    return err;
}
