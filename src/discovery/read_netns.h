#pragma once
/* One visit of the broker: the thread is inside the namespace, these ask and copy. */
#include "discovery/broker.h"
#include "host/nl.h"
#include "host/nlattr.h"

#define RN_VISIT_WIREGUARDS_MAX 64u

struct rn_visit {
    struct rn_broker *b;
    uint32_t seq;
    struct rn_nl route;   /* NETLINK_ROUTE, open */
    uint32_t n_own_socks; /* ours, which the kernel counts among the namespace's */
    uint32_t wireguards[RN_VISIT_WIREGUARDS_MAX]; /* indices of such links */
    unsigned n_wireguards;
    bool has_fdb;     /* some link of it keeps a forwarding table */
    bool has_tunnels; /* some link of it has sockets that the kernel does not count as used */
};

/* Dumps @msg's answer as NETLINK frames of @table. @watch, which may be NULL, also sees each message. */
struct rn_visit_ask {
    struct rn_nl *nl;
    struct rn_nl_msg *msg;
    enum rn_dump_table table;
    void (*watch)(struct rn_view message, void *arg); /* with its nlmsghdr */
    void *arg;
};
RN_MUST_USE int rn_visit_dump(struct rn_visit *v, const struct rn_visit_ask *ask);
/* What part could not be read; @needs may be NULL. */
void rn_visit_note(struct rn_visit *v, const char *what, int err, const char *needs);

void rn_visit_links(struct rn_visit *v);
/* Numbers that this namespace gave others, also where no link uses them. */
void rn_visit_nsids(struct rn_visit *v);
/* Which namespaces are behind this one's halves of pairs, as far as that shows yet. Shares its far links. */
void rn_visit_halves(struct rn_visit *v);
/* The number that the namespace @nl lives in gave that of @ns_fd; negative: none. */
int32_t rn_nsid_ask(struct rn_nl *nl, int ns_fd);
void rn_visit_wireguards(struct rn_visit *v);
void rn_visit_socks(struct rn_visit *v);
void rn_visit_nft(struct rn_visit *v);
void rn_visit_xtables(struct rn_visit *v);
void rn_visit_driver(struct rn_visit *v, uint32_t ifindex, const char *name);
