#pragma once
/* The worker's machine: one loop, one stack that is the gateway of the cell, and the gates from it to the host's network. */
#include "cli/worker.h"
#include "host/fdpass.h"
#include "io/loop.h"

struct rn_net_worker;

/* Descriptors a sandboxed worker keeps, its published ports included (RN_PORTS_BOUND_MAX blocks of them). */
#define RN_NET_WORKER_FDS 20480

/* Borrows @config for life; consumes @fds in any case. Returns owned; on failure @ret_what is a verb phrase. */
RN_MUST_USE int rn_net_worker_new(struct rn_net_worker **ret, const struct rn_worker_config *config,
                                  struct rn_fds *fds, const char **ret_what);
/* NULL is legal. Returns NULL. */
struct rn_net_worker *rn_net_worker_free(struct rn_net_worker *worker);
/* Consumes @fds: bound sockets for consecutive ports. */
RN_MUST_USE int rn_net_worker_listen(struct rn_net_worker *worker,
                                     const struct rn_worker_listen *listen, struct rn_fds *fds);
void rn_net_worker_set_servers(struct rn_net_worker *worker, const struct rn_addr *servers,
                               unsigned n);
struct rn_loop *rn_net_worker_loop(struct rn_net_worker *worker);
/* Every descriptor it holds, for the sandbox; returns their number. */
unsigned rn_net_worker_fds(const struct rn_net_worker *worker, int *ret, unsigned max);
/* Until rn_net_worker_stop. */
RN_MUST_USE int rn_net_worker_run(struct rn_net_worker *worker);
void rn_net_worker_stop(struct rn_net_worker *worker);
/* Nobody is left inside. @drained(@arg) is called once nothing comes from there any more and all that came is with the host. */
void rn_net_worker_drain(struct rn_net_worker *worker, void (*drained)(void *arg), void *arg);
