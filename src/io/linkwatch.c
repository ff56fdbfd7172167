/*
 * A netlink socket in the interface's namespace is only a bell: whatever it says, the interface is asked how it is now. So nothing
 * is parsed, and a message that was lost (ENOBUFS) costs nothing.
 */
#include "dev/device.h"
#include "io/loop.h"
#include <runnel/err.h>
#include <runnel/linkwatch.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Linux 5.2; Debian 12's headers have it, older ones lack it. */
#define TUN_GET_DEV_NETNS _IO('T', 227)

struct rn_link_watch {
    struct rn_watch bell; /* the netlink socket */
    struct rn_loop *loop;
    struct rn_device *dev; /* borrows */
    int ask;               /* a socket of the same namespace, for questions */
    int ifindex;           /* in it */
    ino_t netns;           /* which it is */
    bool is_up;
};

/* --- where it is -------------------------------------------------------------------------------------------------- */
static int device_fd(const struct rn_device *dev)
{
    return dev->ops->poll_fd != NULL ? dev->ops->poll_fd(dev) : -1;
}

/* The namespace of the interface: of a TUN queue, of a packet socket, else ours. Returns owned. */
static int open_netns(const struct rn_device *dev)
{
    int fd = ioctl(device_fd(dev), TUN_GET_DEV_NETNS);

    if (fd < 0)
        fd = ioctl(device_fd(dev), SIOCGSKNS);
    if (fd < 0)
        fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? rn_err_from_errno(errno) : fd;
}

static ino_t inode_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* A TUN queue knows its interface's name wherever that is; of others the index stays. */
static bool find_name(const struct rn_link_watch *w, struct ifreq *ret)
{
    *ret = (struct ifreq){ .ifr_ifindex = w->ifindex };
    if (ioctl(device_fd(w->dev), TUNGETIFF, ret) == 0)
        return true;
    return w->ifindex > 0 && ioctl(w->ask, SIOCGIFNAME, ret) == 0;
}

/* --- how it is ---------------------------------------------------------------------------------------------------- */
static unsigned take_name(struct rn_link_watch *w, const struct ifreq *named)
{
    if (strncmp(w->dev->name, named->ifr_name, sizeof(w->dev->name)) == 0)
        return 0;
    memset(w->dev->name, 0, sizeof(w->dev->name));
    memcpy(w->dev->name, named->ifr_name, strnlen(named->ifr_name, sizeof(w->dev->name) - 1));
    return RN_DEV_RENAMED;
}

static unsigned take_mtu(struct rn_link_watch *w, const struct ifreq *named)
{
    struct ifreq req = *named;

    if (ioctl(w->ask, SIOCGIFMTU, &req) < 0 || req.ifr_mtu <= 0 ||
        w->dev->mtu == (uint32_t)req.ifr_mtu)
        return 0;
    w->dev->mtu = (uint32_t)req.ifr_mtu;
    return RN_DEV_MTU_CHANGED;
}

static unsigned take_state(struct rn_link_watch *w, const struct ifreq *named)
{
    struct ifreq req = *named;
    bool is_up = ioctl(w->ask, SIOCGIFFLAGS, &req) == 0 && (req.ifr_flags & IFF_UP) != 0 &&
                 (req.ifr_flags & IFF_RUNNING) != 0;

    if (is_up == w->is_up)
        return 0;
    w->is_up = is_up;
    return is_up ? RN_DEV_LINK_UP : RN_DEV_LINK_DOWN;
}

/* Returns what changed (enum rn_device_event). */
static unsigned look(struct rn_link_watch *w)
{
    unsigned events = 0;
    struct ifreq named;

    if (!find_name(w, &named))
        return 0; /* gone: the device finds out by itself */
    events |= take_name(w, &named);
    events |= take_mtu(w, &named);
    events |= take_state(w, &named);
    return events;
}

/* --- listening ---------------------------------------------------------------------------------------------------- */
struct sockets {
    int bell;
    int ask;
};

static int open_sockets(struct sockets *ret)
{
    struct sockaddr_nl links = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
    int err = RN_OK;

    ret->bell = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    ret->ask = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (ret->bell < 0 || ret->ask < 0 ||
        bind(ret->bell, (struct sockaddr *)&links, sizeof(links)) < 0)
        err = rn_err_from_errno(errno);
    if (err >= 0)
        return RN_OK;
    if (ret->bell >= 0)
        close(ret->bell);
    if (ret->ask >= 0)
        close(ret->ask);
    return err;
}

/* A socket belongs to the namespace its thread was in when it was made; so the thread visits it for that long. */
static int open_sockets_in(int netns, struct sockets *ret)
{
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int err;

    if (home < 0)
        return rn_err_from_errno(errno);
    if (inode_of(home) == inode_of(netns)) {
        err = open_sockets(ret);
    } else if (setns(netns, CLONE_NEWNET) < 0) {
        err = rn_err_from_errno(errno);
    } else {
        int back;

        err = open_sockets(ret);
        back = setns(home, CLONE_NEWNET);
        rn_assert(back == 0); /* we had the right to leave: to go on elsewhere would be worse */
    }
    close(home);
    return err;
}

static void on_bell(struct rn_watch *bell, unsigned ready);

static void hang_up(struct rn_link_watch *w)
{
    int bell = w->bell.fd;

    if (w->bell.loop == NULL)
        return;
    rn_unwatch(&w->bell);
    close(bell);
    close(w->ask);
}

/* Listens where the interface is now. */
static int settle(struct rn_link_watch *w, int netns)
{
    struct sockets s = { -1, -1 };
    struct ifreq named;
    int err = open_sockets_in(netns, &s);

    if (err < 0)
        return err;
    hang_up(w);
    w->bell.fn = on_bell;
    w->ask = s.ask;
    err = rn_loop_watch(w->loop, &w->bell, s.bell, RN_IO_READ);
    if (err < 0) {
        close(s.bell);
        close(s.ask);
        return err;
    }
    w->netns = inode_of(netns);
    if (!find_name(w, &named)) {
        named = (struct ifreq){ 0 };
        memcpy(named.ifr_name, w->dev->name, sizeof(w->dev->name)); /* ends in a zero */
    }
    w->ifindex = ioctl(w->ask, SIOCGIFINDEX, &named) == 0 ? named.ifr_ifindex : 0;
    return w->ifindex > 0 ? RN_OK : RN_E_NO_DEVICE;
}

static void follow(struct rn_link_watch *w)
{
    int netns = open_netns(w->dev);
    int err = RN_OK;

    if (netns < 0)
        return;
    if (inode_of(netns) != w->netns)
        err = settle(w, netns);
    (void)err; /* where we may not listen, what was known last stays */
    close(netns);
}

static void on_bell(struct rn_watch *bell, unsigned ready)
{
    struct rn_link_watch *w = rn_container_of(bell, struct rn_link_watch, bell);
    unsigned events;
    uint8_t word[256];
    (void)ready;

    while (recv(bell->fd, word, sizeof(word), MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
        continue;
    follow(w);
    events = look(w);
    if (events != 0)
        rn_device_notify(w->dev, events);
}

/* --- for everybody ------------------------------------------------------------------------------------------------ */
int rn_link_watch_new(struct rn_link_watch **ret, struct rn_loop *loop, struct rn_device *device)
{
    struct rn_link_watch *w = rn_alloc_new(&loop->alloc, sizeof(*w));
    int netns;
    int err;

    if (w == NULL)
        return RN_E_NOMEM;
    w->loop = loop;
    w->dev = device;
    netns = open_netns(device);
    err = netns < 0 ? netns : settle(w, netns);
    if (netns >= 0)
        close(netns);
    if (err < 0) {
        rn_link_watch_free(w);
        return err;
    }
    (void)look(w); /* what is true from the start is no event */
    *ret = w;
    return RN_OK;
}

struct rn_link_watch *rn_link_watch_free(struct rn_link_watch *watch)
{
    if (watch == NULL)
        return NULL;
    hang_up(watch);
    rn_alloc_free(&watch->loop->alloc, watch, sizeof(*watch));
    return NULL;
}
