/* The supervisor's side of a cell. */
#include "host/cell.h"

#include "host/cell_proto.h"
#include "host/reap.h"
#include <runnel/err.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPAWN_TIMEOUT_MS 10000

struct rn_cell {
    pid_t keeper;
    int ctl;
    struct rn_fds device; /* none once taken */
    bool is_over;         /* EMPTY or LOST was told */
    struct rn_cell_report report;
    struct rn_spared spared;
};

const char *rn_cell_stage_text(enum rn_cell_stage stage)
{
    static const char *const texts[RN_CELL_STAGE_COUNT] = {
        [RN_CELL_STAGE_NONE] = "do nothing",
        [RN_CELL_STAGE_FORK] = "start a process",
        [RN_CELL_STAGE_USERNS] = "create a user namespace",
        [RN_CELL_STAGE_MAPS] = "map our user id into the new namespace",
        [RN_CELL_STAGE_NETNS] = "create a network namespace",
        [RN_CELL_STAGE_MOUNTNS] = "create a mount namespace",
        [RN_CELL_STAGE_TUN] = "open a TUN device",
        [RN_CELL_STAGE_VETH] = "create a veth pair",
        [RN_CELL_STAGE_PACKET] = "open a packet socket",
        [RN_CELL_STAGE_LINK] = "configure an interface",
        [RN_CELL_STAGE_ADDR] = "add an address",
        [RN_CELL_STAGE_ROUTE] = "add a default route",
        [RN_CELL_STAGE_KEEPER] = "talk to the process inside",
    };

    return stage < RN_CELL_STAGE_COUNT ? texts[stage] : "do something unknown";
}

/* Before anything is changed: what the command is to inherit. */
static void note_signals(struct keeper *k)
{
    struct sigaction action;

    sigemptyset(&k->ignored);
    for (int sig = 1; sig < NSIG; sig++) {
        if (sigaction(sig, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            sigaddset(&k->ignored, sig);
    }
    sigprocmask(SIG_SETMASK, NULL, &k->mask);
}

static int fork_keeper(struct rn_cell *cell, const struct rn_cell_opts *opts)
{
    struct keeper k = { .opts = opts, .ids = rn_userns_own_ids(opts->maps_root) };
    int ends[2];
    int err = rn_fdpass_pair(ends);

    if (err < 0)
        return err;
    note_signals(&k);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    cell->keeper = fork();
    if (cell->keeper == 0) {
        k.ctl = ends[1];
        rn_cell_keeper_main(&k);
    }
    if (cell->keeper < 0)
        err = rn_err_from_errno(errno);
    close(ends[1]);
    cell->ctl = ends[0];
    return err;
}

static int wait_readable(int fd, int timeout_ms)
{
    struct pollfd polled = { .fd = fd, .events = POLLIN };
    int n;

    do {
        n = poll(&polled, 1, timeout_ms);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return rn_err_from_errno(errno);
    return n == 0 ? RN_E_TIMED_OUT : RN_OK;
}

/* Takes the keeper's first message. */
static int await_ready(struct rn_cell *cell, struct rn_cell_failure *failure)
{
    struct cell_msg msg;
    struct rn_fds fds = { .n = 0 };
    int n = wait_readable(cell->ctl, SPAWN_TIMEOUT_MS);

    if (n >= 0)
        n = rn_fdpass_recv(cell->ctl, &msg, sizeof(msg), &fds);
    if (n == (int)sizeof(msg) && msg.word == CELL_READY && fds.n > 0) {
        cell->report = msg.report;
        cell->device = fds;
        return RN_OK;
    }
    rn_fds_close(&fds);
    if (n == (int)sizeof(msg) && msg.word == CELL_FAILED)
        *failure = msg.failure;
    else
        *failure = (struct rn_cell_failure){ RN_CELL_STAGE_KEEPER, n < 0 ? n : RN_E_ABORTED, "" };
    return failure->err < 0 ? failure->err : RN_E_ABORTED;
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

int rn_cell_spawn(struct rn_cell **ret, const struct rn_cell_opts *opts,
                  struct rn_cell_failure *ret_failure)
{
    struct rn_cell *cell = calloc(1, sizeof(*cell));
    int err;

    *ret_failure = (struct rn_cell_failure){ .stage = RN_CELL_STAGE_FORK, .err = RN_E_NOMEM };
    if (cell == NULL)
        return RN_E_NOMEM;
    cell->ctl = -1;
    err = fork_keeper(cell, opts);
    if (err < 0)
        ret_failure->err = err;
    else
        err = await_ready(cell, ret_failure);
    if (err < 0) {
        rn_cell_free(cell);
        return err;
    }
    *ret_failure = (struct rn_cell_failure){ 0 };
    *ret = cell;
    return RN_OK;
}

struct rn_cell *rn_cell_free(struct rn_cell *cell)
{
    if (cell == NULL)
        return NULL;
    rn_fds_close(&cell->device);
    close_if_open(cell->ctl); /* the keeper reads its end and kills what is inside */
    if (cell->keeper > 0) {
        kill(cell->keeper, SIGCONT); /* whoever stopped it must not keep us waiting */
        while (waitpid(cell->keeper, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    free(cell);
    return NULL;
}

const struct rn_cell_report *rn_cell_report(const struct rn_cell *cell)
{
    return &cell->report;
}

int rn_cell_take_device(struct rn_cell *cell, struct rn_fds *ret)
{
    if (cell->device.n == 0)
        return RN_E_NOT_FOUND;
    *ret = cell->device;
    cell->device.n = 0;
    return RN_OK;
}

pid_t rn_cell_keeper(const struct rn_cell *cell)
{
    return cell->keeper;
}

void rn_cell_spare(struct rn_cell *cell, pid_t pid)
{
    if (cell->spared.n < sizeof(cell->spared.pid) / sizeof(cell->spared.pid[0]))
        cell->spared.pid[cell->spared.n++] = pid;
}

static int say(struct rn_cell *cell, enum cell_word word, int value)
{
    const struct cell_msg msg = { .word = word, .value = value };

    return rn_fdpass_send(cell->ctl, &msg, sizeof(msg), NULL);
}

int rn_cell_release(struct rn_cell *cell)
{
    return say(cell, CELL_RELEASE, 0);
}

int rn_cell_signal(struct rn_cell *cell, int sig)
{
    return say(cell, CELL_SIGNAL, sig);
}

int rn_cell_kill(struct rn_cell *cell)
{
    return say(cell, CELL_KILL, 0);
}

int rn_cell_fd(const struct rn_cell *cell)
{
    return cell->ctl;
}

/* The keeper vanished without a word: its children are ours now. */
static void on_keeper_lost(struct rn_cell *cell)
{
    kill(cell->keeper,
         SIGKILL); /* if it merely closed the socket; still ours to reap, so no other's pid */
    while (waitpid(cell->keeper, NULL, 0) < 0 && errno == EINTR)
        continue;
    cell->keeper = 0;
    rn_kill_children(&cell->spared);
}

int rn_cell_next(struct rn_cell *cell, struct rn_cell_event *ret)
{
    struct cell_msg msg;
    int n;

    if (cell->is_over)
        return RN_E_CANCELLED;
    n = wait_readable(cell->ctl, 0);
    if (n < 0)
        return n == RN_E_TIMED_OUT ? RN_E_WOULD_BLOCK : n;
    n = rn_fdpass_recv(cell->ctl, &msg, sizeof(msg), NULL);
    if (n != (int)sizeof(msg) || msg.word != CELL_EVENT) {
        on_keeper_lost(cell);
        msg.event = (struct rn_cell_event){ .kind = RN_CELL_LOST };
    }
    cell->is_over = msg.event.kind == RN_CELL_LOST || msg.event.kind == RN_CELL_EMPTY;
    *ret = msg.event;
    return RN_OK;
}

int rn_cell_wait(struct rn_cell *cell, int timeout_ms, struct rn_cell_event *ret)
{
    int err = cell->is_over ? RN_E_CANCELLED : wait_readable(cell->ctl, timeout_ms);

    return err < 0 ? err : rn_cell_next(cell, ret);
}
