/*
 * usage: impair_box PID PID MTU IMPAIR [DEVICE]
 *
 * A bad link between two network namespaces, in real time: opens a TUN (t0, or DEVICE) in the namespace of each process and moves
 * packets between them through dev/impair ("delay=25ms,loss=1%,seed=3"). Super-segments are cut before they suffer.
 * Says "ready" when both links exist. tests/sim/goodput.c runs our own TCP over the same impairment in virtual time.
 */
#include "dev/impair.h"
#include "io/loop.h"

#include <runnel/err.h>
#include <runnel/loop.h>
#include <runnel/tun.h>

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BATCH = 64 };

struct side {
    struct rn_device *dev;
    struct side *other;
    struct rn_task task;
    struct rn_watch watch;
};

static void die(const char *what, int err)
{
    fprintf(stderr, "impair_box: %s: %s\n", what, rn_err_text(err));
    exit(1);
}

static void enter(const char *pid)
{
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) {
        perror(path);
        exit(1);
    }
    close(fd);
}

/* What the far side refuses is lost, as at any full queue. */
static void move(struct rn_task *task)
{
    struct side *from = rn_container_of(task, struct side, task);
    struct rn_device *to = from->other->dev;
    struct rn_pktq q = { 0 };
    int n;

    n = from->dev->ops->read_batch(from->dev, &q, BATCH);
    (void)!to->ops->write_batch(to, &q);
    rn_pktq_drop_all(&q, RN_DROP_QUEUE_FULL);
    if (n >= 0)
        rn_turn_schedule(from->dev->turn, RN_PHASE_DELIVER, &from->task);
}

static void on_device(struct rn_device *dev, unsigned events)
{
    struct side *side = dev->owner;

    if ((events & RN_DEV_READABLE) != 0)
        rn_turn_schedule(dev->turn, RN_PHASE_DELIVER, &side->task);
}

static void on_fd(struct rn_watch *watch, unsigned ready)
{
    struct side *side = rn_container_of(watch, struct side, watch);

    (void)ready;
    rn_turn_schedule(side->dev->turn, RN_PHASE_DELIVER, &side->task);
}

static struct rn_device *open_tun(struct rn_loop *loop, const char *pid,
                                  const struct rn_tun_opts *opts)
{
    struct rn_device *tun;
    int err;

    enter(pid);
    err = rn_tun_open(&tun, rn_loop_turn(loop), opts);
    if (err < 0)
        die(RN_TUN_PATH, err);
    return tun;
}

static void begin(struct rn_loop *loop, struct side *side, struct side *other)
{
    int err;

    side->other = other;
    side->task.run = move;
    side->dev->owner = side;
    side->dev->notify = on_device;
    side->watch.fn = on_fd;
    err = rn_loop_watch(loop, &side->watch, side->dev->ops->poll_fd(side->dev), RN_IO_READ);
    if (err < 0)
        die("watch", err);
}

int main(int argc, char **argv)
{
    struct side sides[2] = { 0 };
    struct rn_tun_opts tun = { .name = argc > 5 ? argv[5] : "t0" };
    struct rn_impair_opts impair;
    struct rn_loop *loop;
    const char *word;
    size_t len;
    int err;

    if (argc < 5 || argc > 6 || rn_impair_parse(argv[4], &impair, &word, &len) < 0) {
        fprintf(stderr, "usage: impair_box PID PID MTU IMPAIR [DEVICE]\n");
        return 2;
    }
    err = rn_loop_new(&loop, NULL);
    if (err < 0)
        die("loop", err);
    tun.mtu = (uint32_t)strtoul(argv[3], NULL, 10);
    for (unsigned i = 0; i < 2; i++)
        sides[i].dev = open_tun(loop, argv[1 + i], &tun);
    err = rn_impair_new(&sides[0].dev, sides[0].dev, &impair);
    if (err < 0)
        die("impair", err);
    begin(loop, &sides[0], &sides[1]);
    begin(loop, &sides[1], &sides[0]);
    printf("ready\n");
    fflush(stdout);
    err = rn_loop_run(loop);
    die("loop", err);
}
