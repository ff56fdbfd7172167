#pragma once
/* Between packets and bytes that a program holds: what chan, callback and single of <runnel/memory.h> and io/blocking.c share. */
#include "dev/device.h"

/* Makes wire packets of all in @from, complete as bytes must be, and appends them to @to. */
void rn_bytes_prepare(const struct rn_device *dev, struct rn_pktq *from, struct rn_pktq *to);
/* Moves the first packet of @q to @buf. Returns its length. Errors: WOULD_BLOCK (empty), MSG_TOO_LONG (it stays). */
RN_MUST_USE int rn_bytes_take(struct rn_pktq *q, void *buf, size_t cap);
/* A packet of @bytes for @dev. Returns it owned in @ret. Errors: MSG_TOO_LONG (over the MTU, or none), NO_BUFFER. */
RN_MUST_USE int rn_bytes_packet(struct rn_pkt **ret, const struct rn_device *dev, const void *bytes,
                                size_t len);
