#include "dev/fq_codel.h"

#include "base/checksum.h"
#include "dev/flow.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

/* RFC 8290 §4.1.3: from the fattest flow at most this many at once, so that a flood costs little per packet. */
#define BULK_DROP_PKTS 64u
/* RFC 8289 §4: drops resume near the old rate if the queue grew again within this many intervals. */
#define RESUME_INTERVALS 16

static struct rn_fq_codel_flow *flow_of(struct rn_fq_codel *fq, const struct rn_pkt *pkt)
{
    struct rn_pkt_flow flow;
    uint64_t hash = 0;

    if (rn_flow_of(pkt, fq->link_type, &flow)) {
        if (flow.is_fragment) /* all fragments of a packet in one queue: only the first has ports */
            flow.src_port = flow.dst_port = 0;
        hash = rn_flow_hash(&fq->key, &flow);
    }
    return &fq->flows[hash % RN_FQ_CODEL_FLOWS];
}

static void lose(struct rn_fq_codel *fq, struct rn_pkt *pkt, enum rn_drop why)
{
    pkt->account = fq->drops;
    pkt->time_ns = 0;
    rn_pkt_drop(pkt, why);
}

void rn_fq_codel_init(struct rn_fq_codel *fq, struct rn_hash_key key)
{
    fq->key = key;
    rn_list_init(&fq->new_flows);
    rn_list_init(&fq->old_flows);
}

/* Half of the flow that holds the most bytes goes, from its head, where loss is heard of soonest. */
static void drop_from_fattest(struct rn_fq_codel *fq)
{
    struct rn_fq_codel_flow *fattest = &fq->flows[0];
    uint32_t n;

    for (unsigned i = 1; i < RN_FQ_CODEL_FLOWS; i++) {
        if (fq->flows[i].q.n_bytes > fattest->q.n_bytes)
            fattest = &fq->flows[i];
    }
    n = rn_min_u32(BULK_DROP_PKTS, (fattest->q.n_pkts + 1) / 2);
    for (uint32_t i = 0; i < n; i++) {
        lose(fq, rn_pktq_pop(&fattest->q), RN_DROP_QUEUE_FULL);
        fq->n_pkts--;
        fq->n_over_limit++;
    }
}

void rn_fq_codel_push(struct rn_fq_codel *fq, struct rn_pkt *pkt, int64_t now_ns)
{
    struct rn_fq_codel_flow *flow = flow_of(fq, pkt);

    pkt->time_ns = now_ns;
    rn_pktq_push(&flow->q, pkt);
    fq->n_pkts++;
    if (!rn_list_is_linked(&flow->link)) {
        flow->deficit_bytes = fq->quantum_bytes;
        rn_list_push_back(&fq->new_flows, &flow->link);
    }
    if (fq->n_pkts > fq->limit_pkts)
        drop_from_fattest(fq);
}

/* --- CoDel (RFC 8289 §5) -------------------------------------------------------------------------------------- */
static uint32_t square_root(uint32_t n)
{
    uint32_t root = 0;

    for (uint32_t bit = 1u << 15; bit != 0; bit >>= 1) {
        if ((root + bit) * (uint64_t)(root + bit) <= n)
            root += bit;
    }
    return root;
}

/* interval / sqrt(n), with three binary digits behind the point of the root. */
static int64_t next_drop_ns(const struct rn_fq_codel *fq, int64_t from_ns, uint32_t n)
{
    uint32_t root_times_8 = square_root(rn_min_u32(n, 1u << 20) * 64);

    return from_ns + fq->interval_ns * 8 / rn_max_u32(8, root_times_8);
}

/* Takes the next packet. @ret_may_drop: the queue has been too long for an interval. */
static struct rn_pkt *take(struct rn_fq_codel *fq, struct rn_fq_codel_flow *flow, int64_t now_ns,
                           bool *ret_may_drop)
{
    struct rn_pkt *pkt = rn_pktq_pop(&flow->q);

    *ret_may_drop = false;
    if (pkt == NULL) {
        flow->first_above_ns = 0;
        return NULL;
    }
    fq->n_pkts--;
    if (now_ns - pkt->time_ns < fq->target_ns || flow->q.n_bytes <= fq->mtu)
        flow->first_above_ns = 0;
    else if (flow->first_above_ns == 0)
        flow->first_above_ns = now_ns + fq->interval_ns;
    else
        *ret_may_drop = now_ns >= flow->first_above_ns;
    return pkt;
}

/* RFC 8290 §4.2: a packet of an ECN-capable flow is marked rather than dropped. */
static bool mark(struct rn_fq_codel *fq, struct rn_pkt *pkt)
{
    struct rn_pkt_flow flow;
    uint8_t *front;
    uint8_t *l3;

    if (!rn_flow_of(pkt, fq->link_type, &flow))
        return false;
    /* No more than the header: who cuts a super-packet wants its payload where it was. */
    front = rn_pkt_own_front(pkt, flow.l4_at);
    if (front == NULL)
        return false;
    l3 = front + flow.l3_at;
    if (flow.is_v4) {
        uint16_t old_word = rn_get_be16(l3);

        if ((old_word & RN_IP_ECN_MASK) == RN_ECN_NONE)
            return false;
        rn_put_be16(l3, old_word | RN_ECN_CE);
        rn_put_be16(l3 + 10, rn_checksum_update16(rn_get_be16(l3 + 10), old_word, rn_get_be16(l3)));
    } else {
        if ((l3[1] >> 4 & RN_IP_ECN_MASK) == RN_ECN_NONE)
            return false;
        l3[1] |= RN_ECN_CE << 4;
    }
    fq->n_marked++;
    return true;
}

/* Marks or drops @pkt. Returns it when marked, else NULL. */
static struct rn_pkt *punish(struct rn_fq_codel *fq, struct rn_fq_codel_flow *flow,
                             struct rn_pkt *pkt)
{
    flow->n_drops++;
    if (mark(fq, pkt))
        return pkt;
    lose(fq, pkt, RN_DROP_QUEUE_FULL);
    fq->n_codel++;
    return NULL;
}

/* In the dropping state: drops as often as the control law wants until the queue is short. */
static struct rn_pkt *keep_dropping(struct rn_fq_codel *fq, struct rn_fq_codel_flow *flow,
                                    struct rn_pkt *pkt, int64_t now_ns)
{
    bool may_drop = true;

    while (pkt != NULL && may_drop && now_ns >= flow->drop_next_ns) {
        struct rn_pkt *marked = punish(fq, flow, pkt);

        flow->drop_next_ns = next_drop_ns(fq, flow->drop_next_ns, flow->n_drops);
        if (marked != NULL)
            return marked;
        pkt = take(fq, flow, now_ns, &may_drop);
    }
    flow->is_dropping = may_drop;
    return pkt;
}

static struct rn_pkt *start_dropping(struct rn_fq_codel *fq, struct rn_fq_codel_flow *flow,
                                     struct rn_pkt *pkt, int64_t now_ns)
{
    uint32_t recent = flow->n_drops - flow->n_drops_last;
    bool is_resumed =
        recent > 1 && now_ns - flow->drop_next_ns < RESUME_INTERVALS * fq->interval_ns;
    bool may_drop;

    pkt = punish(fq, flow, pkt);
    flow->is_dropping = true;
    flow->n_drops = is_resumed ? recent : 1;
    flow->n_drops_last = flow->n_drops;
    flow->drop_next_ns = next_drop_ns(fq, now_ns, flow->n_drops);
    return pkt != NULL ? pkt : take(fq, flow, now_ns, &may_drop);
}

static struct rn_pkt *codel_pop(struct rn_fq_codel *fq, struct rn_fq_codel_flow *flow,
                                int64_t now_ns)
{
    bool may_drop;
    struct rn_pkt *pkt = take(fq, flow, now_ns, &may_drop);

    if (pkt == NULL || !may_drop) {
        flow->is_dropping = false;
        return pkt;
    }
    return flow->is_dropping ? keep_dropping(fq, flow, pkt, now_ns)
                             : start_dropping(fq, flow, pkt, now_ns);
}

/* --- deficit round robin (RFC 8290 §4.2) ---------------------------------------------------------------------- */
static void to_old(struct rn_fq_codel *fq, struct rn_fq_codel_flow *flow)
{
    rn_list_remove(&flow->link);
    rn_list_push_back(&fq->old_flows, &flow->link);
}

struct rn_pkt *rn_fq_codel_pop(struct rn_fq_codel *fq, int64_t now_ns)
{
    for (;;) {
        bool is_new = !rn_list_is_empty(&fq->new_flows);
        struct rn_list *head = is_new ? &fq->new_flows : &fq->old_flows;
        struct rn_fq_codel_flow *flow;
        struct rn_pkt *pkt;

        if (rn_list_is_empty(head))
            return NULL;
        flow = rn_list_entry(rn_list_first(head), struct rn_fq_codel_flow, link);
        if (flow->deficit_bytes <= 0) {
            flow->deficit_bytes += fq->quantum_bytes;
            to_old(fq, flow);
            continue;
        }
        pkt = codel_pop(fq, flow, now_ns);
        if (pkt != NULL) {
            flow->deficit_bytes -= pkt->len;
            pkt->time_ns = 0;
            return pkt;
        }
        /* An empty new flow passes through the old ones first, or it would be new again and starve them. */
        if (is_new && !rn_list_is_empty(&fq->old_flows))
            to_old(fq, flow);
        else
            rn_list_remove(&flow->link);
    }
}

void rn_fq_codel_drop_all(struct rn_fq_codel *fq)
{
    for (unsigned i = 0; i < RN_FQ_CODEL_FLOWS; i++)
        rn_pktq_free_all(&fq->flows[i].q);
    fq->n_pkts = 0;
}
