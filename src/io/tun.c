#include "io/tun.h"

#include "io/fd_device.h"
#include "io/uring_device.h"
#include <runnel/err.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Linux 6.2; Debian 12's headers are older. */
#define TUN_OFFLOAD_USO4 0x20u
#define TUN_OFFLOAD_USO6 0x40u

/* Asked for in this order; the first that the kernel takes stays. */
static const struct {
    unsigned offloads;
    uint32_t caps;
} ladder[] = {
    { TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_OFFLOAD_USO4 | TUN_OFFLOAD_USO6,
      RN_DEV_RX_CSUM | RN_DEV_TX_CSUM | RN_DEV_TSO4 | RN_DEV_TSO6 | RN_DEV_USO | RN_DEV_TRAINS },
    { TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
      RN_DEV_RX_CSUM | RN_DEV_TX_CSUM | RN_DEV_TSO4 | RN_DEV_TSO6 },
    { TUN_F_CSUM, RN_DEV_RX_CSUM | RN_DEV_TX_CSUM },
    { 0, 0 },
};

/* What the caller does not want: bits of the kernel's, and ours. */
struct unwanted {
    unsigned offloads;
    uint32_t caps;
};

static struct unwanted unwanted_by(const struct rn_tun_opts *opts)
{
    struct unwanted no = { 0 };

    if (opts->without_offloads)
        return (struct unwanted){ ~0u, ~0u };
    if (opts->without_tso4)
        no = (struct unwanted){ TUN_F_TSO4, RN_DEV_TSO4 };
    if (opts->without_tso6) {
        no.offloads |= TUN_F_TSO6;
        no.caps |= RN_DEV_TSO6;
    }
    if (opts->without_tso_ecn || (opts->without_tso4 && opts->without_tso6))
        no.offloads |= TUN_F_TSO_ECN;
    if (opts->without_uso) {
        no.offloads |= TUN_OFFLOAD_USO4 | TUN_OFFLOAD_USO6;
        no.caps |= RN_DEV_USO | RN_DEV_TRAINS;
    }
    return no;
}

/* Returns the capabilities won. */
static uint32_t negotiate_offloads(int fd, const struct rn_tun_opts *opts)
{
    const struct unwanted no = unwanted_by(opts);

    for (size_t i = 0; i < RN_ARRAY_LEN(ladder); i++) {
        if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)(ladder[i].offloads & ~no.offloads)) == 0)
            return ladder[i].caps & ~no.caps;
    }
    return 0;
}

/* Makes the header what rn_vnet_parse reads: ten bytes, little-endian, whatever whoever had the queue before set. */
static int set_vnet_format(int fd)
{
    int hdr_bytes = RN_VNET_HDR_BYTES;
    int is_little = 1;

    if (ioctl(fd, TUNSETVNETHDRSZ, &hdr_bytes) < 0)
        return rn_err_from_errno(errno);
    /* Kernels before 4.1 lack it; the header is then in the machine's order. */
    (void)ioctl(fd, TUNSETVNETLE, &is_little);
    return RN_OK;
}

/* A question to, or an order for, the interface @req names. */
static int tell_link(unsigned long what, struct ifreq *req)
{
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int err = RN_OK;

    if (sock < 0)
        return rn_err_from_errno(errno);
    if (ioctl(sock, what, req) < 0)
        err = rn_err_from_errno(errno);
    close(sock);
    return err;
}

static uint32_t ask_mtu(const struct ifreq *named)
{
    struct ifreq req = *named;

    return tell_link(SIOCGIFMTU, &req) < 0 ? 0 : (uint32_t)req.ifr_mtu;
}

/* The kernel throws away what finds the queue full, and senders inside learn of it by loss only. A link that outlives us
 * is somebody's own, with the length that he gave it. */
static int set_queue(int fd, const struct rn_tun_opts *opts)
{
    struct ifreq req = { 0 };
    int err;

    if (ioctl(fd, TUNGETIFF, &req) < 0)
        return rn_err_from_errno(errno);
    if (opts->queue_pkts == 0 && (req.ifr_flags & IFF_PERSIST) != 0)
        return RN_OK;
    req.ifr_qlen = (int)(opts->queue_pkts != 0 ? opts->queue_pkts : RN_TUN_QUEUE_PKTS);
    err = tell_link(SIOCSIFTXQLEN, &req);
    return opts->queue_pkts != 0 ? err : RN_OK; /* who asked for nothing may lack the right */
}

int rn_tun_from_fd(struct rn_device **ret, struct rn_turn *turn, int fd,
                   const struct rn_tun_opts *opts)
{
    struct rn_fd_device_opts fdo = { .kind = "tun", .fd = fd, .mtu = opts->mtu, .mac = opts->mac };
    struct ifreq req = { 0 };
    int err;

    if (ioctl(fd, TUNGETIFF, &req) < 0)
        return rn_err_from_errno(errno);
    if ((req.ifr_flags & IFF_NO_PI) == 0)
        return RN_E_NOT_SUPPORTED;
    if ((req.ifr_flags & IFF_TAP) != 0) {
        fdo.kind = "tap";
        fdo.link_type = RN_LINK_ETHERNET;
    }
    fdo.name = req.ifr_name;
    fdo.has_vnet = (req.ifr_flags & IFF_VNET_HDR) != 0;
    if (fdo.has_vnet) {
        err = set_vnet_format(fd);
        if (err < 0)
            return err;
        fdo.caps = negotiate_offloads(fd, opts);
    }
    if (fdo.mtu == 0)
        fdo.mtu = ask_mtu(&req);
    if (fdo.mtu == 0)
        return RN_E_NO_DEVICE;
    return opts->has_io_uring ? rn_uring_device_new(ret, turn, &fdo)
                              : rn_fd_device_new(ret, turn, &fdo);
}

static int attach(int fd, const struct rn_tun_opts *opts)
{
    unsigned flags = IFF_NO_PI | IFF_VNET_HDR | (opts->is_tap ? IFF_TAP : IFF_TUN);
    struct ifreq req = { 0 };

    if (opts->is_multi_queue)
        flags |= IFF_MULTI_QUEUE;
    req.ifr_flags = (short)flags; /* all of them lie in the low 16 bits */
    strncpy(req.ifr_name, opts->name != NULL ? opts->name : "tun%d", sizeof(req.ifr_name) - 1);
    return ioctl(fd, TUNSETIFF, &req) < 0 ? rn_err_from_errno(errno) : RN_OK;
}

int rn_tun_open(struct rn_device **ret, struct rn_turn *turn, const struct rn_tun_opts *opts)
{
    int fd;
    int err;

    if (opts->name != NULL && strlen(opts->name) >= IFNAMSIZ)
        return RN_E_BAD_OPTION; /* cut short, it would be another's name */
    fd = open(RN_TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return rn_err_from_errno(errno);
    err = attach(fd, opts);
    if (err >= 0)
        err = set_queue(fd, opts);
    if (err >= 0)
        err = rn_tun_from_fd(ret, turn, fd, opts);
    if (err < 0)
        close(fd);
    return err;
}
