/* Doing something inside a namespace of the map: go there, call, come back. */
#include "discovery/model.h"
#include "host/netns.h"

#include <errno.h>
#include <linux/netlink.h>
#include <runnel/map.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Pids are reused and bind mounts replaced: only the namespace of the map will do. */
static int open_same(const struct rn_map_netns *netns)
{
    int err = RN_E_NOT_FOUND;

    for (size_t i = 0; i < netns->n_refs; i++) {
        const struct rn_map_ref *ref = &netns->refs[i];
        struct rn_ns_id id;
        int fd;

        if (ref->path[0] != '/' || ref->mntns_id != 0)
            continue;
        fd = rn_netns_open_path(ref->path);
        if (fd < 0) {
            err = fd;
            continue;
        }
        if (rn_ns_identify(fd, &id) == RN_OK && id.ino == netns->ino && id.dev == netns->dev)
            return fd;
        (void)close(fd);
        err = RN_E_NOT_FOUND;
    }
    return err;
}

int rn_map_open_in(const struct rn_map_netns *netns, int (*opener)(void *arg), void *arg)
{
    int there = open_same(netns);
    int home;
    int err;

    if (there < 0)
        return there;
    home = rn_netns_open_self();
    if (home < 0) {
        (void)close(there);
        return home;
    }
    err = rn_netns_enter(there);
    if (err == RN_OK) {
        err = opener(arg);
        if (rn_netns_enter(home) < 0)
            abort();
    }
    (void)close(there);
    (void)close(home);
    return err;
}

struct kind {
    int family, type, protocol;
};

static int open_socket(void *arg)
{
    const struct kind *kind = arg;
    int fd = socket(kind->family, kind->type | SOCK_CLOEXEC, kind->protocol);

    return fd >= 0 ? fd : rn_err_from_errno(errno);
}

int rn_map_open_netlink(const struct rn_map_netns *netns)
{
    struct kind kind = { AF_NETLINK, SOCK_RAW, NETLINK_ROUTE };

    return rn_map_open_in(netns, open_socket, &kind);
}

int rn_map_open_ethtool(const struct rn_map_netns *netns)
{
    struct kind kind = { AF_INET, SOCK_DGRAM, 0 };

    return rn_map_open_in(netns, open_socket, &kind);
}
