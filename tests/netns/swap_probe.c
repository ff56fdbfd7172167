/*
 * Two TUNs joined by forwarder and point-to-point link; both outer ends are replaced every ten milliseconds. For swap.py.
 *
 *     swap_probe INTERFACE INTERFACE MTU
 *
 * tun A -> forwarder -> pipe -> p2p -> tun B, and tun B -> p2p -> pipe -> tun A. A replaced end is a new device on a duplicate
 * of the queue's descriptor, as after a hand-over; SIGUSR1 stops the swapping.
 */
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

/* A row of two links: the first joins tun A to the pipe, the second the pipe to tun B. */
struct row {
    struct rn_loop *loop;
    struct rn_p2p link[2];
    struct end end[2];
    struct rn_device *middle[2];
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
    const struct rn_pipe_opts pipe = { .mtu = row->mtu, .has_offload = true };
    int err = rn_pipe_new(row->middle, rn_loop_turn(row->loop), &pipe);

    for (unsigned i = 0; i < 2 && err >= 0; i++) {
        struct rn_tun_opts opts = { .name = argv[1 + i], .mtu = row->mtu };
        struct rn_device *dev;

        rn_p2p_init(&row->link[i], rn_loop_turn(row->loop));
        err = rn_p2p_set(&row->link[i], i == 0 ? RN_P2P_B : RN_P2P_A, row->middle[i]);
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
