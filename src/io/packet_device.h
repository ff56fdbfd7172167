#pragma once
/* Devices over AF_PACKET sockets (<runnel/packet.h>), and what packet_device.c and packet_ring.c share. */
#include "dev/device.h"

#include <runnel/packet.h>

/* Virtio headers, no frames of our own, no queue, as large a buffer as we may have. Returns whether there are virtio headers. */
bool rn_packet_tune(int fd, const struct rn_packet_opts *opts);
/* Fills in what a device over such a socket is. */
void rn_packet_describe(struct rn_device *dev, struct rn_turn *turn,
                        const struct rn_packet_opts *opts, bool has_vnet);
/* Whether a NIC that is not promiscuous hears the frame that starts with @front. */
bool rn_packet_is_for(const struct rn_device *dev, struct rn_view front);
/* A copy of @frame (borrowed) in a packet, with the time. Returns owned; NULL: not for us, or no memory, counted in @dev. */
struct rn_pkt *rn_packet_copy(struct rn_device *dev, struct rn_view frame, bool is_promiscuous);
/* Frames lost since the last call. */
uint64_t rn_packet_take_lost(int fd);
/* rn_packet_lost of a ring. */
uint64_t rn_packet_ring_lost(struct rn_device *dev);

/* Opens a socket that is bound to nothing yet. Errors: host. */
RN_MUST_USE int rn_packet_socket(void);
/* Binds it, and joins opts->fanout_group if there is one. Errors: host. */
RN_MUST_USE int rn_packet_bind(int fd, const struct rn_packet_opts *opts);
/* opts->mtu or, if 0, the interface's. 0: unknown. */
uint32_t rn_packet_mtu(const struct rn_packet_opts *opts);
