/*
 * usage: forward PID PID MTU p2p|bare
 *
 * M8: packets between a TUN (t0) in the network of one process and one in that of another, both ways: by dev/p2p on our
 * loop, or by a bare loop of read and write, which is the floor. Says "ready" when both exist.
 */
#include "dev/p2p.h"
#include "io/device_watch.h"
#include "io/loop.h"

#include <runnel/err.h>
#include <runnel/tun.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FRAME_MAX = 65535 + 64, BURST = 64 };

static void must(int err, const char *what)
{
    if (err >= 0)
        return;
    fprintf(stderr, "forward: %s: %s\n", what, rn_err_text(err));
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

static struct rn_device *open_tun(struct rn_loop *loop, const char *pid, uint32_t mtu)
{
    struct rn_tun_opts opts = { .name = "t0", .mtu = mtu };
    struct rn_device *tun;

    enter(pid);
    must(rn_tun_open(&tun, rn_loop_turn(loop), &opts), RN_TUN_PATH);
    return tun;
}

static void say_ready(void)
{
    printf("ready\n");
    fflush(stdout);
}

static void run_p2p(struct rn_loop *loop, struct rn_device *ends[2])
{
    static struct rn_device_watch watches[2];
    static struct rn_p2p p2p;

    rn_p2p_init(&p2p, rn_loop_turn(loop));
    for (unsigned i = 0; i < 2; i++) {
        must(rn_p2p_set(&p2p, i == 0 ? RN_P2P_A : RN_P2P_B, ends[i]), "p2p");
        must(rn_device_watch_start(&watches[i], loop, ends[i]), "watch");
    }
    say_ready();
    must(rn_loop_run(loop), "loop");
}

/* What the far side refuses is lost. */
static void carry(int from, int to)
{
    static uint8_t frame[FRAME_MAX];

    for (unsigned i = 0; i < BURST; i++) {
        ssize_t n = read(from, frame, sizeof(frame));

        if (n <= 0)
            return;
        (void)!write(to, frame, (size_t)n);
    }
}

static void run_bare(struct rn_device *ends[2])
{
    struct pollfd fds[2] = { { ends[0]->ops->poll_fd(ends[0]), POLLIN, 0 },
                             { ends[1]->ops->poll_fd(ends[1]), POLLIN, 0 } };

    say_ready();
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            must(rn_err_from_errno(errno), "poll");
        for (unsigned i = 0; i < 2; i++)
            if (fds[i].revents != 0)
                carry(fds[i].fd, fds[1 - i].fd);
    }
}

int main(int argc, char **argv)
{
    struct rn_device *ends[2];
    struct rn_loop *loop;

    if (argc != 5) {
        fprintf(stderr, "usage: forward PID PID MTU p2p|bare\n");
        return 2;
    }
    must(rn_loop_new(&loop, NULL), "loop");
    for (unsigned i = 0; i < 2; i++)
        ends[i] = open_tun(loop, argv[1 + i], (uint32_t)strtoul(argv[3], NULL, 10));
    if (strcmp(argv[4], "bare") == 0)
        run_bare(ends);
    run_p2p(loop, ends);
}
