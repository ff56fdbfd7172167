#pragma once
/* Packet devices from outside: they are opened by kind (tun.h), put under a NIC (nic.h), attached, and freed last. */
#include <runnel/attr.h>

struct rn_attachment;
struct rn_device;
struct rn_loop;
struct rn_nic;

/* Moves packets between @nic and its device from now on. A device with a descriptor needs the @loop of the NIC's turn; one in memory
 * needs none. Returns owned. Errors: NOMEM, BAD_NIC (a descriptor and no loop), host. */
RN_PUBLIC RN_MUST_USE int rn_nic_attach(struct rn_attachment **ret, struct rn_nic *nic,
                                        struct rn_loop *loop);
/* Consumes @attachment (may be NULL); before its NIC and device are freed. Returns NULL. */
RN_PUBLIC struct rn_attachment *rn_nic_detach(struct rn_attachment *attachment);

/* Closes and consumes @device (may be NULL), after its NIC. Returns NULL. */
RN_PUBLIC struct rn_device *rn_device_free(struct rn_device *device);
