#include "dev/qdisc.h"

#include "base/bucket.h"
#include "dev/fq_codel.h"
#include "dev/gso.h"
#include "dev/stacked.h"
#include "wire/eth.h"
#include <runnel/err.h>

#define FIFO_LIMIT      1000u
#define FQ_LIMIT        10240u /* RFC 8290 §5.2.3 */
#define DEFAULT_BURST   (64u * 1024u)
#define DEFAULT_TARGET  (5 * RN_NS_PER_MS)
#define DEFAULT_INTVL   (100 * RN_NS_PER_MS)
#define DEFAULT_QUANTUM 1514u
#define INTVL_MAX       (24 * 3600 * RN_NS_PER_S)
#define WRITE_BATCH     64u

struct qdisc {
    struct rn_stacked base;
    struct rn_qdisc_opts opts;
    struct rn_bucket bucket;
    struct rn_timer timer; /* when there are tokens again */
    struct rn_pkt *next;   /* next to go, waits for tokens */
    struct rn_pktq going;  /* paid for, refused by the device below */
    struct rn_pktq fifo;
    struct rn_fq_codel *fq; /* FQ_CODEL only; owned */
    struct rn_qdisc_stats stats;
};

static struct qdisc *qdisc_of(struct rn_device *dev)
{
    return rn_container_of(dev, struct qdisc, base.dev);
}

static size_t link_len(const struct qdisc *self)
{
    return self->base.dev.link_type == RN_LINK_ETHERNET ? RN_ETH_HDR_BYTES : 0;
}

static void enqueue(struct qdisc *self, struct rn_pkt *pkt)
{
    if (self->fq != NULL) {
        rn_fq_codel_push(self->fq, pkt, self->base.dev.turn->now_ns);
        return;
    }
    if (self->fifo.n_pkts < self->opts.limit_pkts) {
        rn_pktq_push(&self->fifo, pkt);
        return;
    }
    self->stats.n_over_limit++;
    pkt->account = &self->base.dev.drops;
    rn_pkt_drop(pkt, RN_DROP_QUEUE_FULL);
}

/* A packet that no bucket can ever hold would stop the queue for ever. */
static void admit(struct qdisc *self, struct rn_pkt *pkt)
{
    struct rn_pktq cut = { 0 };

    if (self->opts.rate_bytes_per_s == 0 || pkt->len <= self->opts.burst_bytes) {
        enqueue(self, pkt);
        return;
    }
    (void)rn_gso_cut(pkt, link_len(self), &cut);
    while ((pkt = rn_pktq_pop(&cut)) != NULL) {
        if (pkt->len > self->opts.burst_bytes) {
            pkt->account = &self->base.dev.drops;
            rn_pkt_drop(pkt, RN_DROP_TOO_BIG);
        } else {
            enqueue(self, pkt);
        }
    }
}

static struct rn_pkt *dequeue(struct qdisc *self)
{
    struct rn_pkt *pkt = self->next;

    self->next = NULL;
    if (pkt != NULL)
        return pkt;
    return self->fq != NULL ? rn_fq_codel_pop(self->fq, self->base.dev.turn->now_ns)
                            : rn_pktq_pop(&self->fifo);
}

static bool has_tokens(struct qdisc *self, struct rn_pkt *pkt)
{
    int64_t now_ns = self->base.dev.turn->now_ns;

    if (self->opts.rate_bytes_per_s == 0 || rn_bucket_take(&self->bucket, pkt->len, now_ns))
        return true;
    rn_turn_arm(self->base.dev.turn, &self->timer,
                rn_bucket_ready_ns(&self->bucket, pkt->len, now_ns));
    return false;
}

static void gather(struct qdisc *self)
{
    while (self->going.n_pkts < WRITE_BATCH) {
        struct rn_pkt *pkt = dequeue(self);

        if (pkt == NULL)
            return;
        if (!has_tokens(self, pkt)) {
            self->next = pkt;
            return;
        }
        rn_pktq_push(&self->going, pkt);
    }
}

/* Returns the error of the device below, else 0. */
static int drain(struct qdisc *self)
{
    for (;;) {
        int n;

        gather(self);
        if (rn_pktq_is_empty(&self->going))
            return 0;
        n = self->base.below->ops->write_batch(self->base.below, &self->going);
        if (n < 0)
            return n;
        self->stats.n_sent += (uint64_t)n;
        if (!rn_pktq_is_empty(&self->going))
            return 0; /* until RN_DEV_WRITABLE */
    }
}

static void on_timer(struct rn_timer *timer)
{
    struct qdisc *self = rn_container_of(timer, struct qdisc, timer);

    (void)drain(self); /* a closed device has told so */
}

static uint32_t packet_max(const struct rn_device *below)
{
    return rn_min_u32(below->mtu, UINT16_MAX + 1) + RN_ETH_HDR_BYTES;
}

/* A larger MTU brings packets that no bucket of the old size holds. */
static void widen(struct qdisc *self)
{
    self->opts.burst_bytes = rn_max_u32(self->opts.burst_bytes, packet_max(self->base.below));
    self->bucket.burst = rn_max_u64(self->bucket.burst, self->opts.burst_bytes);
    if (self->fq != NULL)
        self->fq->mtu = self->base.dev.mtu;
}

static unsigned on_below(struct rn_stacked *base, unsigned events)
{
    struct qdisc *self = rn_container_of(base, struct qdisc, base);

    if ((events & RN_DEV_MTU_CHANGED) != 0)
        widen(self);
    if ((events & RN_DEV_WRITABLE) != 0)
        (void)drain(self);
    return events & ~(unsigned)RN_DEV_WRITABLE; /* we never refuse */
}

static int qdisc_read(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct rn_device *below = qdisc_of(dev)->base.below;

    return below->ops->read_batch(below, in, max);
}

static int qdisc_write(struct rn_device *dev, struct rn_pktq *out)
{
    struct qdisc *self = qdisc_of(dev);
    struct rn_pkt *pkt;
    int n = 0;
    int err;

    if (dev->is_closed)
        return RN_E_CANCELLED;
    for (; (pkt = rn_pktq_pop(out)) != NULL; n++)
        admit(self, pkt);
    err = drain(self);
    return err < 0 ? err : n;
}

/* What waits for tokens has a timer. */
static bool qdisc_is_holding(const struct rn_device *dev)
{
    const struct qdisc *self = rn_container_of(dev, const struct qdisc, base.dev);

    return !rn_pktq_is_empty(&self->going) || rn_stacked_is_holding(dev);
}

static void release(struct qdisc *self)
{
    const struct rn_alloc *alloc = rn_turn_alloc(self->base.dev.turn);

    rn_alloc_free(alloc, self->fq, sizeof(*self->fq));
    rn_alloc_free(alloc, self, sizeof(*self));
}

static void qdisc_destroy(struct rn_device *dev)
{
    struct qdisc *self = qdisc_of(dev);

    rn_turn_cancel(dev->turn, &self->timer);
    if (self->next != NULL)
        rn_pkt_drop(self->next, RN_DROP_CLOSED);
    rn_pktq_free_all(&self->going);
    rn_pktq_free_all(&self->fifo);
    if (self->fq != NULL)
        rn_fq_codel_drop_all(self->fq);
    rn_stacked_fini(&self->base);
    release(self);
}

static const struct rn_device_ops qdisc_ops = {
    .kind = "qdisc",
    .read_batch = qdisc_read,
    .write_batch = qdisc_write,
    .poll_fd = rn_stacked_poll_fd,
    .ready = rn_stacked_ready,
    .is_holding = qdisc_is_holding,
    .close = rn_stacked_close,
    .destroy = qdisc_destroy,
};

static void fill_in(struct rn_qdisc_opts *o, const struct rn_device *below)
{
    if (o->limit_pkts == 0)
        o->limit_pkts = o->kind == RN_QDISC_FIFO ? FIFO_LIMIT : FQ_LIMIT;
    if (o->burst_bytes == 0)
        o->burst_bytes = rn_max_u32(DEFAULT_BURST, packet_max(below));
    if (o->target_ns == 0)
        o->target_ns = DEFAULT_TARGET;
    if (o->interval_ns == 0)
        o->interval_ns = DEFAULT_INTVL;
    if (o->quantum_bytes == 0)
        o->quantum_bytes = DEFAULT_QUANTUM;
}

static int new_fq(struct qdisc *self, struct rn_device *below)
{
    struct rn_hash_key key = { rn_rand_u64(&below->turn->rand), rn_rand_u64(&below->turn->rand) };
    struct rn_fq_codel *fq = rn_alloc_new(rn_turn_alloc(below->turn), sizeof(*fq));

    if (fq == NULL)
        return RN_E_NOMEM;
    rn_fq_codel_init(fq, key);
    fq->link_type = below->link_type;
    fq->target_ns = self->opts.target_ns;
    fq->interval_ns = self->opts.interval_ns;
    fq->quantum_bytes = self->opts.quantum_bytes;
    fq->limit_pkts = self->opts.limit_pkts;
    fq->mtu = below->mtu;
    fq->drops = &self->base.dev.drops;
    self->fq = fq;
    return RN_OK;
}

static bool is_valid(const struct rn_qdisc_opts *o, const struct rn_device *below)
{
    return o->kind <= RN_QDISC_FQ_CODEL && o->target_ns >= 0 && o->interval_ns >= 0 &&
           o->interval_ns <= INTVL_MAX &&
           (o->rate_bytes_per_s == 0 || o->burst_bytes == 0 || o->burst_bytes >= packet_max(below));
}

int rn_qdisc_new(struct rn_device **ret, struct rn_device *below, const struct rn_qdisc_opts *opts)
{
    const struct rn_alloc *alloc = rn_turn_alloc(below->turn);
    struct qdisc *self;

    if (!is_valid(opts, below))
        return RN_E_BAD_OPTION;
    self = rn_alloc_new(alloc, sizeof(*self));
    if (self == NULL)
        return RN_E_NOMEM;
    self->opts = *opts;
    fill_in(&self->opts, below);
    if (opts->kind == RN_QDISC_FQ_CODEL && new_fq(self, below) < 0) {
        rn_alloc_free(alloc, self, sizeof(*self));
        return RN_E_NOMEM;
    }
    self->timer.fire = on_timer;
    rn_bucket_init(&self->bucket, self->opts.rate_bytes_per_s, self->opts.burst_bytes,
                   below->turn->now_ns);
    rn_stacked_init(&self->base, below, &qdisc_ops);
    self->base.on_below = on_below;
    *ret = &self->base.dev;
    return RN_OK;
}

void rn_qdisc_get_stats(const struct rn_device *dev, struct rn_qdisc_stats *ret)
{
    const struct qdisc *self = rn_container_of(dev, const struct qdisc, base.dev);
    const struct rn_fq_codel *fq = self->fq;

    *ret = self->stats;
    ret->backlog_pkts = self->fifo.n_pkts + self->going.n_pkts + (self->next != NULL ? 1 : 0);
    if (fq == NULL)
        return;
    ret->backlog_pkts += fq->n_pkts;
    ret->n_over_limit = fq->n_over_limit;
    ret->n_codel = fq->n_codel;
    ret->n_marked = fq->n_marked;
}
