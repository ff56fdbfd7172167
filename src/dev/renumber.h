#pragma once
/*
 * Address rewriting between the two ends of a point-to-point link: each end keeps its own address and sees the other under one
 * of its own choosing, so that two networks that both use 10.0.0.1 can be joined. Stateless, one to one, both families; headers,
 * transport checksums and the packets quoted by ICMP errors are rewritten alike.
 */
#include "base/pkt.h"
#include <runnel/addr.h>

struct rn_renumber {
    struct rn_addr a_own;  /* A's address at home */
    struct rn_addr a_seen; /* A's address as B sees it; same family */
    struct rn_addr b_own;
    struct rn_addr b_seen; /* B's address as A sees it */
};

/* Consumes @pkt, an IP packet without link header. Returns owned, or NULL when it had to be dropped (MALFORMED, NOMEM). A packet
 * that names none of the addresses passes unchanged. */
struct rn_pkt *rn_renumber_a_to_b(const struct rn_renumber *map, struct rn_pkt *pkt);
struct rn_pkt *rn_renumber_b_to_a(const struct rn_renumber *map, struct rn_pkt *pkt);
