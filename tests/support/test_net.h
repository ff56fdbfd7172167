#pragma once
/*
 * Two stacks joined by a wire, on one turn. Side A is 10.0.0.1 and fd00::1, side B 10.0.0.2 and fd00::2 (/24, /64).
 *
 *     struct rn_test_net n;
 *     rn_test_net_init(&n, &(struct rn_test_net_opts){ .protos = &protos });
 *     ... rn_test_net_run(&n, ns) ...
 *     rn_test_net_fini(&n);
 */
#include "dev/pipe.h"
#include "fixture.h"
#include "stack/nic.h"
#include "stack/pump.h"
#include "stack/stack.h"

struct rn_test_net_opts {
    const struct rn_protos *protos;
    enum rn_link_type link_type;
    uint32_t mtu;       /* 0: 1500 */
    uint32_t nic_flags; /* of both sides */
    bool has_offload;
    struct rn_stack_opts stack; /* protos and is_test are filled in */
};

struct rn_test_side {
    struct rn_stack *stack;
    struct rn_nic *nic;
    struct rn_pump pump;
    struct rn_device *device;
    struct rn_addr v4;
    struct rn_addr v6;
};

struct rn_test_net {
    struct rn_test_turn t;
    struct rn_test_side a;
    struct rn_test_side b;
};

static inline struct rn_addr rn_test_addr(const char *text)
{
    struct rn_addr addr;

    assert_int_equal(rn_addr_parse(text, &addr), 0);
    return addr;
}

static inline void rn_test_side_init(struct rn_test_side *side, struct rn_turn *turn,
                                     const struct rn_test_net_opts *opts, uint8_t number)
{
    struct rn_stack_opts so = opts->stack;
    struct rn_nic_opts no = { .flags = opts->nic_flags };

    so.protos = opts->protos;
    so.is_test = true;
    so.secret[0] = number;
    side->v4 = rn_addr_v4(0x0a000000u | number);
    side->v6 = rn_test_addr("fd00::");
    side->v6.b[15] = number;
    assert_int_equal(rn_stack_new(&side->stack, turn, &so), 0);
    assert_int_equal(rn_nic_new(&side->nic, side->stack, side->device, &no), 0);
    rn_pump_init(&side->pump, side->nic);
    assert_int_equal(rn_nic_add_addr(side->nic, side->v4, 24), 0);
    assert_int_equal(rn_nic_add_addr(side->nic, side->v6, 64), 0);
}

static inline void rn_test_net_init(struct rn_test_net *n, const struct rn_test_net_opts *opts)
{
    struct rn_pipe_opts po = { .link_type = opts->link_type,
                               .mtu = opts->mtu,
                               .has_offload = opts->has_offload };
    struct rn_device *ends[2];

    rn_test_turn_init(&n->t);
    assert_int_equal(rn_pipe_new(ends, &n->t.turn, &po), 0);
    n->a = (struct rn_test_side){ .device = ends[0] };
    n->b = (struct rn_test_side){ .device = ends[1] };
    rn_test_side_init(&n->a, &n->t.turn, opts, 1);
    rn_test_side_init(&n->b, &n->t.turn, opts, 2);
}

static inline void rn_test_side_fini(struct rn_test_side *side)
{
    rn_pump_fini(&side->pump);
    side->stack = rn_stack_free(side->stack);
    side->device = rn_device_free(side->device);
}

static inline void rn_test_net_fini(struct rn_test_net *n)
{
    rn_test_side_fini(&n->a);
    rn_test_side_fini(&n->b);
    rn_test_turn_fini(&n->t);
}

static inline void rn_test_net_run(struct rn_test_net *n, int64_t ns)
{
    rn_test_turn_run(&n->t, ns);
}
