#pragma once
/*
 * Packet devices. A device gives and takes packets in batches and never blocks. There are those that the system has (tun.h, packet.h,
 * xdp.h, unix.h, shm.h, vhost.h), those in memory (memory.h, pipe.h), those over another (wrap.h) and what joins them (join.h); to
 * each the same is done: put it under a NIC (nic.h), stack another on it, join it, or read and write packets by hand (memory.h:
 * rn_single, and for threads blocking.h).
 *
 * A device has one user at a time, who hears its events: a NIC, a device over it, a forwarder, rn_single. It is freed after its user,
 * on its turn's thread; a device that stands over others frees them with it.
 */
#include <runnel/addr.h>
#include <runnel/attr.h>

#include <stdbool.h>
#include <stdint.h>

struct rn_attachment;
struct rn_device;
struct rn_device_watch;
struct rn_loop;
struct rn_nic;
struct rn_turn;

#define RN_DEVICE_NAME_BYTES 16

enum rn_link_type {
    RN_LINK_IP,       /* raw IPv4 and IPv6 packets, no link header */
    RN_LINK_ETHERNET, /* Ethernet II frames */
};

enum rn_device_cap {
    RN_DEV_RX_CSUM =
        1 << 0, /* delivers VALID or PARTIAL where the wire's sum was checked or never made */
    RN_DEV_TX_CSUM = 1 << 1, /* accepts PARTIAL */
    RN_DEV_TSO4 = 1 << 2,    /* accepts RN_GSO_TCP4; implies TX_CSUM */
    RN_DEV_TSO6 = 1 << 3,
    RN_DEV_USO = 1 << 4,
    RN_DEV_LOOPBACK = 1 << 5,
    RN_DEV_TRAINS = 1 << 6, /* readers behind it get each datagram of an RN_GSO_UDP by itself */
};

enum rn_device_event {
    RN_DEV_READABLE = 1 << 0,
    RN_DEV_WRITABLE = 1 << 1, /* after a write was refused */
    RN_DEV_CLOSED = 1 << 2,   /* no more reads or writes will succeed */
    RN_DEV_MTU_CHANGED = 1 << 3,
    RN_DEV_LINK_UP = 1 << 4,
    RN_DEV_LINK_DOWN = 1 << 5,
    RN_DEV_RENAMED = 1 << 6,
};

struct rn_device_info {
    const char *kind; /* "tun", "pipe", "impair", ...; static */
    char name[RN_DEVICE_NAME_BYTES];
    enum rn_link_type link_type;
    uint32_t mtu;  /* largest network packet, without link header; wire length of super-packets */
    uint32_t caps; /* enum rn_device_cap */
    struct rn_mac mac; /* RN_LINK_ETHERNET only */
    int fd;            /* to poll, for people who do so themselves; -1: in memory */
    uint64_t dropped;  /* packets this device itself lost, whatever the reason */
    bool is_closed;
};

/* As it is now: name and MTU may change (rn_device_watch_new). */
RN_PUBLIC void rn_device_get_info(const struct rn_device *device, struct rn_device_info *ret);
/* No more reads or writes succeed; whoever uses it is told. Idempotent. */
RN_PUBLIC void rn_device_close(struct rn_device *device);
/* Closes and consumes @device (may be NULL), after its user. Returns NULL. */
RN_PUBLIC struct rn_device *rn_device_free(struct rn_device *device);

/*
 * For a device with a descriptor whose user is no NIC (rn_nic_attach does it for those): a forwarder, a point-to-point link, a mux,
 * a split, rn_single. Tells the user when it is ready. @loop is that of the device's turn. Borrows @device. Returns owned. Errors:
 * NOMEM, BAD_NIC (no descriptor: not needed), host.
 */
RN_PUBLIC RN_MUST_USE int rn_device_watch_new(struct rn_device_watch **ret, struct rn_loop *loop,
                                              struct rn_device *device);
/* Consumes @watch (may be NULL); before its device is freed. Returns NULL. */
RN_PUBLIC struct rn_device_watch *rn_device_watch_free(struct rn_device_watch *watch);

/* For a NIC whose device has a descriptor: starts the NIC unless it runs, and moves packets whenever the descriptor is
 * ready. @loop is that of the NIC's turn. Returns owned. Errors: NOMEM, BAD_NIC (no descriptor: rn_nic_start is enough), host. */
RN_PUBLIC RN_MUST_USE int rn_nic_attach(struct rn_attachment **ret, struct rn_nic *nic,
                                        struct rn_loop *loop);
/* Consumes @attachment (may be NULL); before its NIC and device are freed. Returns NULL. */
RN_PUBLIC struct rn_attachment *rn_nic_detach(struct rn_attachment *attachment);
