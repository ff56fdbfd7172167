#pragma once
/*
 * The device of fd_device.h driven by io_uring: one request reads frame after frame into buffers lent to the kernel, and a
 * batch of packets is written by one system call.
 */
#include "io/fd_device.h"

/* As rn_fd_device_new; opts->fd is set to blocking, since the ring does the waiting. Errors besides: NOT_SUPPORTED (reads that
 * repeat themselves came with Linux 6.7; or io_uring is switched off). */
RN_MUST_USE int rn_uring_device_new(struct rn_device **ret, struct rn_turn *turn,
                                    const struct rn_fd_device_opts *opts);
