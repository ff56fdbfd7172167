#pragma once
/*
 * Devices whose packets are the program's own: as bytes in a queue (chan), by its functions (callback), returned (loopback); two joined
 * back to back are in pipe.h. And the other way round: packets of any device, one at a time, as bytes (single).
 *
 * Bytes are wire packets: no larger than the MTU (and the link header of an Ethernet device), checksums complete.
 */
#include <runnel/addr.h>
#include <runnel/device.h>

#include <stddef.h>
#include <stdint.h>

/* --- chan: a queue each way --------------------------------------------------------------------------------------- */
struct rn_chan_opts {
    enum rn_link_type link_type;
    uint32_t mtu;        /* 0: 1500 */
    uint32_t queue_pkts; /* each way; 0: 1024 */
    uint16_t batch;      /* 0: 64 */
    uint32_t caps;       /* enum rn_device_cap; leave it 0: what bytes cannot say is done before */
    struct rn_mac mac;
    /* Optional: there is something to take, or (RN_DEV_WRITABLE) room to put again, or it was closed. Called inline; only schedule
     * work in it. */
    void (*on_wire)(void *arg, struct rn_device *dev, unsigned events);
    void *arg;
};

/* A device whose wire is in the caller's hands: what its user (a NIC) writes waits until it is taken, what is put is read by the
 * user. A full queue refuses; it loses nothing. Returns owned. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_chan_new(struct rn_device **ret, struct rn_turn *turn,
                                      const struct rn_chan_opts *opts);
/* The next packet that was written. Returns its length. Errors: WOULD_BLOCK (none), MSG_TOO_LONG (@cap is too small; it
 * stays the next), CANCELLED (closed, and nothing is left). */
RN_PUBLIC RN_MUST_USE int rn_chan_take(struct rn_device *chan, void *buf, size_t cap);
/* Puts a packet for the user to read. Returns @len. Errors: WOULD_BLOCK (full), MSG_TOO_LONG (over the MTU), NO_BUFFER,
 * CANCELLED (closed). */
RN_PUBLIC RN_MUST_USE int rn_chan_put(struct rn_device *chan, const void *bytes, size_t len);

/* --- callback: by functions --------------------------------------------------------------------------------------- */
struct rn_callback_bytes_opts {
    /* Fills @buf with a packet that has come and returns its length; WOULD_BLOCK: none. NULL: never any. */
    int (*read)(void *arg, void *buf, size_t cap);
    /* Sends a packet. Returns >= 0, or WOULD_BLOCK: it is offered again after rn_callback_ready. NULL: all are dropped. */
    int (*write)(void *arg, const void *bytes, size_t len);
    /* The device closed; called once. Optional. */
    void (*closed)(void *arg);
    void *arg;
    enum rn_link_type link_type;
    uint32_t mtu; /* 0: 1500 */
    struct rn_mac mac;
};

/* The functions may close the device, not free it. Returns owned. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_callback_bytes_new(struct rn_device **ret, struct rn_turn *turn,
                                                const struct rn_callback_bytes_opts *opts);
/* Tells the device's user that .read has packets (RN_DEV_READABLE), or .write takes them again (RN_DEV_WRITABLE). */
RN_PUBLIC void rn_callback_ready(struct rn_device *callback, unsigned events);

/* --- loopback ----------------------------------------------------------------------------------------------------- */
#define RN_LOOPBACK_MTU 65536u

/* Returns what it is given: lo. Takes super-packets and missing checksums, since no wire follows. @mtu 0: RN_LOOPBACK_MTU. Returns
 * owned. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_loopback_new(struct rn_device **ret, struct rn_turn *turn,
                                          uint32_t mtu);

/* --- single: packets of a device one by one ----------------------------------------------------------------------- */
struct rn_single;

/* Becomes the user of @device, which it borrows. @on_event (optional; enum rn_device_event) is called inline: only schedule work
 * in it. Returns owned. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_single_new(struct rn_single **ret, struct rn_device *device,
                                        void (*on_event)(void *arg, unsigned events), void *arg);
/* Drops what was read from the device and not from it. Consumes @single (may be NULL). Returns NULL. */
RN_PUBLIC struct rn_single *rn_single_free(struct rn_single *single);
/* The next packet. Returns its length. Errors: WOULD_BLOCK, MSG_TOO_LONG (@cap is too small; it stays the next), CANCELLED
 * (closed, and nothing is left). */
RN_PUBLIC RN_MUST_USE int rn_single_read(struct rn_single *single, void *buf, size_t cap);
/* Returns @len. Errors: WOULD_BLOCK (refused now), MSG_TOO_LONG (over the MTU, or 0), NO_BUFFER, CANCELLED (closed). */
RN_PUBLIC RN_MUST_USE int rn_single_write(struct rn_single *single, const void *bytes, size_t len);
