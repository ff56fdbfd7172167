#pragma once
/*
 * The queue of RFC 8290: flows hashed into 1024 queues, served in deficit round robin with new flows first, each kept short
 * by CoDel (RFC 8289). Knows no device: packets go in and come out; time is handed in.
 */
#include "base/hashkey.h"
#include "base/list.h"
#include "dev/device.h"

#define RN_FQ_CODEL_FLOWS 1024u

struct rn_fq_codel_flow {
    struct rn_list link; /* of the new or old flows */
    struct rn_pktq q;
    int64_t deficit_bytes;
    int64_t
        first_above_ns; /* CoDel: when the queue will have been too long for an interval; 0 it is short */
    int64_t drop_next_ns;
    uint32_t n_drops;
    uint32_t n_drops_last;
    bool is_dropping;
};

struct rn_fq_codel {
    enum rn_link_type link_type;
    struct rn_hash_key key;
    int64_t target_ns;
    int64_t interval_ns;
    uint32_t quantum_bytes;
    uint32_t limit_pkts;
    uint32_t mtu;
    uint32_t n_pkts;
    struct rn_drop_account *drops; /* borrows */
    uint64_t n_over_limit;
    uint64_t n_codel;
    uint64_t n_marked;
    struct rn_list new_flows;
    struct rn_list old_flows;
    struct rn_fq_codel_flow flows[RN_FQ_CODEL_FLOWS];
};

/* Lists and key; the numbers are set by the caller. */
void rn_fq_codel_init(struct rn_fq_codel *fq, struct rn_hash_key key);
/* Consumes @pkt. */
void rn_fq_codel_push(struct rn_fq_codel *fq, struct rn_pkt *pkt, int64_t now_ns);
/* Returns owned, or NULL when empty. */
struct rn_pkt *rn_fq_codel_pop(struct rn_fq_codel *fq, int64_t now_ns);
void rn_fq_codel_drop_all(struct rn_fq_codel *fq);
