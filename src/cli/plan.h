#pragma once
/*
 * What `runnel run` will do, decided before anything is done: addresses that clash with nothing, MTU, resolvers, ports, the
 * bad link. Printed by --dry-run; everything after it only carries it out.
 */
#include "cli/opts.h"
#include "cli/publish.h"
#include "dev/impair.h"

#include <runnel/addr.h>
#include <runnel/pkt.h>

#define RN_PLAN_DNS_MAX 8u

/* The command line of `run`, as parsed. */
struct rn_run_opts {
    struct rn_opt_list publish;
    struct rn_opt_list dns;
    const char *pcap;
    const char *pcap_filter;
    const char *impair;
    const char *link; /* auto, tun, veth */
    const char *io;   /* epoll, uring */
    unsigned mtu;
    unsigned busy_poll_us;
    unsigned n_workers;
    unsigned verbose;
    bool quiet;
    bool only_v4;
    bool only_v6;
    bool host_loopback;
    bool map_root;
    bool userns;
    bool no_linger;
    bool dry_run;
};

/* What the host is like, as far as the plan needs it; read by rn_plan_look. */
struct rn_host_view {
    struct rn_prefix *taken; /* destinations of the host's routes and its addresses */
    size_t n_taken;
    size_t cap_taken;
    bool has_default6;
    struct rn_addr dns[RN_PLAN_DNS_MAX];
    unsigned n_dns;
    char search[512]; /* search and options lines of the host's resolv.conf, passed on */
};

struct rn_run_plan {
    bool has_v4, has_v6;
    struct rn_addr addr4, gateway4;
    struct rn_addr addr6, gateway6;
    uint8_t bits4, bits6;
    bool has_default6;
    uint32_t mtu;
    uint32_t busy_poll_us;
    unsigned n_workers; /* above 1 only on a TUN */
    bool has_io_uring;
    struct rn_addr dns[RN_PLAN_DNS_MAX]; /* where the resolver asks */
    unsigned n_dns;
    char search[512];
    struct rn_publish publish[RN_PUBLISH_MAX];
    unsigned n_publish;
    bool has_impair;
    struct rn_impair_opts impair;
    struct rn_pkt_filter pcap_filter;
    bool has_userns;
};

/* Reads routes, addresses and resolv.conf of the present namespace. What cannot be read is left out. Errors: NOMEM, host
 * (netlink itself). Free with rn_plan_forget. */
RN_MUST_USE int rn_plan_look(struct rn_host_view *ret);
void rn_plan_forget(struct rn_host_view *view);
/* nameserver, search and options lines of a resolv.conf text; IPv6 zones are dropped. For tests, and for changes later. */
void rn_plan_read_resolv(const char *text, struct rn_host_view *ret);
/* The same from the host's own file; nothing changes if it cannot be read. */
void rn_plan_look_at_resolv(struct rn_host_view *view);
/* What /etc/resolv.conf says inside. At least 640 bytes of @cap. */
void rn_plan_resolv_text(const struct rn_run_plan *plan, char *buf, size_t cap);

/* Decides. Complains on stderr and returns PARSE about options, or EXISTS when no private prefix is free. */
RN_MUST_USE int rn_plan_run(const struct rn_run_opts *opts, const struct rn_host_view *host,
                            struct rn_run_plan *ret);
/* Loopback addresses by which programs know a resolver: systemd-resolved's, and the host's own nameservers on loopback but
 * 127.0.0.1, which is the command's own. Returns how many. */
unsigned rn_plan_stubs(const struct rn_run_plan *plan, struct rn_addr *ret, unsigned max);
/* For --dry-run. */
void rn_plan_print(const struct rn_run_plan *plan, const struct rn_run_opts *opts,
                   char *const *argv, FILE *to);
