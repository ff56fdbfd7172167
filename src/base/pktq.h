#pragma once
/* FIFO of packets, linked through pkt->next, with count and bytes. Zero is an empty queue. */
#include "base/pkt.h"

struct rn_pktq {
    struct rn_pkt *first;
    struct rn_pkt *last;
    uint32_t n_pkts;
    uint64_t n_bytes;
};

/* Consumes @pkt. */
static inline void rn_pktq_push(struct rn_pktq *q, struct rn_pkt *pkt)
{
    pkt->next = NULL;
    if (q->last != NULL)
        q->last->next = pkt;
    else
        q->first = pkt;
    q->last = pkt;
    q->n_pkts++;
    q->n_bytes += pkt->len;
}

/* Consumes @pkt. */
static inline void rn_pktq_push_front(struct rn_pktq *q, struct rn_pkt *pkt)
{
    pkt->next = q->first;
    q->first = pkt;
    if (q->last == NULL)
        q->last = pkt;
    q->n_pkts++;
    q->n_bytes += pkt->len;
}

/* Returns owned, or NULL when empty. A packet must not change its length while queued. */
static inline struct rn_pkt *rn_pktq_pop(struct rn_pktq *q)
{
    struct rn_pkt *pkt = q->first;

    if (pkt == NULL)
        return NULL;
    q->first = pkt->next;
    if (q->first == NULL)
        q->last = NULL;
    q->n_pkts--;
    q->n_bytes -= pkt->len;
    pkt->next = NULL;
    return pkt;
}

static inline bool rn_pktq_is_empty(const struct rn_pktq *q)
{
    return q->first == NULL;
}

/* Moves all of @from behind @to. */
static inline void rn_pktq_splice(struct rn_pktq *to, struct rn_pktq *from)
{
    if (from->first == NULL)
        return;
    if (to->last != NULL)
        to->last->next = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    to->n_pkts += from->n_pkts;
    to->n_bytes += from->n_bytes;
    *from = (struct rn_pktq){ 0 };
}

/* Drops every packet. */
static inline void rn_pktq_drop_all(struct rn_pktq *q, enum rn_drop why)
{
    struct rn_pkt *pkt;

    while ((pkt = rn_pktq_pop(q)) != NULL)
        rn_pkt_drop(pkt, why);
}

/* Frees every packet: their job is done, or whoever counts losses may be gone, as when a device outlives its stack. */
static inline void rn_pktq_free_all(struct rn_pktq *q)
{
    struct rn_pkt *pkt;

    while ((pkt = rn_pktq_pop(q)) != NULL)
        rn_pkt_free(pkt);
}
