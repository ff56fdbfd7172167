#pragma once
/*
 * Moves packets between one device and one NIC. In-memory devices need nothing else: device and NIC events schedule
 * the pump, which runs in the turn's DELIVER phase. io/driver.c adds readiness of file descriptors.
 */
#include "dev/device.h"
#include "stack/nic.h"

struct rn_pump {
    struct rn_nic *nic;       /* borrows */
    struct rn_device *device; /* borrows; its .owner is this pump */
    struct rn_task task;      /* DELIVER */
    struct rn_pktq
        held; /* what the device refused; nothing is taken from the NIC while it is not empty */
    bool may_read;  /* the device may have something to read */
    bool may_write; /* false from a refusal until RN_DEV_WRITABLE */
    void (*on_device_event)(struct rn_pump *pump, unsigned events); /* optional: MTU, closed, ... */
    void *arg;
};

void rn_pump_init(struct rn_pump *pump, struct rn_nic *nic);
/* Drops what is held, detaches. */
void rn_pump_fini(struct rn_pump *pump);
/* Of a pump that rn_nic_start made. */
void rn_pump_free(struct rn_pump *pump);
/* Reads what the turn allows (RN_DEVICE_TURN_PKTS, RN_DEVICE_TURN_BYTES) and feeds the NIC. Returns packets read;
 * RN_E_WOULD_BLOCK when the device has nothing more (an edge-triggered driver may stop), or the device's error. */
int rn_pump_read(struct rn_pump *pump);
/* Writes held and queued packets until done, refused, or RN_DEVICE_TURN_* are reached, and then again after others; cuts or
 * completes what the device cannot (dev/gso). */
void rn_pump_write(struct rn_pump *pump);
