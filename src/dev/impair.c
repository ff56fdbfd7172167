#include "dev/impair.h"

#include "base/rand.h"
#include "dev/gso.h"
#include "dev/stacked.h"
#include "wire/eth.h"
#include <runnel/err.h>

#define DEFAULT_QUEUE 10000u
#define MILLION       1000000u
/* Without a delay to skip, a reordered packet waits this long behind the ones after it. */
#define REORDER_HOLD_NS (2 * RN_NS_PER_MS)
#define BITS_PER_BYTE   8u
#define WIRE_NS_MAX     (INT64_MAX / 4)

/* One direction: packets wait in order of their due time, then are ready. */
struct lane {
    struct rn_impair_dir dir;
    struct rn_rand rand;
    struct rn_pktq waiting; /* sorted by time_ns */
    struct rn_pktq ready;   /* due, not yet taken */
    int64_t wire_free_ns;   /* when the rate lets the next packet start */
    int64_t last_due_ns;    /* jitter never overtakes */
    bool is_bad;            /* in a bad spell */
    struct rn_impair_stats stats;
};

struct impair {
    struct rn_stacked base;
    struct lane in;
    struct lane out;
    struct rn_timer timer;
};

static struct impair *impair_of(struct rn_device *dev)
{
    return rn_container_of(dev, struct impair, base.dev);
}

static bool chance(struct lane *lane, uint32_t ppm)
{
    return ppm != 0 && rn_rand_below(&lane->rand, MILLION) < ppm;
}

/* --- fate --------------------------------------------------------------------------------------------------- */
static bool is_lost(struct lane *lane)
{
    if (lane->dir.burst_ppm != 0) {
        if (lane->is_bad)
            lane->is_bad = !chance(lane, lane->dir.burst_end_ppm);
        else
            lane->is_bad = chance(lane, lane->dir.burst_ppm);
        if (lane->is_bad)
            return true;
    }
    return chance(lane, lane->dir.loss_ppm);
}

static int64_t jitter(struct lane *lane)
{
    int64_t j = lane->dir.jitter_ns;

    return j == 0 ? 0 : (int64_t)rn_rand_below(&lane->rand, (uint64_t)(2 * j + 1)) - j;
}

/* Sending takes len * 8 / rate; a packet starts when the one before it has left. */
static int64_t leaves_wire(struct lane *lane, uint32_t len, int64_t now_ns)
{
    int64_t start = rn_max_i64(now_ns, lane->wire_free_ns);
    uint64_t bits = (uint64_t)len * BITS_PER_BYTE;

    if (lane->dir.rate_bps == 0)
        return now_ns;
    lane->wire_free_ns = start + (int64_t)(bits * (uint64_t)RN_NS_PER_S / lane->dir.rate_bps);
    return lane->wire_free_ns;
}

static int64_t due_time(struct lane *lane, const struct rn_pkt *pkt, int64_t now_ns)
{
    int64_t at = leaves_wire(lane, pkt->len, now_ns);
    int64_t due = at + rn_max_i64(0, lane->dir.delay_ns + jitter(lane));

    if (chance(lane, lane->dir.reorder_ppm)) {
        lane->stats.reordered++;
        return lane->dir.delay_ns > 0 ? at : at + REORDER_HOLD_NS;
    }
    due = rn_max_i64(due, lane->last_due_ns);
    lane->last_due_ns = due;
    return due;
}

static void enqueue_sorted(struct rn_pktq *q, struct rn_pkt *pkt)
{
    struct rn_pktq before = { 0 };

    if (q->last == NULL || q->last->time_ns <= pkt->time_ns) {
        rn_pktq_push(q, pkt);
        return;
    }
    while (q->first != NULL && q->first->time_ns <= pkt->time_ns)
        rn_pktq_push(&before, rn_pktq_pop(q));
    rn_pktq_push(&before, pkt);
    rn_pktq_splice(&before, q);
    *q = before;
}

/* Not the stack's fault: on the device's own account. */
static void lose(struct impair *self, struct rn_pkt *pkt, enum rn_drop why)
{
    pkt->account = &self->base.dev.drops;
    rn_pkt_drop(pkt, why);
}

/* Flips a bit and completes the checksum first, as the wire would carry it. */
static struct rn_pkt *corrupt(struct impair *self, struct lane *lane, struct rn_pkt *pkt)
{
    uint8_t bytes[RN_PKT_PULLUP_BYTES];
    size_t len = rn_min_size(pkt->len, sizeof(bytes));
    struct rn_pkt *copy;
    uint64_t bit;

    if (len == 0 || (pkt->csum == RN_CSUM_PARTIAL && !rn_pkt_complete_checksum(pkt)))
        return pkt;
    rn_pkt_copy_out(pkt, 0, bytes, len);
    bit = rn_rand_below(&lane->rand, len * BITS_PER_BYTE);
    bytes[bit / BITS_PER_BYTE] ^= (uint8_t)(1u << (bit % BITS_PER_BYTE));
    copy = rn_pkt_from_bytes(pkt->pool, bytes, len);
    if (copy == NULL)
        return pkt;
    rn_pkt_pull(pkt, len);
    for (unsigned i = 0; i < pkt->n_frags; i++) {
        if (pkt->frags[i].len != 0 &&
            !rn_pkt_append_ref(copy, pkt->frags[i].buf, pkt->frags[i].off, pkt->frags[i].len)) {
            rn_pkt_free(copy);
            lose(self, pkt, RN_DROP_NOMEM);
            return NULL;
        }
    }
    rn_pkt_free(pkt);
    copy->csum = RN_CSUM_NONE;
    lane->stats.corrupted++;
    return copy;
}

static void admit(struct impair *self, struct lane *lane, struct rn_pkt *pkt)
{
    uint32_t max = lane->dir.queue_pkts != 0 ? lane->dir.queue_pkts : DEFAULT_QUEUE;

    if (lane->waiting.n_pkts >= max) {
        lane->stats.queue_full++;
        lose(self, pkt, RN_DROP_QUEUE_FULL);
        return;
    }
    pkt->time_ns = due_time(lane, pkt, self->base.dev.turn->now_ns);
    lane->stats.passed++;
    enqueue_sorted(&lane->waiting, pkt);
}

/* Consumes @pkt, one wire packet. */
static void suffer(struct impair *self, struct lane *lane, struct rn_pkt *pkt)
{
    struct rn_pkt *twin = NULL;

    if (is_lost(lane)) {
        lane->stats.lost++;
        lose(self, pkt, RN_DROP_IMPAIRED);
        return;
    }
    if (chance(lane, lane->dir.dup_ppm)) {
        twin = rn_pkt_clone(pkt);
        lane->stats.duplicated += twin != NULL;
    }
    if (chance(lane, lane->dir.corrupt_ppm))
        pkt = corrupt(self, lane, pkt);
    if (pkt != NULL)
        admit(self, lane, pkt);
    if (twin != NULL)
        admit(self, lane, twin);
}

static void suffer_all(struct impair *self, struct lane *lane, struct rn_pktq *q)
{
    size_t link_len = self->base.dev.link_type == RN_LINK_ETHERNET ? RN_ETH_HDR_BYTES : 0;
    struct rn_pktq wire = { 0 };
    struct rn_pkt *pkt;

    while ((pkt = rn_pktq_pop(q)) != NULL)
        (void)rn_gso_cut(pkt, link_len, &wire);
    while ((pkt = rn_pktq_pop(&wire)) != NULL)
        suffer(self, lane, pkt);
}

/* --- time --------------------------------------------------------------------------------------------------- */
static void move_due(struct lane *lane, int64_t now_ns)
{
    while (lane->waiting.first != NULL && lane->waiting.first->time_ns <= now_ns)
        rn_pktq_push(&lane->ready, rn_pktq_pop(&lane->waiting));
}

static void arm(struct impair *self)
{
    const struct rn_pkt *in = self->in.waiting.first;
    const struct rn_pkt *out = self->out.waiting.first;
    int64_t due = INT64_MAX;

    if (in != NULL)
        due = in->time_ns;
    if (out != NULL)
        due = rn_min_i64(due, out->time_ns);
    if (due == INT64_MAX)
        rn_turn_cancel(self->base.dev.turn, &self->timer);
    else
        rn_turn_arm(self->base.dev.turn, &self->timer, due);
}

/* Hands what is due to the device below. Returns its error, else 0. */
static int flush_out(struct impair *self)
{
    int n = 0;

    move_due(&self->out, self->base.dev.turn->now_ns);
    if (!rn_pktq_is_empty(&self->out.ready))
        n = self->base.below->ops->write_batch(self->base.below, &self->out.ready);
    arm(self);
    return n < 0 ? n : 0;
}

static void on_timer(struct rn_timer *timer)
{
    struct impair *self = rn_container_of(timer, struct impair, timer);

    (void)flush_out(self);
    move_due(&self->in, self->base.dev.turn->now_ns);
    if (!rn_pktq_is_empty(&self->in.ready))
        rn_device_notify(&self->base.dev, RN_DEV_READABLE);
    arm(self);
}

/* --- device ------------------------------------------------------------------------------------------------- */
static int impair_read(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct impair *self = impair_of(dev);
    struct rn_pktq got = { 0 };
    int below = self->base.below->ops->read_batch(self->base.below, &got, max);
    unsigned n;

    suffer_all(self, &self->in, &got);
    move_due(&self->in, dev->turn->now_ns);
    for (n = 0; n < max && !rn_pktq_is_empty(&self->in.ready); n++)
        rn_pktq_push(in, rn_pktq_pop(&self->in.ready));
    arm(self);
    if (n != 0)
        return (int)n;
    if (below > 0)
        return 0; /* read, but all of it waits or is lost: ask again */
    /* What is under way arrives also from a device that has closed. */
    return rn_pktq_is_empty(&self->in.waiting) ? below : RN_E_WOULD_BLOCK;
}

static int impair_write(struct rn_device *dev, struct rn_pktq *out)
{
    struct impair *self = impair_of(dev);
    int n = (int)out->n_pkts;
    int err;

    if (dev->is_closed)
        return RN_E_CANCELLED;
    suffer_all(self, &self->out, out);
    err = flush_out(self);
    return err < 0 ? err : n;
}

/* What is not due has a timer. */
static bool impair_is_holding(const struct rn_device *dev)
{
    const struct impair *self = rn_container_of(dev, const struct impair, base.dev);

    return !rn_pktq_is_empty(&self->out.ready) || rn_stacked_is_holding(dev);
}

static unsigned on_below(struct rn_stacked *base, unsigned events)
{
    struct impair *self = rn_container_of(base, struct impair, base);

    if (events & RN_DEV_WRITABLE)
        (void)flush_out(self);
    return events;
}

static void impair_destroy(struct rn_device *dev)
{
    struct impair *self = impair_of(dev);
    const struct rn_alloc *alloc = rn_turn_alloc(dev->turn);

    rn_turn_cancel(dev->turn, &self->timer);
    rn_pktq_free_all(&self->in.waiting);
    rn_pktq_free_all(&self->in.ready);
    rn_pktq_free_all(&self->out.waiting);
    rn_pktq_free_all(&self->out.ready);
    rn_stacked_fini(&self->base);
    rn_alloc_free(alloc, self, sizeof(*self));
}

static const struct rn_device_ops impair_ops = {
    .kind = "impair",
    .read_batch = impair_read,
    .write_batch = impair_write,
    .poll_fd = rn_stacked_poll_fd,
    .ready = rn_stacked_ready,
    .is_holding = impair_is_holding,
    .close = rn_stacked_close,
    .destroy = impair_destroy,
};

static bool is_valid(const struct rn_impair_dir *d)
{
    return d->loss_ppm <= MILLION && d->reorder_ppm <= MILLION && d->dup_ppm <= MILLION &&
           d->corrupt_ppm <= MILLION && d->delay_ns >= 0 && d->jitter_ns >= 0 &&
           d->delay_ns < WIRE_NS_MAX && d->jitter_ns < WIRE_NS_MAX &&
           (d->burst_ppm == 0 || d->burst_end_ppm != 0);
}

static void lane_init(struct lane *lane, const struct rn_impair_dir *dir, uint64_t seed)
{
    lane->dir = *dir;
    rn_rand_init_u64(&lane->rand, seed);
}

int rn_impair_new(struct rn_device **ret, struct rn_device *below,
                  const struct rn_impair_opts *opts)
{
    struct impair *self;

    if (!is_valid(&opts->in) || !is_valid(&opts->out))
        return RN_E_BAD_OPTION;
    self = rn_alloc_new(rn_turn_alloc(below->turn), sizeof(*self));
    if (self == NULL)
        return RN_E_NOMEM;
    rn_stacked_init(&self->base, below, &impair_ops);
    self->base.on_below = on_below;
    self->timer.fire = on_timer;
    lane_init(&self->in, &opts->in, opts->seed * 2);
    lane_init(&self->out, &opts->out, opts->seed * 2 + 1);
    *ret = &self->base.dev;
    return RN_OK;
}

void rn_impair_get_stats(const struct rn_device *dev, struct rn_impair_stats *ret_in,
                         struct rn_impair_stats *ret_out)
{
    const struct impair *self = rn_container_of(dev, const struct impair, base.dev);

    *ret_in = self->in.stats;
    *ret_out = self->out.stats;
}
