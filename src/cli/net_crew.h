#pragma once
/*
 * The workers of runnel-net together. Worker 0 is the process's own thread: it listens on published ports, hears the
 * supervisor, has the capture and the echo sockets. Often it is the only one.
 */
#include "cli/worker.h"
#include "host/fdpass.h"
#include "io/loop.h"

struct rn_net_crew;

/* Descriptors a sandboxed crew keeps, its published ports included (RN_PORTS_BOUND_MAX blocks of them). */
#define RN_NET_CREW_FDS 20480

/* Borrows @config for life; consumes @fds in any case. Returns owned; on failure @ret_what is a verb phrase. */
RN_MUST_USE int rn_net_crew_new(struct rn_net_crew **ret, const struct rn_worker_config *config,
                                struct rn_fds *fds, const char **ret_what);
/* NULL is legal. Returns NULL. */
struct rn_net_crew *rn_net_crew_free(struct rn_net_crew *crew);
/* Before the start. Consumes @fds: bound sockets for consecutive ports. */
RN_MUST_USE int rn_net_crew_listen(struct rn_net_crew *crew, const struct rn_worker_listen *listen,
                                   struct rn_fds *fds);
void rn_net_crew_set_servers(struct rn_net_crew *crew, const struct rn_addr *servers, unsigned n);
/* Of worker 0. */
struct rn_loop *rn_net_crew_loop(struct rn_net_crew *crew);
/* Every descriptor it holds, for the sandbox; returns their number. */
unsigned rn_net_crew_fds(const struct rn_net_crew *crew, int *ret, unsigned max);
/* Starts the threads; they wait for the run. */
RN_MUST_USE int rn_net_crew_start(struct rn_net_crew *crew);
/* Until rn_net_crew_stop, which worker 0's thread calls. */
RN_MUST_USE int rn_net_crew_run(struct rn_net_crew *crew);
void rn_net_crew_stop(struct rn_net_crew *crew);
/* Nobody is left inside. @drained(@arg) is called once nothing comes from there any more and all that came is with the host. */
void rn_net_crew_drain(struct rn_net_crew *crew, void (*drained)(void *arg), void *arg);
