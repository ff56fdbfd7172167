#pragma once
/* The part of a packet's line that its transport writes; private to print.c. */
#include "base/text.h"
#include "base/view.h"
#include <runnel/addr.h>

struct rn_print_flow {
    struct rn_addr src;
    struct rn_addr dst;
    uint8_t proto;        /* enum rn_proto */
    struct rn_view bytes; /* what is at hand of the transport header and its payload */
    size_t len;           /* what the network header claims there is */
};

/* "SRC.PORT > DST.PORT: ..." for protocols with ports, "SRC > DST: ..." for the others. */
void rn_print_transport(struct rn_text *out, const struct rn_print_flow *flow);
/* "SRC > DST: ". */
void rn_print_addrs(struct rn_text *out, const struct rn_print_flow *flow);
/* "tcp", "udp", "icmp", or "proto 99". */
void rn_print_proto(struct rn_text *out, uint8_t proto);
/* ", length N". */
void rn_print_length(struct rn_text *out, size_t len);
