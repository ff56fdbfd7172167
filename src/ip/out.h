#pragma once
/* What the two families' output share: the question as a value, slices for fragments. */
#include "ip/ip.h"

/* One packet on its way out; the flow is fresh, the source is known. */
struct rn_ip_tx {
    struct rn_stack *stack;
    const struct rn_flow *flow;
    const struct rn_ip_out *out;
    struct rn_addr src;
    uint32_t mtu;
};

/* Both consume @pkt, which starts at its transport header. Errors as rn_ip_output. */
int rn_ipv4_output(const struct rn_ip_tx *tx, struct rn_pkt *pkt);
int rn_ipv6_output(const struct rn_ip_tx *tx, struct rn_pkt *pkt);

/* May @pkt be cut? Completes its checksum if so. Errors: MSG_TOO_LONG, MALFORMED. */
RN_MUST_USE int rn_frag_prepare(struct rn_pkt *pkt);
/* A packet of bytes [off, off + len) of @pkt, payload by reference. Returns owned or NULL. */
struct rn_pkt *rn_frag_slice(const struct rn_pkt *pkt, size_t off, size_t len);
