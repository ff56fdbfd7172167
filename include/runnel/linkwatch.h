#pragma once
/*
 * What people do to the interface of a native device (a TUN, a TAP, a packet socket): rename it, change its MTU, raise and lower it,
 * move it to another network namespace. The device's name and MTU follow, and whoever uses the device is told (RN_DEV_RENAMED,
 * RN_DEV_MTU_CHANGED, RN_DEV_LINK_UP, RN_DEV_LINK_DOWN).
 */
#include <runnel/device.h>

struct rn_link_watch;

/*
 * @device: the native device itself, not one over it. Borrowed; @loop is that of its turn. The kernel is listened to in the interface's own
 * namespace, also after it moved: that takes CAP_SYS_ADMIN over it, unless it is ours. Returns owned. Errors: NOMEM, NO_DEVICE (it
 * has no interface that can be found), host.
 */
RN_PUBLIC RN_MUST_USE int rn_link_watch_new(struct rn_link_watch **ret, struct rn_loop *loop,
                                            struct rn_device *device);
/* Consumes @watch (may be NULL); before its device is freed. Returns NULL. */
RN_PUBLIC struct rn_link_watch *rn_link_watch_free(struct rn_link_watch *watch);
