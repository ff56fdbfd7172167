#pragma once
/* Binding published ports before anything else happens, so that a taken port is an error and not a surprise. */
#include "cli/worker.h"
#include "host/fdpass.h"

/* Sockets of one rule on one address. */
struct rn_ports_bound {
    struct rn_worker_listen order;
    struct rn_fds fds;
};

#define RN_PORTS_BOUND_MAX (2u * RN_PUBLISH_MAX)

struct rn_ports_set {
    struct rn_ports_bound bound[RN_PORTS_BOUND_MAX];
    unsigned n;
};

/* Binds and listens all that @plan publishes. Complains on stderr, naming who holds a taken port where that can be known, and
 * returns the error; then nothing stays bound. */
RN_MUST_USE int rn_ports_bind(const struct rn_run_plan *plan, struct rn_ports_set *ret);
void rn_ports_close(struct rn_ports_set *set);
