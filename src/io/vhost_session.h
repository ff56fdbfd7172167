#pragma once
/*
 * One front-end's connection: what it has negotiated, its memory, its two rings. Everything it says is checked; the first thing
 * that is wrong ends the connection, and .error tells what it was.
 */
#include "io/vhost_msg.h"
#include "io/vhost_ring.h"

/* Feature bits of VIRTIO 1.2 §5.1.3 and §6, and one of vhost-user. */
#define RN_VIRTIO_CSUM             (UINT64_C(1) << 0)
#define RN_VIRTIO_GUEST_CSUM       (UINT64_C(1) << 1)
#define RN_VIRTIO_GUEST_TSO4       (UINT64_C(1) << 7)
#define RN_VIRTIO_GUEST_TSO6       (UINT64_C(1) << 8)
#define RN_VIRTIO_GUEST_ECN        (UINT64_C(1) << 9)
#define RN_VIRTIO_HOST_TSO4        (UINT64_C(1) << 11)
#define RN_VIRTIO_HOST_TSO6        (UINT64_C(1) << 12)
#define RN_VIRTIO_HOST_ECN         (UINT64_C(1) << 13)
#define RN_VIRTIO_MRG_RXBUF        (UINT64_C(1) << 15)
#define RN_VIRTIO_ANY_LAYOUT       (UINT64_C(1) << 27)
#define RN_VIRTIO_INDIRECT_DESC    (UINT64_C(1) << 28)
#define RN_VIRTIO_EVENT_IDX        (UINT64_C(1) << 29)
#define RN_VHOST_PROTOCOL_FEATURES (UINT64_C(1) << 30)
#define RN_VIRTIO_VERSION_1        (UINT64_C(1) << 32)
#define RN_VIRTIO_GUEST_USO4       (UINT64_C(1) << 54)
#define RN_VIRTIO_GUEST_USO6       (UINT64_C(1) << 55)
#define RN_VIRTIO_HOST_USO         (UINT64_C(1) << 56)
/* VHOST_USER_PROTOCOL_F_REPLY_ACK, the only one we offer. */
#define RN_VHOST_P_REPLY_ACK (UINT64_C(1) << 3)

/* Rings are named as the driver sees them. */
enum rn_vhost_queue_index { RN_VHOST_RX, RN_VHOST_TX, RN_VHOST_QUEUES };

struct rn_vhost_queue {
    struct rn_vhost_ring ring;
    uint64_t user_desc;
    uint64_t user_avail;
    uint64_t user_used;
    uint32_t size;
    uint16_t base;
    bool has_addr;
    bool is_started;
    bool is_enabled;
    int kick_fd; /* -1: none, as the others */
    int call_fd;
    int err_fd;
};

struct rn_vhost_session {
    int fd;       /* -1: no front-end */
    int epoll_fd; /* borrows; gets .fd and the kicks */
    uint64_t offered;
    uint64_t features;
    uint64_t protocol;
    enum rn_vhost_trust trust;
    struct rn_vhost_inbox inbox;
    struct rn_vhost_mem mem;
    struct rn_vhost_queue queues[RN_VHOST_QUEUES];
    const char *error; /* static text; NULL: none, or the front-end just went */
};

/* Takes @fd over, a connected stream socket, on success only: false with errno if it cannot be watched. .epoll_fd, .offered and .trust
 * are set. */
bool rn_vhost_session_begin(struct rn_vhost_session *self, int fd);
/* Gives back all it has; a no-op without a front-end. .error stays. */
void rn_vhost_session_end(struct rn_vhost_session *self);
/* Acts on at most @budget messages. Returns how many; <= 0 once none is left now. Ends itself when the front-end goes or lies. */
int rn_vhost_session_serve(struct rn_vhost_session *self, unsigned budget);
/* Ends it for @why, after telling those who watch its error descriptors. */
void rn_vhost_session_fail(struct rn_vhost_session *self, const char *why);

static inline bool rn_vhost_session_is_on(const struct rn_vhost_session *self)
{
    return self->fd >= 0;
}
/* Packets pass both ways. */
static inline bool rn_vhost_session_is_up(const struct rn_vhost_session *self)
{
    const struct rn_vhost_queue *rx = &self->queues[RN_VHOST_RX];
    const struct rn_vhost_queue *tx = &self->queues[RN_VHOST_TX];

    return rn_vhost_session_is_on(self) && rx->is_started && rx->is_enabled && tx->is_started &&
           tx->is_enabled;
}
/* Interrupts the driver if it wants to be. */
void rn_vhost_queue_publish(struct rn_vhost_queue *queue);
