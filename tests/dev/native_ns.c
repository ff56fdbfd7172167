#include "native_ns.h"

#include "fixture.h"
#include "host/netns.h"
#include "host/rtnl_link.h"
#include "host/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int silence(const char *which)
{
    char path[96];

    snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", which);
    return rn_write_file(path, "1");
}

bool native_enter(void)
{
    if (geteuid() != 0) {
        printf("needs root: a TUN, packet sockets and AF_XDP are for CAP_NET_ADMIN\n");
        return false;
    }
    if (unshare(CLONE_NEWNET) < 0) {
        printf("no network namespace: %s\n", strerror(errno));
        return false;
    }
    if (access("/proc/sys/net/ipv6", F_OK) == 0 && (silence("all") < 0 || silence("default") < 0)) {
        printf("/proc/sys is read-only: the kernel's own IPv6 would disturb\n");
        return false;
    }
    return true;
}

static struct rn_nl open_rtnl(void)
{
    struct rn_nl nl = { 0 };

    assert_int_equal(rn_nl_open(&nl, NETLINK_ROUTE), 0);
    return nl;
}

static void change(const char *ifname, const struct rn_link_change *to)
{
    struct rn_nl nl = open_rtnl();
    int index = rn_rtnl_link_index(&nl, ifname);

    assert_true(index > 0);
    assert_int_equal(rn_rtnl_link_set(&nl, (unsigned)index, to), 0);
    rn_nl_close(&nl);
}

void native_up(const char *ifname, unsigned mtu)
{
    change(ifname, &(struct rn_link_change){ .admin = RN_LINK_UP, .mtu = mtu });
}

void native_down(const char *ifname)
{
    change(ifname, &(struct rn_link_change){ .admin = RN_LINK_DOWN });
}

void native_veth(unsigned mtu)
{
    const struct rn_veth_plan plan = {
        .name = "va", .peer_name = "vb", .peer_netns_fd = -1, .mtu = mtu
    };
    struct rn_nl nl = open_rtnl();

    assert_int_equal(rn_rtnl_veth_add(&nl, &plan), 0);
    rn_nl_close(&nl);
    native_up("va", mtu);
    native_up("vb", mtu);
}

void native_forget(void)
{
    assert_true(native_enter());
}

void native_lower(const char *ifname)
{
    const struct rn_link_change down = { .admin = RN_LINK_DOWN };
    struct rn_nl nl = open_rtnl();
    int index = rn_rtnl_link_index(&nl, ifname);

    assert_true(index > 0);
    assert_int_equal(rn_rtnl_link_set(&nl, (unsigned)index, &down), 0);
    rn_nl_close(&nl);
}

void native_rename(const char *ifname, const char *to)
{
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq req = { 0 };

    strncpy(req.ifr_name, ifname, sizeof(req.ifr_name) - 1);
    strncpy(req.ifr_newname, to, sizeof(req.ifr_newname) - 1);
    assert_int_equal(ioctl(sock, SIOCSIFNAME, &req), 0);
    close(sock);
}

int native_open(void)
{
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

void native_return(int netns)
{
    assert_int_equal(setns(netns, CLONE_NEWNET), 0);
}

void native_move(const char *ifname, int netns)
{
    char command[96];

    snprintf(command, sizeof(command), "ip link set %s netns /proc/%d/fd/%d", ifname, (int)getpid(),
             netns);
    assert_int_equal(system(command), 0);
}
