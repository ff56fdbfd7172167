#pragma once
/*
 * One question to one server over TCP (RFC 7766): dial, send two bytes of length and the message, read the same back, hang
 * up. Says nothing of what the answer means.
 */
#include "base/view.h"
#include "outnet/net.h"

#define RN_DNS_LENGTH_BYTES 2u

/* Embedded in the asker, who keeps it until done or stopped. Zero is a valid initial value. */
struct rn_dns_exchange {
    /* @err 0: @answer is a whole message, valid during the call, the receiver's to change. It is over when this is called. */
    void (*done)(struct rn_dns_exchange *ex, int err, struct rn_net_span answer);
    struct rn_net_dial dial;
    struct rn_net_conn *conn; /* owned; NULL while dialling */
    struct rn_view query;     /* borrowed until it is over */
    struct rn_buf *in;        /* the answer as far as it came, its length first */
    struct rn_turn *turn;
    uint8_t length[RN_DNS_LENGTH_BYTES]; /* of the query, as sent */
    uint32_t sent;                       /* of length and query */
    uint32_t got;
};

/* @query is borrowed until the exchange is over. Errors (done does not follow): those of rn_net_dial_start. */
RN_MUST_USE int rn_dns_exchange_start(struct rn_dns_exchange *ex, struct rn_net *net,
                                      const struct rn_endpoint *server, struct rn_view query);
/* Ends it without done. A no-op when it is over. */
void rn_dns_exchange_stop(struct rn_dns_exchange *ex);
