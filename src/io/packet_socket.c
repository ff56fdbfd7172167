/* AF_PACKET sockets as every device over them wants them. */
#include "io/packet_device.h"
#include "wire/eth.h"
#include <runnel/err.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Queue that is asked for: a hundred frames of 64 KiB. */
#define QUEUE_BYTES (8 << 20)
/* Linux 5.10; older headers lack it. */
#define FANOUT_IGNORE_OUTGOING 0x4000u

static bool turn_on(int fd, int option)
{
    int one = 1;

    return setsockopt(fd, SOL_PACKET, option, &one, sizeof(one)) == 0;
}

static void widen(int fd, int bytes, int forced, int plain)
{
    if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof(bytes)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof(bytes));
}

bool rn_packet_tune(int fd, const struct rn_packet_opts *opts)
{
    bool has_vnet = !opts->without_offloads && turn_on(fd, PACKET_VNET_HDR);
    int queue_bytes =
        opts->queue_bytes != 0 ? (int)rn_min_u32(opts->queue_bytes, INT32_MAX) : QUEUE_BYTES;

    (void)turn_on(fd, PACKET_IGNORE_OUTGOING); /* Linux 4.20 */
    (void)turn_on(fd, PACKET_QDISC_BYPASS);    /* a veth has no queue anyway */
    widen(fd, queue_bytes, SO_RCVBUFFORCE, SO_RCVBUF);
    widen(fd, QUEUE_BYTES, SO_SNDBUFFORCE, SO_SNDBUF);
    return has_vnet;
}

void rn_packet_describe(struct rn_device *dev, struct rn_turn *turn,
                        const struct rn_packet_opts *opts, bool has_vnet)
{
    dev->turn = turn;
    dev->link_type = RN_LINK_ETHERNET;
    dev->mtu = opts->mtu;
    dev->mac = opts->mac;
    dev->batch = RN_DEVICE_TURN_PKTS;
    if (has_vnet) {
        dev->caps = RN_DEV_RX_CSUM | RN_DEV_TX_CSUM | RN_DEV_TSO4 | RN_DEV_TSO6 | RN_DEV_USO;
        dev->gso_max_bytes = UINT16_MAX;
    }
    if (opts->name != NULL)
        strncpy(dev->name, opts->name, sizeof(dev->name) - 1);
}

bool rn_packet_is_for(const struct rn_device *dev, struct rn_view front)
{
    struct rn_mac dst;

    if (front.len < RN_ETH_HDR_BYTES)
        return false;
    memcpy(dst.b, front.ptr, sizeof(dst.b));
    return rn_mac_is_group(dst) || rn_mac_eq(dst, dev->mac);
}

struct rn_pkt *rn_packet_copy(struct rn_device *dev, struct rn_view frame, bool is_promiscuous)
{
    struct rn_pkt *pkt;

    if (!is_promiscuous && !rn_packet_is_for(dev, frame)) {
        dev->drops.n[RN_DROP_NOT_FOR_US]++;
        return NULL;
    }
    pkt = rn_pkt_from_bytes(dev->turn->pool, frame.ptr, frame.len);
    if (pkt == NULL)
        dev->drops.n[RN_DROP_NOMEM]++;
    else
        pkt->time_ns = dev->turn->now_ns;
    return pkt;
}

uint64_t rn_packet_take_lost(int fd)
{
    struct tpacket_stats_v3 stats = { 0 }; /* begins as the older form does */
    socklen_t len = sizeof(stats);

    /* The kernel resets its count at every reading. */
    if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) < 0) /* syscalls: getsockopt */
        return 0;
    return stats.tp_drops;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */
int rn_packet_socket(void)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    return fd < 0 ? rn_err_from_errno(errno) : fd;
}

/* @how: PACKET_FANOUT_*, with flags. */
static int join(int fd, uint16_t group, unsigned how)
{
    unsigned silent = group | (how | FANOUT_IGNORE_OUTGOING) << 16;
    unsigned plain = group | how << 16;

    if (setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &silent, sizeof(silent)) == 0 ||
        (errno == EINVAL && setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &plain, sizeof(plain)) == 0))
        return RN_OK;
    return rn_err_from_errno(errno);
}

int rn_packet_bind(int fd, const struct rn_packet_opts *opts)
{
    struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };

    at.sll_ifindex = (int)if_nametoindex(opts->name);
    if (at.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        return rn_err_from_errno(errno);
    if (opts->fanout_group == 0)
        return RN_OK;
    return join(fd, opts->fanout_group, PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_DEFRAG);
}

uint32_t rn_packet_mtu(const struct rn_packet_opts *opts)
{
    struct ifreq req = { 0 };
    uint32_t mtu = opts->mtu;
    int fd = mtu != 0 ? -1 : socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return mtu;
    strncpy(req.ifr_name, opts->name, sizeof(req.ifr_name) - 1);
    if (ioctl(fd, SIOCGIFMTU, &req) == 0)
        mtu = (uint32_t)req.ifr_mtu;
    close(fd);
    return mtu;
}

static void close_all(const int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        close(fds[i]);
}

/* How many sockets of @fd's queue make one of QUEUE_BYTES. */
static unsigned sockets_wanted(int fd)
{
    int got = 0;
    socklen_t len = sizeof(got);

    if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &len) < 0 || got <= 0)
        return 1;
    return rn_min_u32(((unsigned)QUEUE_BYTES + (unsigned)got - 1) / (unsigned)got,
                      RN_PACKET_SOCKETS_MAX);
}

/* The kernel chooses a number nobody uses for the first; the others are told it. */
static int group_of_first(int fd, uint16_t *ret)
{
    int value = 0;
    socklen_t len = sizeof(value);
    int err = join(fd, 0, PACKET_FANOUT_ROLLOVER | PACKET_FANOUT_FLAG_UNIQUEID);

    if (err < 0)
        return err;
    if (getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, &len) < 0)
        return rn_err_from_errno(errno);
    *ret = (uint16_t)value;
    return RN_OK;
}

/* Returns how many sockets there are; more than the one that exists is a benefit, not a need. */
static unsigned open_more(int *fds, const struct rn_packet_opts *opts)
{
    unsigned wanted = opts->n_sockets != 0 ? rn_min_u32(opts->n_sockets, RN_PACKET_SOCKETS_MAX)
                                           : sockets_wanted(fds[0]);
    uint16_t group = 0;
    unsigned n = 1;

    if (wanted == 1 || opts->fanout_group != 0 || group_of_first(fds[0], &group) < 0)
        return 1;
    for (; n < wanted; n++) {
        fds[n] = rn_packet_socket();
        if (fds[n] < 0)
            break;
        if (rn_packet_bind(fds[n], opts) < 0 || join(fds[n], group, PACKET_FANOUT_ROLLOVER) < 0) {
            close(fds[n]);
            break;
        }
    }
    return n;
}

int rn_packet_open(struct rn_device **ret, struct rn_turn *turn, const struct rn_packet_opts *opts)
{
    struct rn_packet_opts known = *opts;
    int fds[RN_PACKET_SOCKETS_MAX] = { rn_packet_socket() };
    unsigned n = 1;
    int err;

    if (fds[0] < 0)
        return fds[0];
    known.mtu = rn_packet_mtu(opts);
    (void)rn_packet_tune(fds[0], opts);
    err = rn_packet_bind(fds[0], opts);
    if (err >= 0) {
        n = open_more(fds, opts);
        err = rn_packet_from_fds(ret, turn, fds, n, &known);
    }
    if (err < 0)
        close_all(fds, n);
    return err;
}
