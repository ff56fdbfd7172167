#pragma once
/* Packets <-> chains of a vhost-user session: the virtio-net header, buffers that are merged, and what was not negotiated made here. */
#include "dev/device.h"
#include "io/rx_slab.h"
#include "io/vhost_session.h"

struct rn_vhost_net {
    struct rn_device *dev;            /* borrows; where losses are counted */
    struct rn_vhost_session *session; /* borrows */
    struct rn_rx_slab slab;
    struct rn_vhost_span span;
};

enum rn_vhost_sent {
    RN_VHOST_SENT,    /* or dropped and counted */
    RN_VHOST_NO_ROOM, /* still the caller's */
};

/* All that we can do for a front-end; less when @without_offloads. */
uint64_t rn_vhost_net_features(bool without_offloads);
/* Takes one chain of what the guest sends; its packet, if it is one, goes behind @in. false: there is none, or the ring is broken.
 * Told by the next publish. */
bool rn_vhost_net_receive(struct rn_vhost_net *net, struct rn_pktq *in);
/* Gives the front packet of @out to the guest. Told by the next publish. */
enum rn_vhost_sent rn_vhost_net_send(struct rn_vhost_net *net, struct rn_pktq *out);
