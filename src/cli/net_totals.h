#pragma once
/* What passed, said at the end: for `runnel run -v`. */
#include "outnet/gate_tcp.h"
#include "outnet/gate_udp.h"

struct rn_net_totals {
    const struct rn_stack *stack; /* borrows, as all */
    const struct rn_gate_tcp *tcp;
    const struct rn_gate_udp *udp;
    unsigned verbose; /* 1: what passed and what was lost; 2: every counter of the stack too */
};

/* Lines on stderr. */
void rn_net_totals_tell(const struct rn_net_totals *totals);
