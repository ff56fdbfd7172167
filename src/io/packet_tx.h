#pragma once
/* Sending by a packet socket, in batches: what the plain device (packet_device.c) and the ring (packet_ring.c) share. */
#include "io/fd_device.h"

#include <sys/socket.h>

#define RN_PACKET_BATCH 16u

struct rn_packet_tx {
    struct rn_device *dev; /* whose socket it is; borrows */
    int fd;                /* borrows */
    bool has_vnet;
    struct mmsghdr msgs[RN_PACKET_BATCH];
    struct rn_pkt_iov iov[RN_PACKET_BATCH];
};

/* As write_batch of the device. */
int rn_packet_tx_batch(struct rn_packet_tx *tx, struct rn_pktq *out);
