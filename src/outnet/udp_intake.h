#pragma once
/*
 * Reads many datagrams of one socket in one call, each into its place of one slab, so that those of equal size lie there as
 * a train: they go on inside as one packet, without a copy.
 */
#include "outnet/net.h"

#define RN_UDP_INTAKE_MAX 32u

/* One for a gate: where what is larger than expected goes. */
struct rn_udp_intake {
    struct rn_pool *pool; /* borrows */
    struct rn_buf *spill[RN_UDP_INTAKE_MAX];
};

/* What one socket's next datagrams will be like, guessed by the last. Zero is a valid start. */
struct rn_udp_taste {
    uint16_t stride; /* their size; 0: large, or unknown */
    uint8_t n;       /* how many to ask for */
};

/* Takes what was read. */
struct rn_udp_sink {
    uint32_t merge_max_bytes; /* larger datagrams come singly */
    /* Consumes @pkt: a payload; of equal datagrams when msg->segment_bytes is not 0, the last perhaps shorter. */
    void (*give)(struct rn_udp_sink *sink, struct rn_pkt *pkt, const struct rn_net_msg *msg);
};

/* Returns the number of datagrams read, fewer than *@ret_asked when there are no more; or an error of recv_many, or NOMEM. */
int rn_udp_intake_read(struct rn_udp_intake *intake, struct rn_net_dgram *dgram,
                       struct rn_udp_taste *taste, struct rn_udp_sink *sink);
/* How many the next call asks for. */
unsigned rn_udp_taste_n(const struct rn_udp_taste *taste);
void rn_udp_intake_fini(struct rn_udp_intake *intake);
