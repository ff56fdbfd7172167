#pragma once
/*
 * Supervisor and worker. The supervisor (cmd_run.c) owns terminal, signals and status and builds the cell; the worker
 * (net_main.c, an executable of its own) parses packets and owns nothing but the descriptors it is handed. They speak fixed-size
 * messages over one SOCK_SEQPACKET pair; the end of that pair is the end of the other.
 */
#include "cli/plan.h"
#include "host/cell.h"
#include "outnet/resolver.h"

#define RN_WORKER_VERSION 2u
#define RN_WORKER_CTL_FD  3 /* the worker's end, as it starts */

enum rn_worker_word {
    /* supervisor -> worker, in this order */
    RN_WORKER_CONFIG = 1, /* descriptors: device, then those the has_ flags name, in their order */
    RN_WORKER_LISTEN, /* one per published rule and address: a bound socket for each port of it */
    RN_WORKER_START,
    RN_WORKER_SERVERS, /* any time after: whom the resolver asks */
    RN_WORKER_DETACH,  /* the command's streams are no longer ours to hold */
    RN_WORKER_DRAIN,   /* nobody is left inside: say when all they sent is on its way */
    /* worker -> supervisor */
    RN_WORKER_READY, /* sandboxed; the first packet may come */
    RN_WORKER_FAILED,
    RN_WORKER_DRAINED,
};

struct rn_worker_config {
    struct rn_cell_report cell; /* rung, interface, link addresses */
    struct rn_run_plan plan;
    unsigned n_device_fds;
    bool has_pcap, has_echo4, has_echo6, has_raw_echo;
    bool host_loopback;
    unsigned verbose;
};

struct rn_worker_listen {
    struct rn_endpoint first; /* as bound on the host; following sockets count the port up */
    uint16_t port_first;      /* inside */
    bool is_udp;
};

struct rn_worker_servers {
    struct rn_addr addrs[RN_PLAN_DNS_MAX];
    unsigned n;
};

struct rn_worker_failure {
    int err;
    char what[96]; /* a verb phrase: "adopt the TUN queue" */
};

struct rn_worker_msg {
    uint32_t version;
    enum rn_worker_word word;
    union {
        struct rn_worker_config config;
        struct rn_worker_listen listen;
        struct rn_worker_servers servers;
        struct rn_worker_failure failure;
    };
};
