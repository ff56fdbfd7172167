#pragma once
/* Address rewriting of a point-to-point link: struct rn_renumber of <runnel/join.h>, applied to packets. */
#include "base/pkt.h"
#include <runnel/join.h>

/* Consumes @pkt, an IP packet without link header. Returns owned, or NULL when it had to be dropped (MALFORMED, NOMEM). A packet
 * that names none of the addresses passes unchanged. */
struct rn_pkt *rn_renumber_a_to_b(const struct rn_renumber *map, struct rn_pkt *pkt);
struct rn_pkt *rn_renumber_b_to_a(const struct rn_renumber *map, struct rn_pkt *pkt);
