/*
 * Two TUNs joined by forwarders and point-to-point links; both outer ends are replaced every ten milliseconds. For swap.py.
 *
 *     swap_probe INTERFACE INTERFACE MTU
 *
 *     tun A -- p2p -- joint == pipe, forwarder, pipe => joint -- p2p -- tun B
 *                           <= pipe, forwarder, pipe ==
 *
 * A forwarder goes one way: a joint is a device whose writes go into one pipe, and whose reads come from another. A replaced end
 * is a new device on a duplicate of the queue's descriptor, as after a hand-over; SIGUSR1 stops the swapping.
 */
#include "dev/callback.h"
#include "dev/forward.h"
#include "dev/p2p.h"
#include "dev/pipe.h"
#include "io/device_watch.h"
#include "io/loop.h"

#include <runnel/err.h>
#include <runnel/tun.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SWAP_EVERY_NS (10 * RN_NS_PER_MS)

struct end {
    struct rn_device *dev;
    struct rn_device_watch watch;
};

/* Two one-way devices as one. */
struct joint {
    struct rn_device *dev;
    struct rn_device *in;
    struct rn_device *out;
};

/* One way: what is written to .near is read from .far. */
struct lane {
    struct rn_device *near[2];
    struct rn_forwarder *forwarder;
    struct rn_device *far[2];
};

/* A row of two links: the first joins tun A to a joint, the second the other joint to tun B. */
struct row {
    struct rn_loop *loop;
    struct rn_p2p link[2];
    struct end end[2];
    struct lane lane[2];
    struct joint joint[2];
    unsigned n_swaps;
    uint32_t mtu;
};

static volatile sig_atomic_t is_still;

static void on_signal(int number)
{
    (void)number;
    is_still = 1;
}

static enum rn_p2p_side outer_side(unsigned which)
{
    return which == 0 ? RN_P2P_A : RN_P2P_B;
}

static int plug(struct row *row, unsigned which, struct rn_device *dev)
{
    int err = rn_p2p_set(&row->link[which], outer_side(which), dev);

    if (err < 0)
        return err;
    row->end[which].dev = dev;
    return rn_device_watch_start(&row->end[which].watch, row->loop, dev);
}

static int swap(struct row *row, unsigned which)
{
    struct rn_device *old = row->end[which].dev;
    int fd = fcntl(old->ops->poll_fd(old), F_DUPFD_CLOEXEC, 0);
    struct rn_tun_opts opts = { .mtu = row->mtu };
    struct rn_device *dev;
    int err = rn_tun_from_fd(&dev, rn_loop_turn(row->loop), fd, &opts);

    if (err < 0)
        return err;
    rn_device_watch_stop(&row->end[which].watch);
    err = plug(row, which, dev);
    rn_device_free(old);
    row->n_swaps++;
    return err;
}

/* --- the middle ----------------------------------------------------------------------------------------------------- */
static int joint_read(void *arg, struct rn_pktq *in, unsigned max)
{
    struct rn_device *from = ((struct joint *)arg)->in;

    return from->ops->read_batch(from, in, max);
}

static int joint_write(void *arg, struct rn_pktq *out)
{
    struct rn_device *to = ((struct joint *)arg)->out;

    return to->ops->write_batch(to, out);
}

static void pass_event(struct rn_device *dev, unsigned events)
{
    rn_device_notify(((struct joint *)dev->owner)->dev, events);
}

static int open_lane(struct row *row, struct lane *lane)
{
    const struct rn_pipe_opts pipe = { .mtu = row->mtu, .has_offload = true };
    struct rn_turn *turn = rn_loop_turn(row->loop);
    int err = rn_pipe_new(lane->near, turn, &pipe);

    if (err >= 0)
        err = rn_pipe_new(lane->far, turn, &pipe);
    if (err >= 0)
        err = rn_forwarder_new(&lane->forwarder, turn, &(struct rn_forwarder_opts){ 0 });
    if (err >= 0)
        err = rn_forwarder_set_from(lane->forwarder, lane->near[1]);
    return err < 0 ? err : rn_forwarder_set_to(lane->forwarder, lane->far[0]);
}

static int open_joint(struct row *row, struct joint *joint, struct lane *out, struct lane *in)
{
    const struct rn_callback_opts opts = { .read = joint_read,
                                           .write = joint_write,
                                           .arg = joint,
                                           .mtu = row->mtu,
                                           .caps = out->near[0]->caps };

    joint->out = out->near[0];
    joint->in = in->far[1];
    joint->out->owner = joint->in->owner = joint;
    joint->out->notify = joint->in->notify = pass_event;
    return rn_callback_new(&joint->dev, rn_loop_turn(row->loop), &opts);
}

static int open_middle(struct row *row)
{
    int err = open_lane(row, &row->lane[0]);

    if (err >= 0)
        err = open_lane(row, &row->lane[1]);
    if (err >= 0)
        err = open_joint(row, &row->joint[0], &row->lane[0], &row->lane[1]);
    return err < 0 ? err : open_joint(row, &row->joint[1], &row->lane[1], &row->lane[0]);
}

static int64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * RN_NS_PER_S + ts.tv_nsec;
}

static int run(struct row *row)
{
    int64_t next_ns = now_ns() + SWAP_EVERY_NS;
    int err = 0;

    while (err >= 0) {
        err = rn_loop_step(row->loop, SWAP_EVERY_NS);
        if (is_still != 0 || now_ns() < next_ns)
            continue;
        next_ns += SWAP_EVERY_NS;
        if (err >= 0)
            err = swap(row, row->n_swaps % 2);
        if (row->n_swaps % 20 == 0) {
            printf("swaps %u\n", row->n_swaps);
            fflush(stdout);
        }
    }
    return err;
}

static int open_row(struct row *row, char **argv)
{
    int err = open_middle(row);

    for (unsigned i = 0; i < 2 && err >= 0; i++) {
        struct rn_tun_opts opts = { .name = argv[1 + i], .mtu = row->mtu };
        struct rn_device *dev;

        rn_p2p_init(&row->link[i], rn_loop_turn(row->loop));
        err = rn_p2p_set(&row->link[i], i == 0 ? RN_P2P_B : RN_P2P_A, row->joint[i].dev);
        if (err >= 0)
            err = rn_tun_open(&dev, rn_loop_turn(row->loop), &opts);
        if (err >= 0)
            err = plug(row, i, dev);
    }
    return err;
}

int main(int argc, char **argv)
{
    static struct row row;
    int err;

    if (argc != 4)
        return 2;
    row.mtu = (uint32_t)strtoul(argv[3], NULL, 10);
    signal(SIGUSR1, on_signal);
    err = rn_loop_new(&row.loop, NULL);
    if (err >= 0)
        err = open_row(&row, argv);
    if (err >= 0) {
        puts("ready");
        fflush(stdout);
        err = run(&row);
    }
    fprintf(stderr, "swap_probe: %s (%d)\n", rn_err_text(err), err);
    return 1;
}
