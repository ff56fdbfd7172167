/* The network inside a cell: loopback, one packet device, addresses, routes, and the sysctls that make it usable. */
#include "base/text.h"
#include "host/cell_proto.h"
#include "host/netns.h"
#include "host/rtnl_addr.h"
#include "host/rtnl_link.h"
#include "host/rtnl_route.h"
#include <runnel/err.h>
#include <runnel/tun.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TUN_PATH "/dev/net/tun"
#define FAR_NAME "far0"
/* IPv6 needs links of this MTU (RFC 8200 §5); the kernel turns it off on smaller ones. */
#define IPV6_MTU_MIN 1280u

static const char *ifname_of(const struct keeper *k)
{
    return k->report.ifname;
}

static bool has_v6(const struct rn_cell_net *net)
{
    return !rn_addr_is_none(net->addr6) && net->mtu >= IPV6_MTU_MIN;
}

/* Returns the queue, owned. */
static int open_queue(const char *name, bool is_one_of_many)
{
    struct ifreq req = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
    int fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    int err;

    if (fd < 0)
        return rn_err_from_errno(errno);
    if (is_one_of_many)
        req.ifr_flags |= IFF_MULTI_QUEUE;
    memcpy(req.ifr_name, name, strnlen(name, sizeof(req.ifr_name) - 1));
    if (ioctl(fd, TUNSETIFF, &req) == 0)
        return fd;
    err = rn_err_from_errno(errno);
    close(fd);
    return err;
}

static int open_tun(const struct keeper *k, struct rn_fds *ret)
{
    unsigned n = rn_max_u32(k->opts->net.n_queues, 1);

    *ret = (struct rn_fds){ .n = 0 };
    while (ret->n < n) {
        int fd = open_queue(ifname_of(k), n > 1);

        if (fd < 0) {
            rn_fds_close(ret);
            return fd;
        }
        ret->fd[ret->n++] = fd;
    }
    return RN_OK;
}

/* Where /proc/sys is read-only, or the kernel without IPv6, a few stray packets are all that follows. */
static void set_conf6(const char *ifname, const char *key, const char *value)
{
    char path[96];
    int err;

    snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", ifname, key);
    err = rn_write_file(path, value);
    (void)err;
}

static int hardware_address(const char *ifname, struct rn_mac *ret)
{
    struct ifreq req = { 0 };
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int err = RN_OK;

    if (sock < 0)
        return rn_err_from_errno(errno);
    memcpy(req.ifr_name, ifname, strnlen(ifname, sizeof(req.ifr_name) - 1));
    if (ioctl(sock, SIOCGIFHWADDR, &req) < 0)
        err = rn_err_from_errno(errno);
    else
        memcpy(ret->b, req.ifr_hwaddr.sa_data, sizeof(ret->b));
    close(sock);
    return err;
}

static int raise_link(struct rn_nl *nl, const char *ifname, struct rn_link_change up)
{
    int index = rn_rtnl_link_index(nl, ifname);

    up.admin = RN_LINK_UP;
    return index < 0 ? index : rn_rtnl_link_set(nl, (uint32_t)index, &up);
}

/*
 * In the far namespace, which has no addresses: the kernel there must stay silent. IPv6 off; frames are addressed to the
 * stack's MAC, not to the interface's, so that its IP layer throws them away right after the packet socket saw them.
 */
static int prepare_far_end(struct keeper *k, struct rn_fds *ret)
{
    struct rn_nl nl = { 0 };
    int err;

    set_conf6("all", "disable_ipv6", "1");
    set_conf6("default", "disable_ipv6", "1");
    err = rn_cell_open_packet(FAR_NAME, ret);
    if (err < 0)
        return rn_cell_fail(k, RN_CELL_STAGE_PACKET, err, FAR_NAME);
    err = rn_nl_open(&nl, NETLINK_ROUTE);
    if (err >= 0)
        err = raise_link(&nl, FAR_NAME, (struct rn_link_change){ 0 });
    if (err >= 0)
        err = hardware_address(FAR_NAME, &k->report.far_mac);
    rn_nl_close(&nl);
    if (err >= 0)
        return RN_OK;
    rn_fds_close(ret);
    return rn_cell_fail(k, RN_CELL_STAGE_LINK, err, FAR_NAME);
}

/* Notes @detail and, where it had any, the kernel's own words (its extended acknowledgement). */
static int netlink_fail(struct keeper *k, enum rn_cell_stage stage, const struct rn_nl *nl, int err,
                        const char *detail)
{
    char both[sizeof(k->failure.detail)];
    struct rn_text text = rn_text_of(both, sizeof(both));

    rn_text_str(&text, detail);
    if (nl->why[0] != '\0')
        rn_text_str(&text, ": ");
    rn_text_str(&text, nl->why);
    return rn_cell_fail(k, stage, err, both);
}

static int make_pair(struct keeper *k, int far_ns)
{
    const struct rn_veth_plan plan = { .name = ifname_of(k),
                                       .peer_name = FAR_NAME,
                                       .peer_netns_fd = far_ns,
                                       .mtu = k->opts->net.mtu };
    struct rn_nl nl = { 0 };
    int err = rn_nl_open(&nl, NETLINK_ROUTE);

    if (err >= 0)
        err = rn_rtnl_veth_add(&nl, &plan);
    if (err >= 0)
        err = hardware_address(ifname_of(k), &k->report.inner_mac);
    if (err < 0)
        err = netlink_fail(k, RN_CELL_STAGE_VETH, &nl, err, ifname_of(k));
    rn_nl_close(&nl);
    return err;
}

/* We are in the cell's namespace and hold @far_ns. */
static int visit_far_end(struct keeper *k, int far_ns, struct rn_fds *ret)
{
    int home = rn_netns_open_self();
    int err = home < 0 ? home : rn_netns_enter(far_ns);

    if (err < 0) {
        if (home >= 0)
            close(home);
        return rn_cell_fail(k, RN_CELL_STAGE_NETNS, err, FAR_NAME);
    }
    err = prepare_far_end(k, ret);
    if (rn_netns_enter(home) < 0)
        err = rn_cell_fail(k, RN_CELL_STAGE_NETNS, rn_err_from_errno(EPERM), "home");
    close(home);
    return err;
}

/* The far namespace lives as long as the packet sockets do: when they are closed, the pair vanishes with it. */
static int build_veth(struct keeper *k, struct rn_fds *ret)
{
    int far_ns = rn_netns_open_self(); /* the namespace we were born into becomes the far one */
    int err;

    if (far_ns < 0)
        return rn_cell_fail(k, RN_CELL_STAGE_NETNS, far_ns, "/proc/self/ns/net");
    if (unshare(CLONE_NEWNET) < 0) {
        err = rn_cell_fail(k, RN_CELL_STAGE_NETNS, rn_err_from_errno(errno), "");
    } else {
        err = make_pair(k, far_ns);
        if (err >= 0)
            err = visit_far_end(k, far_ns, ret);
    }
    close(far_ns);
    return err;
}

static void choose_ifname(struct keeper *k, const char *otherwise)
{
    const char *name = k->opts->net.ifname != NULL ? k->opts->net.ifname : otherwise;

    memset(k->report.ifname, 0, sizeof(k->report.ifname));
    memcpy(k->report.ifname, name, strnlen(name, sizeof(k->report.ifname) - 1));
}

static int build_device(struct keeper *k, struct rn_fds *ret)
{
    enum rn_cell_rung asked = k->opts->net.rung;
    int err;

    if (asked != RN_CELL_VETH) {
        choose_ifname(k, "tun0");
        k->report.rung = RN_CELL_TUN;
        err = open_tun(k, ret);
        if (err >= 0)
            return RN_OK;
        if (asked == RN_CELL_TUN)
            return rn_cell_fail(k, RN_CELL_STAGE_TUN, err, TUN_PATH);
        k->report.tun_err = err;
    }
    choose_ifname(k, "eth0");
    k->report.rung = RN_CELL_VETH;
    return build_veth(k, ret);
}

static int add_address(struct keeper *k, struct rn_nl *nl, uint32_t index, bool is_v4)
{
    const struct rn_cell_net *net = &k->opts->net;
    const struct rn_addr_plan plan = { .addr = is_v4 ? net->addr4 : net->addr6,
                                       .prefix_bits = is_v4 ? net->bits4 : net->bits6,
                                       .flags = is_v4 ? 0 : IFA_F_NODAD };
    char text[RN_ADDR_TEXT_BYTES];
    int err = rn_rtnl_addr_add(nl, index, &plan);

    return err < 0 ? netlink_fail(k, RN_CELL_STAGE_ADDR, nl, err, rn_addr_print(plan.addr, text))
                   : RN_OK;
}

static int add_default(struct keeper *k, struct rn_nl *nl, uint32_t index, bool is_v4)
{
    const struct rn_cell_net *net = &k->opts->net;
    struct rn_route_plan plan = { .gateway = is_v4 ? net->gateway4 : net->gateway6,
                                  .ifindex = index };
    char text[RN_ADDR_TEXT_BYTES];
    int err;

    plan.dst.is_v4 = is_v4;
    plan.dst.addr = is_v4 ? rn_addr_v4(0) : rn_addr_none();
    plan.is_onlink =
        is_v4; /* the gateway may lie outside of the prefix; for IPv6 it is given inside */
    err = rn_rtnl_route_add(nl, &plan);
    return err < 0
               ? netlink_fail(k, RN_CELL_STAGE_ROUTE, nl, err, rn_addr_print(plan.gateway, text))
               : RN_OK;
}

/*
 * The kernel looks a destination up in table "local" first, where 127.0.0.0/8 leads to lo: a longer prefix there goes before
 * it. The answers come from a loopback address by another interface, which is a martian unless route_localnet is set;
 * whoever is at the other end of this interface is ourselves.
 */
static int add_stubs(struct keeper *k, struct rn_nl *nl, uint32_t index)
{
    const struct rn_cell_net *net = &k->opts->net;
    char path[96];
    int err = RN_OK;

    if (net->n_stubs == 0 || rn_addr_is_none(net->addr4))
        return RN_OK;
    snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/route_localnet", ifname_of(k));
    err = rn_write_file(path, "1");
    for (unsigned i = 0; i < net->n_stubs && err >= 0; i++) {
        struct rn_route_plan plan = { .dst = rn_prefix_of(net->stubs[i], 32),
                                      .gateway = net->gateway4,
                                      .prefsrc = net->addr4,
                                      .ifindex = index,
                                      .table = RT_TABLE_LOCAL,
                                      .is_onlink = true };

        err = rn_rtnl_route_add(nl, &plan);
    }
    return err;
}

static int add_family(struct keeper *k, struct rn_nl *nl, uint32_t index, bool is_v4)
{
    const struct rn_cell_net *net = &k->opts->net;
    int err = add_address(k, nl, index, is_v4);

    if (err < 0 || !(is_v4 ? net->has_default4 : net->has_default6))
        return err;
    return add_default(k, nl, index, is_v4);
}

/* Static addresses and one neighbour: no router discovery, nothing to detect duplicates of. */
static void quiet_ipv6(const char *ifname, bool wanted)
{
    set_conf6(ifname, "disable_ipv6", wanted ? "0" : "1");
    set_conf6(ifname, "accept_ra", "0");
    set_conf6(ifname, "router_solicitations", "0");
    set_conf6(ifname, "accept_dad", "0");
}

static int configure(struct keeper *k, struct rn_nl *nl)
{
    const struct rn_cell_net *net = &k->opts->net;
    const bool has_queue = k->report.rung == RN_CELL_TUN; /* a packet socket's is its own */
    const struct rn_link_change inner = { .mtu = net->mtu,
                                          .queue_pkts = has_queue ? RN_TUN_QUEUE_PKTS : 0 };
    int index;
    int err = raise_link(nl, "lo", (struct rn_link_change){ 0 });

    if (err < 0)
        return netlink_fail(k, RN_CELL_STAGE_LINK, nl, err, "lo");
    quiet_ipv6(ifname_of(k), has_v6(net));
    err = raise_link(nl, ifname_of(k), inner);
    index = rn_rtnl_link_index(nl, ifname_of(k));
    if (err < 0 || index < 0)
        return netlink_fail(k, RN_CELL_STAGE_LINK, nl, err < 0 ? err : index, ifname_of(k));
    if (!rn_addr_is_none(net->addr4))
        err = add_family(k, nl, (uint32_t)index, true);
    if (err >= 0 && has_v6(net))
        err = add_family(k, nl, (uint32_t)index, false);
    if (err >= 0 && add_stubs(k, nl, (uint32_t)index) < 0)
        k->report.warnings |= RN_CELL_WARN_STUBS;
    return err;
}

/* Ping sockets for the one group there is, and every port for everybody: inside, nobody has capabilities to ask for them. */
static void open_up(struct keeper *k)
{
    char range[48];

    snprintf(range, sizeof(range), "%u %u", (unsigned)k->ids.inner_gid, (unsigned)k->ids.inner_gid);
    if (rn_write_file("/proc/sys/net/ipv4/ping_group_range", range) < 0)
        k->report.warnings |= RN_CELL_WARN_PING;
    if (rn_write_file("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0") < 0)
        k->report.warnings |= RN_CELL_WARN_PORTS;
}

int rn_cell_build_net(struct keeper *k, struct rn_fds *ret)
{
    struct rn_nl nl = { 0 };
    int err = build_device(k, ret);

    if (err < 0)
        return err;
    err = rn_nl_open(&nl, NETLINK_ROUTE);
    err = err < 0 ? rn_cell_fail(k, RN_CELL_STAGE_LINK, err, "netlink") : configure(k, &nl);
    rn_nl_close(&nl);
    if (err < 0) {
        rn_fds_close(ret);
        return err;
    }
    open_up(k);
    return RN_OK;
}
