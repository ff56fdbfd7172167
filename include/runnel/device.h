#pragma once
/* Packet devices from outside: they are opened by kind (tun.h), put under a NIC (nic.h), attached, and freed last. */
#include <runnel/attr.h>

struct rn_attachment;
struct rn_device;
struct rn_loop;
struct rn_nic;

/* For a NIC whose device has a descriptor (tun.h): starts the NIC unless it runs, and moves packets whenever the descriptor is
 * ready. @loop is that of the NIC's turn. Returns owned. Errors: NOMEM, BAD_NIC (no descriptor: rn_nic_start is enough), host. */
RN_PUBLIC RN_MUST_USE int rn_nic_attach(struct rn_attachment **ret, struct rn_nic *nic,
                                        struct rn_loop *loop);
/* Consumes @attachment (may be NULL); before its NIC and device are freed. Returns NULL. */
RN_PUBLIC struct rn_attachment *rn_nic_detach(struct rn_attachment *attachment);

/* Closes and consumes @device (may be NULL), after its NIC. Returns NULL. */
RN_PUBLIC struct rn_device *rn_device_free(struct rn_device *device);
