#include "dev/p2p.h"

#include "dev/renumber.h"
#include <runnel/err.h>

static enum rn_p2p_side other(enum rn_p2p_side side)
{
    return side == RN_P2P_A ? RN_P2P_B : RN_P2P_A;
}

static void schedule(struct rn_p2p *p2p)
{
    rn_turn_schedule(p2p->turn, RN_PHASE_DELIVER, &p2p->task);
}

static void on_event(struct rn_device *dev, unsigned events)
{
    struct rn_p2p *p2p = dev->owner;
    enum rn_p2p_side side = dev == p2p->end[RN_P2P_A] ? RN_P2P_A : RN_P2P_B;

    /* A closed end is found out by using it. */
    if ((events & (RN_DEV_READABLE | RN_DEV_CLOSED)) != 0)
        p2p->lane[side].may_read = true;
    if ((events & (RN_DEV_WRITABLE | RN_DEV_CLOSED)) != 0)
        p2p->lane[other(side)].may_write = true;
    schedule(p2p);
}

static void plug(struct rn_p2p *p2p, enum rn_p2p_side side, struct rn_device *dev)
{
    struct rn_device *old = p2p->end[side];

    if (old != NULL) {
        old->notify = NULL;
        old->owner = NULL;
    }
    p2p->end[side] = dev;
    rn_copy_set_from(&p2p->lane[side], dev);
    rn_copy_set_to(&p2p->lane[other(side)], dev);
    if (dev == NULL)
        return;
    dev->notify = on_event;
    dev->owner = p2p;
    schedule(p2p);
}

int rn_p2p_set(struct rn_p2p *p2p, enum rn_p2p_side side, struct rn_device *dev)
{
    const struct rn_device *peer = p2p->end[other(side)];

    if (dev == p2p->end[side])
        return RN_OK;
    if (dev != NULL && peer != NULL && (dev == peer || dev->link_type != peer->link_type))
        return RN_E_BAD_OPTION;
    plug(p2p, side, dev);
    return RN_OK;
}

static void take_out(struct rn_p2p *p2p, enum rn_p2p_side side)
{
    struct rn_device *failed = p2p->end[side];

    plug(p2p, side, NULL);
    if (p2p->on_end_failed != NULL)
        p2p->on_end_failed(p2p, side, failed);
}

/* Returns false when an end failed. Whoever was told may have freed @p2p; else its turn comes again. */
static bool run_lane(struct rn_p2p *p2p, enum rn_p2p_side side)
{
    enum rn_copy_state state = rn_copy_run(&p2p->lane[side]);

    if (state == RN_COPY_WAITS)
        return true;
    schedule(p2p);
    if (state == RN_COPY_HAS_MORE)
        return true;
    take_out(p2p, state == RN_COPY_FROM_FAILED ? side : other(side));
    return false;
}

static void run(struct rn_task *task)
{
    struct rn_p2p *p2p = rn_container_of(task, struct rn_p2p, task);

    if (run_lane(p2p, RN_P2P_A))
        (void)run_lane(p2p, RN_P2P_B);
}

static struct rn_pkt *renumber_a_to_b(void *arg, struct rn_pkt *pkt)
{
    const struct rn_p2p *p2p = arg;

    return p2p->renumber != NULL ? rn_renumber_a_to_b(p2p->renumber, pkt) : pkt;
}

static struct rn_pkt *renumber_b_to_a(void *arg, struct rn_pkt *pkt)
{
    const struct rn_p2p *p2p = arg;

    return p2p->renumber != NULL ? rn_renumber_b_to_a(p2p->renumber, pkt) : pkt;
}

void rn_p2p_init(struct rn_p2p *p2p, struct rn_turn *turn)
{
    *p2p = (struct rn_p2p){ .turn = turn, .task.run = run };
    p2p->lane[RN_P2P_A] = (struct rn_copy){ .on_packet = renumber_a_to_b, .arg = p2p };
    p2p->lane[RN_P2P_B] = (struct rn_copy){ .on_packet = renumber_b_to_a, .arg = p2p };
}

void rn_p2p_set_renumber(struct rn_p2p *p2p, const struct rn_renumber *renumber)
{
    p2p->renumber = renumber;
}

void rn_p2p_fini(struct rn_p2p *p2p)
{
    rn_turn_unschedule(&p2p->task);
    plug(p2p, RN_P2P_A, NULL);
    plug(p2p, RN_P2P_B, NULL);
    rn_copy_fini(&p2p->lane[RN_P2P_A]);
    rn_copy_fini(&p2p->lane[RN_P2P_B]);
}

/* --- of its own memory -------------------------------------------------------------------------------------------- */
struct owned_p2p {
    struct rn_p2p p2p;
    struct rn_p2p_opts opts;
    struct rn_renumber renumber;
};

static void tell_failed(struct rn_p2p *p2p, enum rn_p2p_side side, struct rn_device *end)
{
    const struct owned_p2p *self = rn_container_of(p2p, struct owned_p2p, p2p);

    if (self->opts.on_end_failed != NULL)
        self->opts.on_end_failed(self->opts.arg, p2p, side, end);
}

int rn_p2p_new(struct rn_p2p **ret, struct rn_turn *turn, const struct rn_p2p_opts *opts)
{
    struct owned_p2p *self = rn_alloc_new(rn_turn_alloc(turn), sizeof(*self));

    if (self == NULL)
        return RN_E_NOMEM;
    self->opts = *opts;
    rn_p2p_init(&self->p2p, turn);
    self->p2p.on_end_failed = tell_failed;
    for (unsigned side = 0; side < RN_P2P_SIDES; side++)
        self->p2p.lane[side].does_not_merge = opts->does_not_merge;
    if (opts->renumber != NULL) {
        self->renumber = *opts->renumber;
        rn_p2p_set_renumber(&self->p2p, &self->renumber);
    }
    *ret = &self->p2p;
    return RN_OK;
}

struct rn_p2p *rn_p2p_free(struct rn_p2p *p2p)
{
    if (p2p == NULL)
        return NULL;
    rn_p2p_fini(p2p);
    rn_alloc_free(rn_turn_alloc(p2p->turn), p2p, sizeof(struct owned_p2p));
    return NULL;
}

uint64_t rn_p2p_count(const struct rn_p2p *p2p, enum rn_p2p_side side)
{
    return p2p->lane[side].n_pkts;
}
