#pragma once
/* What passed, said at the end: for `runnel run -v`. */
#include "outnet/gate_tcp.h"
#include "outnet/gate_udp.h"

#include <runnel/workers.h>

/* One worker's. */
struct rn_net_part {
    const struct rn_stack *stack; /* borrows, as all */
    const struct rn_gate_tcp *tcp;
    const struct rn_gate_udp *udp;
};

struct rn_net_totals {
    struct rn_net_part parts[RN_WORKERS_MAX];
    unsigned n_parts;
    uint64_t handed_over; /* packets, between workers */
    unsigned verbose;     /* 1: what passed and what was lost; 2: every counter of the stacks too */
};

/* Lines on stderr, of all parts together. */
void rn_net_totals_tell(const struct rn_net_totals *totals);
