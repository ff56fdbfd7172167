#pragma once
/* The supervisor's side of the worker: starts the executable, hands over descriptors and orders, waits until it is ready. */
#include "cli/ports.h"
#include "cli/worker.h"
#include "host/fdpass.h"

#include <sys/types.h>

struct rn_worker_process {
    pid_t pid; /* 0: none */
    int ctl;   /* our end; readable when it fails or ends; -1: none */
};

struct rn_worker_orders {
    const struct rn_run_plan *plan;
    const struct rn_run_opts *opts;
    const struct rn_cell_report *cell;
    const struct rn_ports_set *ports;
    struct rn_fds device; /* consumed */
};

/* Complains on stderr. Errors: host, TIMED_OUT, or what the worker said. */
RN_MUST_USE int rn_worker_process_start(struct rn_worker_process *worker,
                                        struct rn_worker_orders *orders, int patience_ms);
RN_MUST_USE int rn_worker_process_servers(struct rn_worker_process *worker,
                                          const struct rn_addr *servers, unsigned n);
/* Makes it let go of our standard error. */
RN_MUST_USE int rn_worker_process_detach(struct rn_worker_process *worker);
/* Asks it to say when all that was sent inside is with the host; DRAINED comes to @ctl. */
RN_MUST_USE int rn_worker_process_drain(struct rn_worker_process *worker);
/* After ctl became readable. true: it has said so, or has ended. */
bool rn_worker_process_is_drained(struct rn_worker_process *worker);
/* Closes the pair, at which it ends, and reaps it. Idempotent. */
void rn_worker_process_end(struct rn_worker_process *worker);
