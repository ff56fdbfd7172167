#include "io/steer.h"

#include "dev/flow.h"
#include "io/loop.h"
#include "wire/icmp4.h"
#include "wire/icmp6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/proto.h"

#include <runnel/err.h>

#define HUB       0u
#define EVERYBODY RN_WORKERS_MAX
/* Reads of the queue in one call that find only packets of others. */
#define ROUNDS_MAX 4u
/* What an ICMP error quotes: an IPv6 header, some extensions, ports. */
#define QUOTE_BYTES 128u
#define ICMP_BYTES  8u

struct rn_steer {
    struct rn_stacked stacked;
    struct rn_steering *all;
    unsigned me;
    unsigned next_from; /* whose ring is looked into first */
    struct rn_loop *loop;
    struct rn_task again; /* DELIVER: the queue may have more */
    struct rn_workers_counts counts;
};

static struct rn_steer *steer_of(const struct rn_device *dev)
{
    return rn_container_of(dev, struct rn_steer, stacked.dev);
}

static struct rn_steer_way *way(const struct rn_steering *all, unsigned from, unsigned to)
{
    return &all->ways[from * all->n + to];
}

/* --- whose is it ---------------------------------------------------------------------------------------------------- */
unsigned rn_steering_owner(const struct rn_steering *all, const struct rn_endpoint *inner)
{
    uint64_t words[3] = { inner->addr.w[0], inner->addr.w[1], inner->port };

    return (unsigned)(rn_siphash13_words(&all->key, words, 3) % all->n);
}

/* The common case, told by three bytes. */
static bool is_plain_tcp(const struct rn_pkt *pkt)
{
    struct rn_view v = rn_pkt_front(pkt);

    if (v.len < RN_IPV4_HDR_BYTES)
        return false;
    if (v.ptr[0] >> 4 == 4)
        return v.ptr[9] == RN_PROTO_TCP && (rn_get_be16(v.ptr + 6) & 0x3fff) == 0;
    return v.ptr[0] >> 4 == 6 && v.ptr[6] == RN_PROTO_TCP;
}

/* What the error is about was sent by us: its destination is inside. */
static unsigned owner_of_error(const struct rn_steer *s, const struct rn_pkt *pkt,
                               const struct rn_pkt_flow *flow)
{
    size_t at = (size_t)flow->l4_at + ICMP_BYTES;
    uint8_t bytes[QUOTE_BYTES];
    struct rn_pkt_flow quoted;
    struct rn_endpoint inner;
    size_t len;

    if (pkt->len <= at)
        return HUB;
    len = rn_min_size(pkt->len - at, sizeof(bytes));
    rn_pkt_copy_out(pkt, at, bytes, len);
    if (!rn_flow_of_view(rn_view_of(bytes, len), &quoted) || !quoted.has_transport)
        return HUB;
    if (quoted.proto == RN_PROTO_TCP)
        return EVERYBODY;
    inner = (struct rn_endpoint){ .addr = quoted.dst, .port = quoted.dst_port };
    return quoted.proto == RN_PROTO_UDP ? rn_steering_owner(s->all, &inner) : HUB;
}

static bool is_icmp_error(const struct rn_pkt_flow *flow)
{
    if (flow->is_v4)
        return flow->proto == RN_PROTO_ICMP4 && rn_icmp4_is_error(flow->icmp_type);
    return flow->proto == RN_PROTO_ICMP6 && rn_icmp6_is_error(flow->icmp_type);
}

static unsigned owner_of(const struct rn_steer *s, const struct rn_pkt *pkt)
{
    struct rn_pkt_flow flow;

    if (RN_LIKELY(is_plain_tcp(pkt)))
        return s->me;
    if (!rn_flow_of(pkt, RN_LINK_IP, &flow))
        return s->me; /* malformed: dropped here as well as anywhere */
    if (flow.is_fragment)
        return HUB;
    if (flow.proto == RN_PROTO_TCP)
        return s->me;
    if (flow.proto == RN_PROTO_UDP && flow.has_transport) {
        struct rn_endpoint inner = { .addr = flow.src, .port = flow.src_port };

        return rn_steering_owner(s->all, &inner);
    }
    return flow.has_transport && is_icmp_error(&flow) ? owner_of_error(s, pkt, &flow) : HUB;
}

/* --- handing over --------------------------------------------------------------------------------------------------- */
static void on_knock(struct rn_loop *loop, void *arg)
{
    struct rn_steer_way *w = arg;

    if (loop == NULL)
        return; /* it has ended, and the device with it */
    /* Taken back before the ring is looked into: what is sent from now on knocks again. */
    (void)atomic_exchange_explicit(&w->has_knocked, false, memory_order_acq_rel);
    rn_device_notify(&w->to->stacked.dev, RN_DEV_READABLE);
}

/* Consumes @pkt. */
static void hand_over(struct rn_steer *s, unsigned to, struct rn_pkt *pkt)
{
    struct rn_steer_way *w = way(s->all, s->me, to);

    if (!rn_handover_send(&w->ring, pkt)) {
        pkt->account = &s->stacked.dev.drops;
        rn_pkt_drop(pkt, RN_DROP_RX_QUEUE_FULL);
        return;
    }
    s->counts.handed_over++;
    if (!atomic_exchange_explicit(&w->has_knocked, true, memory_order_acq_rel))
        rn_post_work(s->all->steers[to]->loop, &w->knock);
}

static void show_everybody(struct rn_steer *s, const struct rn_pkt *pkt)
{
    for (unsigned i = 0; i < s->all->n; i++) {
        struct rn_pkt *copy = i != s->me ? rn_pkt_clone(pkt) : NULL;

        if (copy != NULL)
            hand_over(s, i, copy);
    }
}

/* Consumes all of @got; what is ours goes to @in. */
static void sort_out(struct rn_steer *s, struct rn_pktq *got, struct rn_pktq *in)
{
    struct rn_pkt *pkt;

    while ((pkt = rn_pktq_pop(got)) != NULL) {
        unsigned owner = owner_of(s, pkt);

        if (owner == EVERYBODY)
            show_everybody(s, pkt);
        if (RN_LIKELY(owner == s->me || owner == EVERYBODY))
            rn_pktq_push(in, pkt);
        else
            hand_over(s, owner, pkt);
    }
}

/* Of rn_stack_share. */
static bool give_away(void *arg, struct rn_pkt *pkt, enum rn_share_why why)
{
    struct rn_steer *s = arg;
    unsigned came_by = pkt->queue != 0 ? pkt->queue - 1u : s->me; /* 0: by our own queue */
    unsigned owner;

    if ((pkt->flags & RN_PKT_LOOPED) != 0)
        return false;
    if (why == RN_SHARE_STRAY) {
        if (pkt->queue != 0 && came_by == s->me)
            return false; /* it went round, and nobody has its connection */
        pkt->queue = (uint8_t)(came_by + 1);
        hand_over(s, (s->me + 1) % s->all->n, pkt);
        return true;
    }
    owner = owner_of(s, pkt);
    if (owner == EVERYBODY)
        show_everybody(s, pkt);
    if (owner == s->me || owner == EVERYBODY)
        return false;
    hand_over(s, owner, pkt);
    return true;
}

/* --- the device ----------------------------------------------------------------------------------------------------- */
static void take_from(struct rn_steer *s, unsigned from, struct rn_pktq *in, uint32_t end_pkts)
{
    struct rn_steer_way *w = way(s->all, from, s->me);
    struct rn_turn *turn = s->stacked.dev.turn;
    struct rn_pkt *pkt;
    int got;

    while (in->n_pkts < end_pkts && (got = rn_handover_take(&w->ring, turn->pool, &pkt)) != 0) {
        s->counts.taken_over++;
        if (got < 0) {
            s->stacked.dev.drops.n[RN_DROP_NOMEM]++;
            continue;
        }
        pkt->time_ns = turn->now_ns;
        rn_pktq_push(in, pkt);
    }
}

static void take_over(struct rn_steer *s, struct rn_pktq *in, uint32_t end_pkts)
{
    unsigned n = s->all->n;

    for (unsigned i = 0; i < n; i++) {
        unsigned from = (s->next_from + i) % n;

        if (from == s->me)
            continue;
        rn_handover_reclaim(&way(s->all, s->me, from)->ring);
        take_from(s, from, in, end_pkts);
    }
    s->next_from = (s->next_from + 1) % n;
}

/* Half of it for what others hand over, so that their floods leave room for what comes here. */
static int steer_read(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct rn_steer *s = steer_of(dev);
    struct rn_device *below = s->stacked.below;
    uint32_t had = in->n_pkts;
    unsigned round = 0;
    int n;

    below->is_level_driven = dev->is_level_driven;
    take_over(s, in, had + (max + 1) / 2);
    do {
        struct rn_pktq got = { 0 };

        n = max > in->n_pkts - had ? below->ops->read_batch(below, &got, max - (in->n_pkts - had))
                                   : 0;
        sort_out(s, &got, in);
    } while (in->n_pkts == had && n > 0 && ++round < ROUNDS_MAX);
    if (in->n_pkts != had)
        return (int)(in->n_pkts - had);
    if (n > 0)
        rn_turn_schedule(dev->turn, RN_PHASE_DELIVER, &s->again);
    return n < 0 ? n : RN_E_WOULD_BLOCK;
}

static void read_again(struct rn_task *task)
{
    struct rn_steer *s = rn_container_of(task, struct rn_steer, again);

    rn_device_notify(&s->stacked.dev, RN_DEV_READABLE);
}

static int steer_write(struct rn_device *dev, struct rn_pktq *out)
{
    struct rn_device *below = steer_of(dev)->stacked.below;

    return below->ops->write_batch(below, out);
}

static void steer_destroy(struct rn_device *dev)
{
    struct rn_steer *s = steer_of(dev);

    rn_turn_unschedule(&s->again);
    for (unsigned to = 0; to < s->all->n; to++)
        rn_handover_fini(&way(s->all, s->me, to)->ring);
    s->all->steers[s->me] = NULL;
    rn_stacked_fini(&s->stacked);
    rn_alloc_free(rn_turn_alloc(dev->turn), s, sizeof(*s));
}

static const struct rn_device_ops steer_ops = {
    .kind = "steer",
    .read_batch = steer_read,
    .write_batch = steer_write,
    .poll_fd = rn_stacked_poll_fd,
    .close = rn_stacked_close,
    .destroy = steer_destroy,
};

int rn_steer_new(struct rn_device **ret, struct rn_steering *all, unsigned index,
                 struct rn_loop *loop, struct rn_device *queue)
{
    struct rn_steer *s = rn_alloc_new(rn_turn_alloc(queue->turn), sizeof(*s));

    if (s == NULL)
        return RN_E_NOMEM;
    rn_stacked_init(&s->stacked, queue, &steer_ops);
    s->all = all;
    s->me = index;
    s->loop = loop;
    s->again.run = read_again;
    all->steers[index] = s;
    for (unsigned from = 0; from < all->n; from++)
        way(all, from, index)->to = s;
    *ret = &s->stacked.dev;
    return RN_OK;
}

void rn_steer_serve(struct rn_device *device, struct rn_stack *stack)
{
    stack->share = (struct rn_stack_share){ .take = give_away, .arg = steer_of(device) };
}

void rn_steer_get_counts(const struct rn_device *device, struct rn_workers_counts *ret)
{
    *ret = steer_of(device)->counts;
}

/* --- what they share ------------------------------------------------------------------------------------------------ */
int rn_steering_init(struct rn_steering *all, const struct rn_alloc *alloc, unsigned n)
{
    all->ways = rn_alloc_array(alloc, (size_t)n * n, sizeof(*all->ways));
    if (all->ways == NULL)
        return RN_E_NOMEM;
    all->n = n;
    for (unsigned i = 0; i < n * n; i++)
        all->ways[i].knock = (struct rn_posted){ .fn = on_knock, .arg = &all->ways[i] };
    return RN_OK;
}

void rn_steering_fini(struct rn_steering *all, const struct rn_alloc *alloc)
{
    rn_alloc_free(alloc, all->ways, (size_t)all->n * all->n * sizeof(*all->ways));
    all->ways = NULL;
}
