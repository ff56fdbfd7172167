/* The packet sockets on the far end of a cell's veth pair. */
#include "host/cell_proto.h"
#include <runnel/err.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a burst inside may have waiting: a hundred frames of 64 KiB. */
#define QUEUE_BYTES (8 << 20)
/* Linux 5.10; older headers lack it. */
#define FANOUT_IGNORE_OUTGOING 0x4000u
/* The far namespace is empty but for us: any number will do. */
#define FANOUT_GROUP 1u

static int open_bound(const char *ifname)
{
    struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1;
    int err;

    if (fd < 0)
        return rn_err_from_errno(errno);
    at.sll_ifindex = (int)if_nametoindex(ifname);
    if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) == 0 &&
        bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    err = rn_err_from_errno(errno);
    close(fd);
    return err;
}

/* How much queue the kernel grants @fd. */
static unsigned widen(int fd)
{
    int bytes = QUEUE_BYTES;
    int got = 0;
    socklen_t len = sizeof(got);

    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &len) < 0 || got <= 0)
        return QUEUE_BYTES;
    return (unsigned)got;
}

static bool join(int fd)
{
    const unsigned plain = FANOUT_GROUP | (unsigned)PACKET_FANOUT_ROLLOVER << 16;
    const unsigned silent = plain | FANOUT_IGNORE_OUTGOING << 16;

    return setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &silent, sizeof(silent)) == 0 ||
           setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &plain, sizeof(plain)) == 0;
}

/*
 * An ordinary user's queue is limited for each socket (net.core.rmem_max), and a fast TCP inside overruns the usual limit: so
 * there are as many as make up for it, filled one after the other. Fewer are no failure.
 */
int rn_cell_open_packet(const char *ifname, struct rn_fds *ret)
{
    unsigned queue;
    int fd = open_bound(ifname);

    if (fd < 0)
        return fd;
    ret->fd[0] = fd;
    ret->n = 1;
    queue = widen(fd);
    if (queue >= QUEUE_BYTES || !join(fd))
        return RN_OK;
    for (unsigned have = queue; have < QUEUE_BYTES && ret->n < RN_CELL_SOCKETS_MAX; have += queue) {
        fd = open_bound(ifname);
        if (fd < 0)
            break;
        (void)widen(fd);
        if (!join(fd)) {
            close(fd);
            break;
        }
        ret->fd[ret->n++] = fd;
    }
    return RN_OK;
}
