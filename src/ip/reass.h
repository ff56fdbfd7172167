#pragma once
/*
 * Reassembly of both families. Fragments are charged to a budget before they are stored; whoever overlaps loses the whole
 * datagram, and what comes later of it (RFC 5722 §3, for IPv4 too); exact duplicates are ignored. The whole goes back to
 * the protocol's input as if it had come so.
 */
#include "base/hash.h"
#include "base/turn.h"
#include "stack/proto.h"
#include "stack/stack.h"

#define RN_REASS_V4_NS                                                                             \
    (30 * RN_NS_PER_S) /* Linux's ipfrag_time; RFC 1122 §3.3.2 wants 60 to 120 s */
#define RN_REASS_V6_NS     (60 * RN_NS_PER_S) /* RFC 8200 §4.5 */
#define RN_REASS_PARTS_MAX 64u                /* fragments of one datagram */
#define RN_REASS_SRC_SLOTS 256u
#define RN_REASS_TOTAL_MAX 65535u

struct rn_reass {
    struct rn_stack *stack;
    enum rn_l3 l3;
    struct rn_hash table;
    struct rn_list by_age;
    struct rn_timer timer;
    uint32_t src_bytes[RN_REASS_SRC_SLOTS]; /* charged, by keyed hash of the source */
};

/* One fragment as its header tells it. */
struct rn_reass_part {
    struct rn_addr src;
    struct rn_addr dst;
    uint32_t id;
    uint32_t off_bytes;
    bool more;
    uint8_t proto;    /* IPv4: part of the key; IPv6: the fragment header's next header */
    uint16_t hdr_len; /* network header, the fragment header included */
    uint16_t next_at; /* IPv6: where the header says that a fragment header follows */
};

RN_MUST_USE int rn_reass_init(struct rn_reass *r, struct rn_stack *stack, enum rn_l3 l3);
void rn_reass_fini(struct rn_reass *r);
/* Consumes @pkt, which starts at its network header. Returns owned the whole datagram if this was the last piece of it,
 * starting at its network header; else NULL. */
struct rn_pkt *rn_reass_input(struct rn_reass *r, struct rn_pkt *pkt,
                              const struct rn_reass_part *part);
