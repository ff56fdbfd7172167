#pragma once
/*
 * The resolver behind the gateway's port 53: answers for names of our own (host.runnel), forwards everything else as it is
 * to the nameservers of a net, each question from a socket and with an identifier of its own (RFC 5452), and asks the
 * next server when one is silent. What was asked over TCP is forwarded over TCP (RFC 7766), since its answer may be long.
 * Knows nothing of who asked: gates hand in messages and get messages back.
 */
#include "base/view.h"
#include "outnet/net.h"

struct rn_resolver;

#define RN_RESOLVER_SERVERS_MAX     8u
#define RN_RESOLVER_QUERY_MAX_BYTES 4096u /* a question with EDNS options is far smaller */

struct rn_resolver_opts {
    struct rn_net *net;           /* borrows */
    const char *host_name;        /* "host.runnel"; borrowed */
    struct rn_addr host_addrs[2]; /* what it resolves to, IPv4 and IPv6; none: not in that family */
    unsigned max_questions;       /* open at once; 0: 1024 */
};

/* One question. Embedded in the asker's session, which keeps it until done or cancelled. */
struct rn_resolver_ask {
    /* The answer, valid during the call; empty when none could be made (the question is dropped). */
    void (*done)(struct rn_resolver_ask *ask, struct rn_view answer);
    bool is_tcp;                          /* it came over TCP: the answer may have any length */
    struct rn_resolver_question *pending; /* the resolver's own */
};

/* Returns owned. Errors: NOMEM. */
RN_MUST_USE int rn_resolver_new(struct rn_resolver **ret, const struct rn_resolver_opts *opts);
/* Consumes; open questions are cancelled without an answer. NULL is legal. Returns NULL. */
struct rn_resolver *rn_resolver_free(struct rn_resolver *resolver);
/* Where to ask, in order of preference. Open questions go on with those they were sent to. */
void rn_resolver_set_servers(struct rn_resolver *resolver, const struct rn_addr *servers,
                             unsigned n);
bool rn_resolver_is_server(const struct rn_resolver *resolver, struct rn_addr addr);
/* Starts: @query (borrowed during the call) is a whole DNS message. done follows as an event, unless cancelled. Errors
 * (done does not follow; the question is dropped): LIMIT, MALFORMED. */
RN_MUST_USE int rn_resolver_start(struct rn_resolver *resolver, struct rn_resolver_ask *ask,
                                  struct rn_view query);
/* A no-op when it is not open. */
void rn_resolver_cancel(struct rn_resolver_ask *ask);
