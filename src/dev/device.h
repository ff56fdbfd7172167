#pragma once
/*
 * A packet device as a value: something that gives and takes batches of packets without ever blocking. Devices below
 * L3 (pipe, chan, loopback, ...) are in memory; io/ wraps file descriptors in the same shape. A device knows no NIC:
 * who attaches to it (a pump, another device) is its owner and hears of events through .notify.
 */
#include "base/pktq.h"
#include "base/turn.h"
#include <runnel/addr.h>
#include <runnel/device.h>

struct rn_device_ops {
    const char *kind; /* "tun", "pipe", ... */
    /* Appends at most @max packets to @in. Returns how many (> 0), WOULD_BLOCK, CANCELLED once closed and drained,
     * or a host error. */
    int (*read_batch)(struct rn_device *dev, struct rn_pktq *in, unsigned max);
    /* Consumes packets from the front of @out as long as the device takes them; what it cannot take now stays in
     * @out. Returns how many were consumed (>= 0; packets it had to drop count as consumed), CANCELLED once
     * closed, or a host error. Packets exceed neither gso_max_bytes nor the capabilities: dev/gso.c sees to it. */
    int (*write_batch)(struct rn_device *dev, struct rn_pktq *out);
    /* Fd to poll for reading/writing, or -1 for in-memory devices. May be NULL (in memory). */
    int (*poll_fd)(const struct rn_device *dev);
    /* The descriptor is ready for @events (READABLE, WRITABLE). A device over another hands that down, whence it comes up again
     * through each, for one of them may hold packets that wait for it. NULL: only the owner is told. */
    void (*ready)(struct rn_device *dev, unsigned events);
    /* Whether packets it has taken wait for the descriptor to be writable. NULL: never. */
    bool (*is_holding)(const struct rn_device *dev);
    /* Idempotent; wakes the owner with RN_DEV_CLOSED. */
    void (*close)(struct rn_device *dev);
    /* Consumes the device, closing it first; queued packets are dropped. */
    void (*destroy)(struct rn_device *dev);
};

/* At one go at most this much is read from a device or written to it, so that one flood cannot starve the rest. */
#define RN_DEVICE_TURN_PKTS  64u
#define RN_DEVICE_TURN_BYTES (1u << 20)

struct rn_device {
    const struct rn_device_ops *ops;
    struct rn_turn *turn; /* borrows; the thread it lives on */
    char name[RN_DEVICE_NAME_BYTES];
    enum rn_link_type link_type;
    uint32_t caps; /* enum rn_device_cap */
    uint32_t mtu;  /* largest network packet, without link header; wire length of GSO packets */
    uint32_t gso_max_bytes; /* largest GSO packet accepted; 0 without TSO/USO */
    uint16_t batch;         /* packets a read or write handles well at once; >= 1 */
    uint16_t headroom;      /* bytes the device itself pushes on write */
    struct rn_mac mac;      /* RN_LINK_ETHERNET only */
    bool is_closed;
    bool
        tells_writable; /* RN_DEV_WRITABLE comes by reading; its descriptor's own writability means nothing */
    bool
        is_level_driven; /* whoever reads comes again while there is more: a batch need not look for the end */
    struct rn_drop_account drops;
    /* Called inline by the device; the owner only schedules work in it. */
    void (*notify)(struct rn_device *dev, unsigned events);
    void *owner;
};

static inline void rn_device_notify(struct rn_device *dev, unsigned events)
{
    if (dev->notify != NULL)
        dev->notify(dev, events);
}

static inline void rn_device_ready(struct rn_device *dev, unsigned events)
{
    if (dev->ops->ready != NULL)
        dev->ops->ready(dev, events);
    else
        rn_device_notify(dev, events);
}

static inline bool rn_device_is_holding(const struct rn_device *dev)
{
    return dev->ops->is_holding != NULL && dev->ops->is_holding(dev);
}
