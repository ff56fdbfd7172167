#include "outnet/native.h"

/* Refuses everything with one error: the end of a rule that says no, and the net of a family the host lacks. */

struct reject {
    struct rn_net net;
    int err;
};

static void answer(struct rn_task *task)
{
    struct rn_net_dial *dial = rn_container_of(task, struct rn_net_dial, task);

    dial->pending = NULL;
    dial->done(dial, dial->err, NULL);
}

static int reject_dial(struct rn_net *net, struct rn_net_dial *dial)
{
    struct reject *self = rn_container_of(net, struct reject, net);

    dial->err = self->err;
    dial->pending = self;
    dial->task = (struct rn_task){ .run = answer };
    rn_turn_schedule(net->turn, RN_PHASE_EVENT, &dial->task);
    return RN_OK;
}

static void reject_dial_cancel(struct rn_net_dial *dial)
{
    rn_turn_unschedule(&dial->task);
    dial->pending = NULL;
}

static int reject_open_dgram(struct rn_net *net, struct rn_net_dgram **ret,
                             enum rn_net_dgram_kind kind, const struct rn_endpoint *local)
{
    (void)ret;
    (void)kind;
    (void)local;
    return rn_container_of(net, struct reject, net)->err;
}

static void reject_destroy(struct rn_net *net)
{
    struct reject *self = rn_container_of(net, struct reject, net);

    rn_alloc_free(rn_turn_alloc(net->turn), self, sizeof(*self));
}

static const struct rn_net_ops reject_ops = {
    .kind = "reject",
    .dial = reject_dial,
    .dial_cancel = reject_dial_cancel,
    .open_dgram = reject_open_dgram,
    .destroy = reject_destroy,
};

int rn_net_reject_new(struct rn_net **ret, struct rn_turn *turn, int err)
{
    struct reject *self = rn_alloc_new(rn_turn_alloc(turn), sizeof(*self));

    if (self == NULL)
        return RN_E_NOMEM;
    self->net = (struct rn_net){ .ops = &reject_ops, .turn = turn };
    self->err = err;
    *ret = &self->net;
    return RN_OK;
}
