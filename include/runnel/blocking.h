#pragma once
/*
 * Packet devices for threads that want to wait: one packet at a time, as bytes, on top of a loop that runs on another thread. Every
 * call may come from any thread, several at once; each reader gets whole packets, no packet twice.
 *
 *     rn_blocking_new(&io, loop, device);             before the loop runs, or on its thread
 *     ... a thread runs rn_loop_run(loop) ...
 *     n = rn_blocking_read(io, buf, sizeof(buf), -1); any thread
 *     rn_blocking_close(io);                          any thread: all who wait return
 *     rn_blocking_free(io);                           while the loop still runs; then stop it, then free the device
 */
#include <runnel/device.h>

#include <stddef.h>
#include <stdint.h>

struct rn_blocking;

/* Borrows @device, whose turn is @loop's, and takes its events until it is freed. Returns owned. Errors: NOMEM, host. */
RN_PUBLIC RN_MUST_USE int rn_blocking_new(struct rn_blocking **ret, struct rn_loop *loop,
                                          struct rn_device *device);
/* Consumes @io (may be NULL). Nobody may be inside any other call. Returns NULL. */
RN_PUBLIC struct rn_blocking *rn_blocking_free(struct rn_blocking *io);
/*
 * The next packet, starting with its link header where the device has one; never larger than the MTU, its checksums complete.
 * @wait_ns: 0 does not wait, < 0 waits as long as it takes. Returns its length. Errors: WOULD_BLOCK (time is up),
 * MSG_TOO_LONG (@cap is too small; the packet stays the next one), CANCELLED (closed, and nothing is left to read).
 */
RN_PUBLIC RN_MUST_USE int rn_blocking_read(struct rn_blocking *io, void *buf, size_t cap,
                                           int64_t wait_ns);
/* Writes one packet of @len > 0 bytes, its checksums complete. Returns @len. Errors: WOULD_BLOCK (time is up, nothing was written),
 * MSG_TOO_LONG (over the MTU), NO_BUFFER, CANCELLED (closed). */
RN_PUBLIC RN_MUST_USE int rn_blocking_write(struct rn_blocking *io, const void *buf, size_t len,
                                            int64_t wait_ns);
/* Closes the device. Idempotent. */
RN_PUBLIC void rn_blocking_close(struct rn_blocking *io);
