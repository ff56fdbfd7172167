#pragma once
/*
 * A packet device over a descriptor that gives and takes one whole packet per read and write: a TUN queue, a datagram
 * or seqpacket socket to another stack. One system call per packet. Large frames are taken as they landed and sent from head
 * and payload in place; small ones are copied once each way, which costs less than to hand the kernel pieces.
 */
#include "base/pktq.h"
#include "dev/device.h"
#include "wire/vnet.h"
#include <runnel/attr.h>

#include <sys/uio.h>

/* Room for a frame with its virtio header; what fills all of it was cut by the kernel. */
#define RN_FD_FRAME_BYTES RN_BUF_BIG_BYTES
/* Up to here a frame is copied into small slabs rather than pinning a big one. */
#define RN_FD_COPY_MAX_BYTES (4u * RN_BUF_SMALL_BYTES)

/* What the descriptor is; all but fd, mtu and kind may be zero. */
struct rn_fd_device_opts {
    const char *kind; /* static text: "tun", "fd" */
    const char *name;
    int fd; /* non-blocking mode is set on it */
    uint32_t mtu;
    enum rn_link_type link_type;
    struct rn_mac mac;
    uint32_t caps; /* enum rn_device_cap; offloads need has_vnet */
    bool has_vnet; /* RN_VNET_HDR_BYTES precede every packet in both directions */
};

/* Remembers for the rest of the turn that the kernel has no more frames: who reads again is answered without asking. */
struct rn_dry {
    uint64_t turn; /* number of the turn it ran dry in, + 1 */
};
static inline void rn_dry_note(struct rn_dry *dry, const struct rn_turn *turn)
{
    dry->turn = turn->n_turns + 1;
}
static inline bool rn_is_dry(const struct rn_dry *dry, const struct rn_turn *turn)
{
    return turn->is_open && dry->turn == turn->n_turns + 1;
}

/* Frames that come one at a time (a question, an answer) need no second read that finds nothing. */
struct rn_lonely {
    uint8_t n_alone; /* batches in a row that were one frame */
    uint8_t n_blind; /* single reads since the last look for a second */
};

struct rn_fd_device {
    struct rn_device dev;
    struct rn_device_ops ops; /* ours, with the kind's own name */
    int fd;
    uint8_t vnet_len; /* of the virtio header; 0: none */
    struct rn_dry dry;
    struct rn_lonely lonely;
    struct rn_buf *landing; /* where the next frame arrives, the virtio header first */
};

/* Returns owned; takes over opts->fd on success only. @turn is the loop's. Errors: NOMEM, host. */
RN_MUST_USE int rn_fd_device_new(struct rn_device **ret, struct rn_turn *turn,
                                 const struct rn_fd_device_opts *opts);

/* What @opts say of a device, but for its operations. */
void rn_fd_device_describe(struct rn_device *dev, struct rn_turn *turn,
                           const struct rn_fd_device_opts *opts);

/* For devices that share its way of sending and receiving (packet_device.c). */
struct rn_pkt_iov {
    struct iovec iov[2 + RN_PKT_FRAGS_MAX]; /* virtio header, head, frags */
    unsigned n;
    uint8_t vnet[RN_VNET_HDR_BYTES];
};

/* Describes @pkt (borrows) for writing. false: malformed, the caller drops. @has_vnet as above; without it a
 * checksum that is missing is made here. */
RN_MUST_USE bool rn_pkt_to_iov(struct rn_pkt *pkt, bool has_vnet, struct rn_pkt_iov *ret);

enum rn_tx_fate {
    RN_TX_RETRY,  /* keep it: EAGAIN, ENOBUFS */
    RN_TX_DROP,   /* this packet cannot be sent */
    RN_TX_CLOSED, /* nothing can be sent any more */
};
enum rn_tx_fate rn_tx_fate_of(int host_errno);
enum rn_rx_fate {
    RN_RX_EMPTY,
    RN_RX_AGAIN, /* a transient failure of this read alone */
    RN_RX_CLOSED,
};
enum rn_rx_fate rn_rx_fate_of(int host_errno);
/* Counts and drops @pkt (consumes) on the device's own account. */
void rn_device_drop(struct rn_device *dev, struct rn_pkt *pkt, enum rn_drop why);
/*
 * The kernel will not cut a super-packet (more datagrams in it than it cuts, an offload that it lost or never had): we do. Appends the
 * segments of @pkt (consumes) to @out, or drops what cannot be cut on the device's own account.
 */
void rn_device_cut(struct rn_device *dev, struct rn_pkt *pkt, struct rn_pktq *out);
/* Puts segments in the place of the front packet of @out. false: it is no super-packet. */
bool rn_device_cut_front(struct rn_device *dev, struct rn_pktq *out);
/* Marks it closed and tells the owner; a no-op when it is. */
void rn_device_mark_closed(struct rn_device *dev);
