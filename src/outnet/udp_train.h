#pragma once
/*
 * Datagrams of one size from one socket to one destination that leave in one call and cross the host's stack as one packet
 * (UDP_SEGMENT): what a program inside sent one by one then costs little more than what it sent as a train.
 */
#include "base/pktq.h"
#include "outnet/net.h"

/* Linux's UDP_MAX_SEGMENTS before 6.9. */
#define RN_UDP_TRAIN_PKTS_MAX 64u
/* Less than any IP packet's limit with all headers. */
#define RN_UDP_TRAIN_BYTES_MAX 65000u
#define RN_UDP_TRAIN_VIEWS_MAX 64u

struct rn_udp_train {
    struct rn_pktq pkts;   /* payloads; all but the last are of one size */
    struct rn_net_msg msg; /* where to and how; its segment_bytes stays 0 */
    unsigned n_views;
};

/* Whether @pkt can leave with those already in the train (any can if there are none). */
bool rn_udp_train_takes(const struct rn_udp_train *train, const struct rn_pkt *pkt,
                        const struct rn_net_msg *msg);
/* Consumes @pkt. */
void rn_udp_train_add(struct rn_udp_train *train, struct rn_pkt *pkt, const struct rn_net_msg *msg);
/* Sends what is in the train as one; it keeps the packets. Returns as rn_net_dgram_ops.send. */
int64_t rn_udp_train_send(const struct rn_udp_train *train, struct rn_net_dgram *dgram);
