#pragma once
/* One worker's machine: one loop, one stack that is the gateway of the cell, and the gates from it to the host's network. */
#include "cli/net_totals.h"
#include "cli/worker.h"
#include "host/fdpass.h"
#include "io/loop.h"

#include <runnel/workers.h>

struct rn_net_worker;

/* Which of the workers it is. */
struct rn_net_place {
    const struct rn_worker_config *config; /* borrows, for life */
    struct rn_workers *workers;            /* borrows: its loop is one of theirs */
    unsigned index;
};

/* What it is given; -1 where there is none. */
struct rn_net_worker_fds {
    struct rn_fds device; /* its queue, or all sockets of a veth */
    int pcap;
    int echo4; /* 0: none */
    int echo6;
};

/* Takes over @fds, of which after a failure some may be left open: the process ends then. Returns owned; on failure @ret_what
 * is a verb phrase. */
RN_MUST_USE int rn_net_worker_new(struct rn_net_worker **ret, const struct rn_net_place *place,
                                  const struct rn_net_worker_fds *fds, const char **ret_what);
/* NULL is legal. Returns NULL. */
struct rn_net_worker *rn_net_worker_free(struct rn_net_worker *worker);
/* Consumes @fd: a connection to a published port, that leads to @inner_port. */
void rn_net_worker_admit(struct rn_net_worker *worker, int fd, uint16_t inner_port);
/* Consumes @fd, a bound socket. Errors: NOMEM. */
RN_MUST_USE int rn_net_worker_publish_udp(struct rn_net_worker *worker, int fd,
                                          const struct rn_endpoint *inner);
void rn_net_worker_set_servers(struct rn_net_worker *worker, const struct rn_addr *servers,
                               unsigned n);
struct rn_loop *rn_net_worker_loop(struct rn_net_worker *worker);
/* Every descriptor it holds, for the sandbox; returns their number. */
unsigned rn_net_worker_fds(const struct rn_net_worker *worker, int *ret, unsigned max);

/* What it has done so far, and still has to do. */
struct rn_net_activity {
    uint64_t rx_pkts;
    uint64_t handed_over, taken_over; /* between workers */
    unsigned unsent;                  /* connections with bytes for the host */
};

void rn_net_worker_look(const struct rn_net_worker *worker, struct rn_net_activity *ret);
/* Its part of the totals, borrowed. */
void rn_net_worker_count(const struct rn_net_worker *worker, struct rn_net_part *ret);
